"""Which orphan at a provider is which order in doubt. Pure: no database, no clock, no network.

An orphan is an order at the provider that answers for our key and belongs to no order of ours. A candidate is an
order of ours of which a sending may have been taken without our knowing. Binding the wrong pair would refund one
customer for the fate of another's order, so anything less than one explanation for everything binds nothing.
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

# Ids of one order that are asked about at most: 20 calls.
MAX_WIDTH = 2_000


@dataclass(frozen=True, slots=True)
class IdWindow:
    """The ids that an order in doubt may have: above `low`, and below `high` where a later order's id is known.

    `closed_at` is when that later order was known to be placed: whatever was sent after it has a higher id.
    From `first` to `last`, both inclusive, the provider is asked.
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
    """An order of ours that may be at the provider unknown to us; `sent_at` is its first such sending.

    Of a package the provider counts the contents, and we count packages: `remains` says nothing then.
    """

    order_id: int
    sold: SoldOrder
    exchange_rate: int
    sent_at: datetime
    is_package: bool = False


def candidate_of(*, order: Order, sent_at: datetime) -> Candidate:
    """Return the order as a candidate. One of an unknown service type may be a package."""
    spec = SPECS.get(order.service_type)
    return Candidate(order.pk, order, order.exchange_rate, sent_at, spec is None or spec.is_package)


def sole_match(
    *, doubt: Candidate, window: IdWindow, candidates: Sequence[Candidate], orphans: Mapping[int, StatusRow]
) -> int | None:
    """Return the id of the one orphan that is the order in doubt, or None.

    It must be the only one in the window that agrees with the order, it can be no other candidate's, and each
    other orphan in the window must be explained by a candidate of its own.
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
    """Return whether remains and charge are what the candidate should show, neither of them missing.

    A canceled order shows nothing of what was ordered, so it agrees with none.
    """
    charge = charge_in_micros(row.charge, candidate.exchange_rate)
    quantity = candidate.sold.quantity
    if row.status is None or row.remains is None or charge is None or not 0 <= row.remains <= quantity:
        return False
    match row.status:
        case OrderStatus.CANCELED:
            return False
        case OrderStatus.PARTIAL:
            return cost_agrees(candidate.sold, row.remains, charge)
        case OrderStatus.PENDING if row.remains != quantity:
            return False
        case OrderStatus.COMPLETED if row.remains:
            return False
    return cost_agrees(candidate.sold, 0, charge)


def may_be(candidate: Candidate, row: StatusRow) -> bool:
    """Return whether this may be the candidate's order, though it shows what it should not.

    A charge excludes nobody: rates rise between two imports. Only a quantity that it cannot have does.
    """
    quantity = candidate.sold.quantity
    if candidate.is_package or row.remains is None:
        return True
    return row.remains <= quantity and not (row.status is OrderStatus.PENDING and 0 < row.remains < quantity)


def _each_explained(rows: Sequence[StatusRow], candidates: Sequence[Candidate]) -> bool:
    """Return whether each row has a candidate of its own that agrees; the hardest to explain first."""
    explanations = sorted(({one.order_id for one in candidates if agrees(one, row)} for row in rows), key=len)
    used: set[int] = set()
    for orders in explanations:
        left = orders - used
        if not left:
            return False
        used.add(min(left))
    return True
