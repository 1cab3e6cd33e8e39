"""Which orphan at a provider is which doubt of ours. Pure: no database, no clock, no network.

An orphan is an order that answers for our key and belongs to no order of ours. A suspect is an order of ours
of which a sending may have been taken without our knowing. Binding the wrong pair would refund one customer
for the fate of another's order, so anything less than one explanation for everything binds nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from catalog.upstream.results import OrderStatus, StatusRow
from orders.refunds.policy import Sold, cost_agrees
from orders.tracking.interpret import charge_in_micros


@dataclass(frozen=True, slots=True)
class Window:
    """The ids that a doubt may have: above `low`, and below `high` where a later order's id is known.

    `closed_at` is when that later order was known to be placed: whatever was sent after it has a higher id.
    """

    low: int
    high: int | None
    closed_at: datetime | None

    def holds(self, number: int) -> bool:
        return self.low < number and (self.high is None or number < self.high)


@dataclass(frozen=True, slots=True)
class Suspect:
    """An order of ours that may be at the provider unknown to us; `sent_at` is its first such sending.

    Of a package the provider counts the contents, and we count packages: `remains` says nothing then.
    """

    order_id: int
    sold: Sold
    exchange_rate: int
    sent_at: datetime
    is_package: bool = False


def agrees(suspect: Suspect, row: StatusRow) -> bool:
    """Whether remains and charge are what this order should show, neither of them missing.

    A canceled order shows nothing of what was ordered, so it agrees with none.
    """
    charge = charge_in_micros(row.charge, suspect.exchange_rate)
    quantity = suspect.sold.quantity
    if row.status is None or row.remains is None or charge is None or not 0 <= row.remains <= quantity:
        return False
    match row.status:
        case OrderStatus.CANCELED:
            return False
        case OrderStatus.PARTIAL:
            return cost_agrees(suspect.sold, row.remains, charge)
        case OrderStatus.PENDING if row.remains != quantity:
            return False
        case OrderStatus.COMPLETED if row.remains:
            return False
    return cost_agrees(suspect.sold, 0, charge)


def may_be(suspect: Suspect, row: StatusRow) -> bool:
    """Whether this may be the suspect's order, though it shows what it should not.

    A charge excludes nobody: rates rise between two imports. Only a quantity that it cannot have does.
    """
    quantity = suspect.sold.quantity
    if suspect.is_package or row.remains is None:
        return True
    return row.remains <= quantity and not (row.status is OrderStatus.PENDING and 0 < row.remains < quantity)


def sole_match(
    *, doubt: Suspect, window: Window, suspects: Sequence[Suspect], orphans: Mapping[int, StatusRow]
) -> int | None:
    """The one orphan that is this doubt, or None.

    It must be the only one in the window that agrees with the doubt, it can be no other suspect's, and each
    other orphan in the window must be explained by a suspect of its own.
    """
    others = [one for one in suspects if one.order_id != doubt.order_id]
    inside = {number: row for number, row in orphans.items() if window.holds(number)}
    ours = [number for number, row in inside.items() if agrees(doubt, row)]
    if len(ours) != 1:
        return None
    [found] = ours
    rivals = [one for one in others if window.closed_at is None or one.sent_at < window.closed_at]
    if any(may_be(one, inside[found]) for one in rivals):
        return None
    return found if _each_explained([row for number, row in inside.items() if number != found], others) else None


def _each_explained(rows: Sequence[StatusRow], suspects: Sequence[Suspect]) -> bool:
    """Whether each row has a suspect of its own that would show it; the hardest to explain first."""
    candidates = sorted(({one.order_id for one in suspects if agrees(one, row)} for row in rows), key=len)
    used: set[int] = set()
    for orders in candidates:
        left = orders - used
        if not left:
            return False
        used.add(min(left))
    return True


def explained(row: StatusRow, suspects: Iterable[Suspect]) -> bool:
    """Whether some suspect would show this."""
    return any(agrees(one, row) for one in suspects)
