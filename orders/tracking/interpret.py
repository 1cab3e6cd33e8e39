"""Interpreting a provider's answer about an order. Pure: no database, no clock, no network."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal

from catalog.upstream.currencies import is_same_currency
from catalog.upstream.results import RowError, StatusRow
from catalog.upstream.status_words import is_failure, is_success
from orders.models import Order
from orders.refunds.policy import Contradiction, Refund, refund_due
from orders.review.decisions import is_dismissed
from orders.states import FINAL, ReviewReason, Status, may_follow
from orders.tracking.recanted import LateAnswer, confirms_end, recants
from panel.lib.money import MAX_MICROS, MoneyError, convert_up, format_plain, micros_up

# Reviews that a later, clear answer closes.
CLOSED_BY_ANSWER = (ReviewReason.CONTRADICTION, ReviewReason.UNKNOWN_STATUS, ReviewReason.LOST_UPSTREAM)


@dataclass(slots=True)
class OrderChange:
    """What an answer changes about an order: nothing if the answer is unusable.

    `was` and `was_refunded` (micro-units) are the status and refund before. `values` are the columns that change.
    `unknown_word` is a status that we cannot read, None if there is none: it changes nothing, and is for a person if it
    stays.
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
    closes_review: bool = False
    unknown_word: str | None = None
    # Set with a review of a recanted end, which holds only if it was the provider's answers that refunded the order.
    late_answer: LateAnswer | None = None

    def __bool__(self) -> bool:
        return bool(self.values or self.refund or self.review or self.closes_review)

    @property
    def status_row(self) -> StatusRow | None:
        """Return the row if it has a status, None if it is missing or an error."""
        return self.row if isinstance(self.row, StatusRow) else None


def without_effect(change: OrderChange) -> OrderChange:
    """Return the same answer without any effect on the order."""
    return OrderChange(change.order, change.was, change.was_refunded, change.row)


def change_of(*, order: Order, row: StatusRow | RowError | None) -> OrderChange:
    """Return what the row changes about the order.

    A charge in another currency than the order was sent in is ignored. A canceled order stays canceled: its refund is
    never taken back. While staff decide whose id it is, the answers may be about another order, and change nothing.
    """
    change = OrderChange(order, order.status, order.refunded, row)
    if not isinstance(row, StatusRow) or order.review_reason == ReviewReason.DUPLICATE_ID:
        return change
    charge = None if is_foreign(order, row) else charge_in_micros(row.charge, order.exchange_rate)
    if charge is not None and charge != order.upstream_charge:
        change.values["upstream_charge"] = charge
    start = _start_count(order, row)
    if start is not None and start != order.start_count:
        change.values["start_count"] = start
    status = _status(row, charge)
    if status is None:
        if is_failure(row.status_text) and row.charge and row.charge > 0:
            _doubt_failure(change, row, charge)
        else:
            change.unknown_word = row.status_text
        return change
    late_answer = LateAnswer(status, row.remains, charge, order.upstream_charge)
    if status != order.status and not may_follow(order.status, status):
        _doubt_end(change, late_answer)
        return change
    due = _due(order, row, status, charge)
    if isinstance(due, Contradiction) and order.refunded == order.charge:
        due = Refund(order.charge, order.quantity)  # All is refunded, so the contradiction decides nothing.
    # With the status: staff who dismissed a Partial did not decide about a Canceled with the same numbers.
    figures = (status, row.remains, f"{row.charge} {row.currency}" if is_foreign(order, row) else charge)
    if isinstance(due, Contradiction) and is_dismissed(order, ReviewReason.CONTRADICTION, due.text, figures):
        return change  # Staff dismissed this contradiction, and may have closed the order manually.
    if status != order.status:
        change.values["status"] = status
    if row.remains is not None and _bounded(row.remains) != order.remains and order.status != Status.CANCELED:
        change.values["remains"] = _bounded(row.remains)
    if isinstance(due, Contradiction):
        _add_review(change, ReviewReason.CONTRADICTION, due.text, figures)
        return change
    # An answer without charge or remains cannot resolve an earlier contradiction.
    is_incomplete = _contradicted(order) and status in FINAL and _lacks_figure(status, row, charge)
    if due.target > order.refunded and is_incomplete:
        _add_review(change, ReviewReason.CONTRADICTION, f"{status.label} now, without remains or charge.", figures)
    elif due.target > order.refunded:
        change.refund = due
    is_refunded = change.refund is due or due.target == order.refunded
    if status == Status.PARTIAL and row.remains is None and is_refunded and due.undelivered != order.remains:
        # Customers see what was refunded, not the remains of an earlier answer.
        change.values["remains"] = due.undelivered
    change.closes_review = order.review_reason in CLOSED_BY_ANSWER and not is_incomplete
    _doubt_end(change, late_answer)
    return change


