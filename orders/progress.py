"""What a provider's answer changes about an order. Pure: no database, no clock, no network."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal

from catalog.upstream.results import StatusRow
from orders.models import Order
from orders.refunds import Contradiction, Refund, Sold, refund_due
from orders.reviewing import review_memo
from orders.states import FINAL, ReviewReason, Status, may_follow
from panel.money import MAX_MICROS, MoneyError, convert_up, micros_up


@dataclass(slots=True)
class Change:
    """`values` are the columns that differ; the refund target and the review are decided with them."""

    values: dict[str, object] = field(default_factory=dict)
    new_status: str = ""
    refund: Refund | None = None
    review: str = ""
    review_note: str = ""

    def __bool__(self) -> bool:
        return bool(self.values or self.refund or self.review)


def change_from(*, order: Order, row: StatusRow, exchange_rate: int) -> Change:
    """Compares the answer with what is stored. `exchange_rate` is the provider's, in units of 10⁻¹².

    Once canceled an order stays so: what it gave back is never taken again.
    """
    change = Change()
    charge = charge_in_micros(row.charge, exchange_rate)
    if charge is not None and charge != order.upstream_charge:
        change.values["upstream_charge"] = charge
    if row.start_count is not None and order.start_count is None:
        change.values["start_count"] = _bounded(row.start_count)
    if row.status is None:
        change.review = ReviewReason.UNKNOWN_STATUS
        change.review_note = f"Status: {row.status_text}"
        return _unless_known(order, change)
    status = Status(row.status.value)
    if row.remains is not None and _bounded(row.remains) != order.remains and order.status != Status.CANCELED:
        change.values["remains"] = _bounded(row.remains)
    if may_follow(order.status, status):
        change.values["status"] = change.new_status = status
    elif status != order.status:
        return change
    if status in FINAL:
        _decide_refund(order, change, status, row, charge)
    return change


def _decide_refund(order: Order, change: Change, status: Status, row: StatusRow, charge: int | None) -> None:
    sold = Sold(quantity=order.quantity, charge=order.charge, expected_cost=order.expected_cost)
    due = refund_due(sold, status=status, remains=row.remains, upstream_charge=charge)
    if isinstance(due, Contradiction):
        change.review = ReviewReason.CONTRADICTION
        change.review_note = due.text
        _unless_known(order, change)
    elif due.target > order.refunded:
        change.refund = due


def _unless_known(order: Order, change: Change) -> Change:
    """Drops a review that the order is in, or that staff closed, so that each poll does not ask again."""
    if order.review_reason or order.closed_review == review_memo(change.review, change.review_note):
        change.review = change.review_note = ""
    return change


def charge_in_micros(charge: Decimal | None, exchange_rate: int) -> int | None:
    """The returned charge in micro-units of the panel's currency; None where it is unusable."""
    if charge is None or charge < 0:
        return None
    try:
        return convert_up(micros_up(charge), exchange_rate)
    except MoneyError:
        return None


def _bounded(number: int) -> int:
    """What a 64-bit column can hold."""
    return max(-MAX_MICROS, min(number, MAX_MICROS))
