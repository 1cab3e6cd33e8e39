"""What orders cost at their provider, and the corrections that answers make to it.

An accepted order counts at its expected cost. Each answer that changes what it cost leaves the difference in a
correction, in the transaction that stores the answer, so that each order is counted once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from orders.models import CostCorrection, Order
from orders.states import Status
from panel.lib.money import EXCHANGE_ONE


@dataclass(frozen=True, slots=True)
class CountedCost:
    """What an order counts for, in micro-units of the provider's currency; `is_returned` if the provider said so."""

    amount: int
    is_returned: bool


def in_provider_currency(micros: int, exchange_rate: int) -> int:
    """Return micro-units of a provider's currency for micro-units of the panel's, rounded down.

    Costs were rounded up when they were converted, so that this restores them. `exchange_rate` is in units of 10⁻¹².
    """
    return micros * EXCHANGE_ONE // exchange_rate


def counted_cost(order: Order) -> CountedCost:
    """Return what an accepted order counts for as it is now.

    An open order that was charged nothing yet counts at its expected cost: many providers return 0 until it starts.
    """
    if order.upstream_charge or (order.upstream_charge is not None and order.is_final):
        return CountedCost(in_provider_currency(order.upstream_charge, order.exchange_rate), True)
    cost = order.expected_cost
    if order.status == Status.CANCELED:
        cost = 0
    elif order.status == Status.PARTIAL and order.delivered is not None:
        cost = cost * order.delivered // order.quantity
    return CountedCost(in_provider_currency(cost, order.exchange_rate), False)


def correct_costs(*, provider_id: int, before: Sequence[CountedCost], orders: Sequence[Order], at: datetime) -> None:
    """Store by how much the orders cost more or less than `before`, if any changed. Joins a transaction.

    `orders` are the same, in the same order, after an answer that was complete at `at`.
    """
    amount = confirmed = 0
    for old, order in zip(before, orders, strict=True):
        new = counted_cost(order)
        amount += new.amount - old.amount
        if new.is_returned and not old.is_returned:
            confirmed += old.amount
    if amount or confirmed:
        CostCorrection.objects.create(provider_id=provider_id, amount=amount, confirmed=confirmed, at=at)
