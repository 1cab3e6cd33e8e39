"""What a provider's answer changes about an order. Pure: no database, no clock, no network."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal

from catalog.upstream.results import RowError, StatusRow
from orders.models import Order
from orders.refunds.policy import Contradiction, Refund, refund_due
from orders.review.decisions import is_dismissed
from orders.states import FINAL, ReviewReason, Status, may_follow
from panel.lib.money import MAX_MICROS, MoneyError, convert_up, micros_up

# Words for an order that came to nothing: an end only where the provider says that it charged nothing.
FAILED = frozenset({"fail", "failed"})
# Reviews that a later, clear answer makes needless.
SETTLED_BY_ANSWER = (ReviewReason.CONTRADICTION, ReviewReason.UNKNOWN_STATUS, ReviewReason.LOST_UPSTREAM)


@dataclass(slots=True)
class OrderChange:
    """What an answer changes of an order: nothing where it is unusable.

    `was` and `was_refunded` are the status and the refund before, `values` the columns that differ. Refund and review
    are decided with them.
    """

    order: Order
    was: str
    was_refunded: int
    row: StatusRow | RowError | None
    values: dict[str, object] = field(default_factory=dict)
    refund: Refund | None = None
    review: str = ""
    review_note: str = ""
    review_figures: tuple[object, ...] = ()
    settles_review: bool = False

    def __bool__(self) -> bool:
        return bool(self.values or self.refund or self.review or self.settles_review)

    @property
    def status_row(self) -> StatusRow | None:
        """The answer, if it tells how the order stands."""
        return self.row if isinstance(self.row, StatusRow) else None


def change_of(*, order: Order, row: StatusRow | RowError | None) -> OrderChange:
    """Compare the answer with what is stored.

    A charge in another currency than that of the sending is no charge that can be compared. Once canceled an
    order stays so: what it gave back is never taken again.
    """
    change = OrderChange(order, order.status, order.refunded, row)
    if not isinstance(row, StatusRow):
        return change
    charge = None if is_foreign(order, row) else charge_in_micros(row.charge, order.exchange_rate)
    if charge is not None and charge != order.upstream_charge:
        change.values["upstream_charge"] = charge
    if row.start_count is not None and _bounded(row.start_count) != order.start_count and not order.is_final:
        change.values["start_count"] = _bounded(row.start_count)
    status = _status(row, charge)
    if status is None:
        _ask(change, ReviewReason.UNKNOWN_STATUS, f"Status: {row.status_text}", (row.status_text,))
        return change
    if status != order.status and not may_follow(order.status, status):
        return change
    due = _due(order, row, status, charge)
    # The status too: what staff dismissed of a Partial says nothing of a Canceled with the same numbers.
    figures = (status, row.remains, f"{row.charge} {row.currency}" if is_foreign(order, row) else charge)
    if isinstance(due, Contradiction) and is_dismissed(order, ReviewReason.CONTRADICTION, due.text, figures):
        return change  # Staff decided about this very answer, and perhaps how the order ended.
    if status != order.status:
        change.values["status"] = status
    if row.remains is not None and _bounded(row.remains) != order.remains and order.status != Status.CANCELED:
        change.values["remains"] = _bounded(row.remains)
    if isinstance(due, Contradiction):
        _ask(change, ReviewReason.CONTRADICTION, due.text, figures)
        return change
    # Half of what contradicted itself settles nothing: the other half was only left out.
    is_half = _contradicted(order) and status in FINAL and _lacks_half(status, row, charge)
    if due.target > order.refunded and is_half:
        _ask(change, ReviewReason.CONTRADICTION, f"{status.label} now, without remains or charge.", figures)
    elif due.target > order.refunded:
        change.refund = due
    change.settles_review = order.review_reason in SETTLED_BY_ANSWER and not is_half
    return change


def _due(order: Order, row: StatusRow, status: Status, charge: int | None) -> Refund | Contradiction:
    if status == Status.CANCELED and row.charge and is_foreign(order, row):
        delivered = row.remains is None or row.remains < order.quantity
        if delivered or order.is_package:
            return Contradiction(f"Canceled, and charged {row.charge} {row.currency}, which is not its currency.")
    return refund_due(order, status=status, remains=row.remains, upstream_charge=charge)


def _lacks_half(status: Status, row: StatusRow, charge: int | None) -> bool:
    """Canceled for nothing says it all: whatever remains, we paid for none of it."""
    return charge is None or (row.remains is None and not (status == Status.CANCELED and charge == 0))


def _contradicted(order: Order) -> bool:
    """Whether remains and charge contradicted each other before, as far as anybody remembers."""
    reason = ReviewReason.CONTRADICTION
    return order.review_reason == reason or order.closed_review.startswith(f"{reason}:")


def _status(row: StatusRow, charge: int | None) -> Status | None:
    if row.status is not None:
        return Status(row.status.value)
    if charge == 0 and row.status_text.strip().lower() in FAILED:
        return Status.CANCELED
    return None


def _ask(change: OrderChange, reason: ReviewReason, note: str, figures: tuple[object, ...]) -> None:
    """Ask for a review, unless the order is in one or staff closed this very one: not at each poll again."""
    if not change.order.review_reason and not is_dismissed(change.order, reason, note, figures):
        change.review, change.review_note, change.review_figures = reason, note, figures


def is_foreign(order: Order, row: StatusRow) -> bool:
    """Whether the row names a currency, and another one than the provider's at the sending."""
    return bool(row.currency and order.currency) and row.currency.upper() != order.currency.upper()


def charge_in_micros(charge: Decimal | None, exchange_rate: int) -> int | None:
    """The returned charge in micro-units of the panel's currency; None where it is unusable.

    `exchange_rate` is in units of 10⁻¹².
    """
    if charge is None or charge < 0:
        return None
    try:
        return convert_up(micros_up(charge), exchange_rate)
    except MoneyError:
        return None


def _bounded(number: int) -> int:
    """What a 64-bit column can hold."""
    return max(-MAX_MICROS, min(number, MAX_MICROS))
