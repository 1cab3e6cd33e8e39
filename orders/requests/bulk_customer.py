"""Cancels and refills of many orders of one customer, each by the rules of a single one.

Each order is a transaction of its own: one that is refused or fails stops no other, and a second run finds the
first one's work.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Any

import structlog
from django.utils import timezone

from orders.models import CancelRequest, Order
from orders.requests.cancel import AFTER_REFUSAL, CancelOutcome, TooLate, cancel_order, may_withdraw, why_not_asked
from orders.requests.refill import RefillRefused, request_refill
from orders.states import CancelState, Status

log = structlog.get_logger(__name__)

MOST = 100
"""Orders in one go: each costs some statements, and the customer waits."""
FAILED = "Something went wrong on our side. Please try again."


class TooMany(ValueError):
    """More orders than may be chosen at once; nothing was changed. The message is for the customer."""


@dataclass(frozen=True, slots=True)
class Prospect:
    """What canceling an order would do: `back` micro-units at once, or the provider is asked, or `reason` why not."""

    order: Order
    back: int = 0
    reason: str = ""

    @property
    def is_asked(self) -> bool:
        return not self.back and not self.reason


@dataclass(slots=True)
class Tally:
    """What came of the orders; `refunded` in micro-units, `left` counts those left as they are, by the reason.

    `already`: were canceled before, most likely by the first half of a double click.
    """

    refunded: int = 0
    withdrawn: int = 0
    asked: int = 0
    already: int = 0
    left: Counter[str] = field(default_factory=Counter)


def foresee_cancels(*, orders: Collection[Order]) -> list[Prospect]:
    """What `cancel_orders` would do now; changes nothing. One statement. Raises TooMany.

    The orders come with their services' upstream services.
    """
    _check(orders)
    refused = set(
        CancelRequest.objects.filter(
            order__in=[order.pk for order in orders],
            state=CancelState.REFUSED,
            finished_at__gt=timezone.now() - AFTER_REFUSAL,
        ).values_list("order_id", flat=True)
    )
    return [_prospect(order, was_refused=order.pk in refused) for order in orders]


def _prospect(order: Order, *, was_refused: bool) -> Prospect:
    if may_withdraw(order):
        return Prospect(order, back=order.net_charge)
    if reason := why_not_asked(order):
        return Prospect(order, reason=reason)
    if not order.service.upstream.cancel:
        return Prospect(order, reason="This service cannot be canceled once it was sent.")
    if was_refused:
        return Prospect(order, reason="The provider refused it within the last hour.")
    return Prospect(order)


def cancel_orders(*, orders: Collection[Order], actor: Any) -> Tally:
    """Cancels each as `cancel_order` does. Raises TooMany."""

    def cancel(order: Order, tally: Tally) -> None:
        try:
            outcome = cancel_order(order=order, actor=actor)
        except TooLate:
            order.refresh_from_db(fields=["status"])
            if order.status != Status.CANCELED:
                raise
            tally.already += 1
            return
        if outcome is CancelOutcome.ASKED:
            tally.asked += 1
        else:
            tally.withdrawn += 1
            tally.refunded += order.net_charge

    return _each(orders, cancel)


def refill_orders(*, orders: Collection[Order], actor: Any) -> Tally:
    """Asks for a refill of each as `request_refill` does. Raises TooMany."""

    def refill(order: Order, tally: Tally) -> None:
        request_refill(order=order, actor=actor)
        tally.asked += 1

    return _each(orders, refill)


def _each(orders: Collection[Order], act: Callable[[Order, Tally], None]) -> Tally:
    _check(orders)
    tally = Tally()
    for order in orders:
        try:
            act(order, tally)
        except (TooLate, RefillRefused) as error:
            tally.left[str(error)] += 1
        except Exception:
            log.exception("order of a bulk action failed", order=order.pk)
            tally.left[FAILED] += 1
    return tally


def _check(orders: Collection[Order]) -> None:
    if len(orders) > MOST:
        raise TooMany(f"Choose at most {MOST} orders at a time.")
