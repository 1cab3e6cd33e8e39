"""Matching orphans at a provider with orders in doubt. Pure: no database, no clock, no network.

An orphan is an id that the provider answers for our key and that no order of ours has. A candidate is an order of ours
that the provider may have accepted without us knowing. A wrong match would refund one customer by the status of
another's order, so an orphan is bound only if there is exactly one explanation for all orphans.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from catalog.service_types import SPECS
from catalog.upstream.results import OrderStatus, StatusRow
from orders.models import Order
from orders.refunds.policy import SoldOrder, cost_agrees
from orders.tracking.interpret import charge_in_micros

# The most ids that are polled for one order: 20 calls.
MAX_WIDTH = 2_000


@dataclass(frozen=True, slots=True)
class IdWindow:
    """The ids that an order in doubt may have: above `low`, and below `high` if the id of a later order is known.

    `closed_at` is when that later order was accepted: orders sent after it have higher ids. The search covers the
    ids from `first` to `last`, both inclusive.
    """

    low: int
    high: int | None
    closed_at: datetime | None

    @property
    def first(self) -> int:
        return self.low + 1

    @property
    def last(self) -> int:
        return self.low + MAX_WIDTH if self.high is None else self.high - 1

    @property
    def is_too_wide(self) -> bool:
        return self.last - self.low > MAX_WIDTH

    def holds(self, number: int) -> bool:
        return self.low < number and (self.high is None or number < self.high)


@dataclass(frozen=True, slots=True)
class Candidate:
    """An order that the provider may have accepted without us knowing; `sent_at` is the first such attempt.

    `remains` of a package cannot be compared: the provider counts its contents, we count packages. `cost_now` is the
    cost at the service's present rate, in micro-units: a rate that rose before the sending may be imported after it.
    """

    order_id: int
    sold: SoldOrder
    exchange_rate: int
    sent_at: datetime
    is_package: bool = False
    cost_now: int | None = None


def candidate_of(*, order: Order, sent_at: datetime, cost_now: int | None = None) -> Candidate:
    """Return the order as a candidate. An unknown service type counts as a package, as it may be one."""
    spec = SPECS.get(order.service_type)
    return Candidate(order.pk, order, order.exchange_rate, sent_at, spec is None or spec.is_package, cost_now)


def sole_match(
    *, doubt: Candidate, window: IdWindow, candidates: Sequence[Candidate], orphans: Mapping[int, StatusRow]
) -> int | None:
    """Return the id of the orphan that is certainly the order in doubt, or None.

    It must be the only orphan in the window that agrees with the order, no other candidate may be it, and each other
    orphan in the window must agree with a candidate of its own.
    """
    others = [one for one in candidates if one.order_id != doubt.order_id]
    inside = {number: row for number, row in orphans.items() if window.holds(number)}
    ours = [number for number, row in inside.items() if agrees(doubt, row)]
    if len(ours) != 1:
        return None
    [found] = ours
    rivals = [one for one in others if window.closed_at is None or one.sent_at < window.closed_at]
    if any(may_be(one, inside[found]) for one in rivals):
        return None
    return found if _each_explained([row for number, row in inside.items() if number != found], others) else None


def agrees(candidate: Candidate, row: StatusRow) -> bool:
    """Return True if the row has remains and charge and both are as expected for the candidate.

    The charge may be that of the rate at the sending or of the present one. A canceled order does not show what was
    ordered, so it agrees with no candidate.
    """
    charge = charge_in_micros(row.charge, candidate.exchange_rate)
    if charge is None or row.remains is None or not remains_agree(candidate, row):
        return False
    undelivered = row.remains if row.status is OrderStatus.PARTIAL else 0
    return cost_agrees(candidate.sold, undelivered, charge) or (
        candidate.cost_now is not None and cost_agrees(candidate.sold, undelivered, charge, cost=candidate.cost_now)
    )


def remains_agree(candidate: Candidate, row: StatusRow) -> bool:
    """Return True if status and remains are as expected for the candidate, whatever was charged."""
    quantity = candidate.sold.quantity
    if row.status in (None, OrderStatus.CANCELED) or row.remains is None or not 0 <= row.remains <= quantity:
        return False
    match row.status:
        case OrderStatus.PENDING:
            return row.remains == quantity
        case OrderStatus.COMPLETED:
            return row.remains == 0
    return True


def may_be(candidate: Candidate, row: StatusRow) -> bool:
    """Return True unless the row's remains rule the candidate out.

    The charge rules out none, since rates may rise between two imports.
    """
    quantity = candidate.sold.quantity
    if candidate.is_package or row.remains is None:
        return True
    return row.remains <= quantity and not (row.status is OrderStatus.PENDING and 0 < row.remains < quantity)


def _each_explained(rows: Sequence[StatusRow], candidates: Sequence[Candidate]) -> bool:
    """Return True if each row can be given an agreeing candidate of its own, beginning with the row that has fewest."""
    matches = sorted(({one.order_id for one in candidates if agrees(one, row)} for row in rows), key=len)
    used: set[int] = set()
    for orders in matches:
        left = orders - used
        if not left:
            return False
        used.add(min(left))
    return True