def ask_about_word(change: OrderChange) -> None:
    """Add a review of the unknown word, which stayed."""
    if change.unknown_word is not None:
        word = change.unknown_word
        _add_review(change, ReviewReason.UNKNOWN_STATUS, f"Status: {word}", (word,))


def _doubt_failure(change: OrderChange, row: StatusRow, charge: int | None) -> None:
    """Add a review: the order failed, and was charged."""
    shown = f"{row.charge} {row.currency}".strip() if charge is None else format_plain(charge)
    note = f"Status: {row.status_text}. It charged {shown} of an expected {format_plain(change.order.expected_cost)}."
    _add_review(change, ReviewReason.CONTRADICTION, note, (row.status_text.lower(), shown))


def _doubt_end(change: OrderChange, answer: LateAnswer) -> None:
    """Add a review if the answer takes back the end of the order, or close that review if it confirms the end."""
    order = change.order
    if not order.is_final:
        return
    refunded = change.refund.target if change.refund else order.refunded
    if order.review_reason == ReviewReason.RECANTED:
        change.closes_review = confirms_end(order, answer, refunded=refunded)
    elif not change.review and recants(order, answer, refunded=refunded):
        now = f"The provider now reports {answer.status.label}"
        now += "." if answer.charge is None else f" and charges {format_plain(answer.charge)}."
        note = f"It ended as {Status(order.status).label}, and {format_plain(refunded)} is refunded. {now}"
        # Not the remains of an order that runs again: they change with each answer.
        remains = answer.remains if answer.status == Status.PARTIAL else None
        _add_review(change, ReviewReason.RECANTED, note, (answer.status, remains, answer.charge))
        change.late_answer = answer if change.review else None


def _due(order: Order, row: StatusRow, status: Status, charge: int | None) -> Refund | Contradiction:
    if status == Status.CANCELED and row.charge and is_foreign(order, row):
        maybe_delivered = row.remains is None or row.remains < order.quantity
        if maybe_delivered or order.is_package:
            return Contradiction(f"Canceled, and charged {row.charge} {row.currency}, which is not its currency.")
    # If only the remains are unclear, what was charged decides about a Partial.
    is_open = charge is None or (status == Status.CANCELED and charge > 0)
    # A charge that is out of range is stated, too.
    is_unclear = row.is_unclear or (charge is None and row.charge is not None and not is_foreign(order, row))
    if is_unclear and is_open and status in (Status.CANCELED, Status.PARTIAL):
        return Contradiction(f"{status.label}, and its remains or charge cannot be read, or in two ways.")
    return refund_due(order, status=status, remains=row.remains, upstream_charge=charge)


def _lacks_figure(status: Status, row: StatusRow, charge: int | None) -> bool:
    """Return True if charge or remains is missing. A Canceled with a charge of 0 needs no remains."""
    return charge is None or (row.remains is None and not (status == Status.CANCELED and charge == 0))


def _contradicted(order: Order) -> bool:
    """Return True if the order is in review for a contradiction, or its last closed review was for one."""
    reason = ReviewReason.CONTRADICTION
    return order.review_reason == reason or order.closed_review.startswith(f"{reason}:")


def _start_count(order: Order, row: StatusRow) -> int | None:
    """Return the row's start count; None if it has none, or an end or staff settled it before."""
    is_settled = order.is_final or order.start_corrected_at is not None
    return None if is_settled or row.start_count is None else _bounded(row.start_count)


def _status(row: StatusRow, charge: int | None) -> Status | None:
    """Return the status that word and money agree on: failed and not charged, or a success of which nothing remains."""
    if row.status is not None:
        return Status(row.status.value)
    if is_failure(row.status_text) and charge == 0:
        return Status.CANCELED
    if is_success(row.status_text) and row.remains is not None and row.remains <= 0:
        return Status.COMPLETED
    return None


def _add_review(change: OrderChange, reason: ReviewReason, note: str, figures: tuple[object, ...]) -> None:
    """Add a review to the change, unless the order stays in one or staff dismissed this finding."""
    stays_in_review = change.order.review_reason and not change.closes_review
    if not stays_in_review and not is_dismissed(change.order, reason, note, figures):
        change.review, change.review_note, change.review_figures = reason, note, figures
        change.closes_review = False


def is_foreign(order: Order, row: StatusRow) -> bool:
    """Return True if the row's currency is known and differs from the one that the order was sent in."""
    return bool(row.currency and order.currency) and not is_same_currency(row.currency, order.currency)


def charge_in_micros(charge: Decimal | None, exchange_rate: int) -> int | None:
    """Return the returned charge in micro-units of the panel's currency; None if it is missing, negative or too large.

    `exchange_rate` is in units of 10⁻¹².
    """
    if charge is None or charge < 0:
        return None
    try:
        return convert_up(micros_up(charge), exchange_rate)
    except MoneyError:
        return None


def _bounded(number: int) -> int:
    """Return the number, limited to what a 64-bit column can hold."""
    return max(-MAX_MICROS, min(number, MAX_MICROS))
