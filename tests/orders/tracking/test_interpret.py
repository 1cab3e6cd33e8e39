"""Interpreting answers: the status, refund and review that follow, each answer on top of the last.

The order is 100 for 0.25 at an expected cost of 0.20: 60 delivered cost 0.12, and 40 undelivered refund 0.10.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import pytest

from catalog.upstream import status_words
from catalog.upstream.parsing_many import parse_statuses
from catalog.upstream.results import RowError
from orders.models import Order
from orders.review.decisions import closed_columns, finding_of
from orders.states import Status, Submission
from orders.tracking.interpret import change_of
from panel.lib.money import EXCHANGE_ONE


@dataclass
class PolledOrder:
    """100 for 0.25 at an expected cost of 0.20, as the answers leave it; sent at `rate` and `currency`."""

    rate: int = EXCHANGE_ONE
    currency: str = ""
    service_type: str = "default"

    def __post_init__(self) -> None:
        self.order = Order(
            quantity=100,
            charge=250_000,
            expected_cost=200_000,
            exchange_rate=self.rate,
            currency=self.currency,
            service_type=self.service_type,
            status=Status.PENDING,
            submission=Submission.ACCEPTED,
            upstream_id="77",
        )

    def apply(self, row: Any) -> tuple[str, str, str]:
        """Apply the answer; return the status, the total refund, and the review reason or that the word is unknown."""
        order = self.order
        [answer] = parse_statuses(json.dumps({"77": row}), ["77"]).values()
        if isinstance(answer, RowError):
            return order.status, shown(order.refunded), "bad row"
        change = change_of(order=order, row=answer)
        for name, value in change.values.items():
            setattr(order, name, value)
        if change.refund is not None:
            assert change.refund.target > order.refunded
            order.refunded = change.refund.target
        assert not (change.review and change.closes_review)
        if change.review:
            order.review_reason, order.review_note = change.review, change.review_note
            order.review_finding = finding_of(change.review, change.review_figures)
        elif change.closes_review:
            order.review_reason = order.review_note = order.review_finding = ""
        doubt = order.review_reason if change.unknown_word is None else order.review_reason or "unknown word"
        return order.status, shown(order.refunded), doubt


def dismiss(order: Order) -> None:
    """Dismiss the review, as staff do."""
    for name, value in closed_columns(order).items():
        setattr(order, name, value)
    order.review_reason = order.review_note = order.review_finding = ""


def shown(micros: int) -> str:
    return f"{Decimal(micros) / 1_000_000:f}"


def status_row(status: Any, remains: Any = ..., charge: Any = ..., **more: Any) -> dict[str, Any]:
    """Return a row of `status` as a provider sends it, without the fields that are left out."""
    row = {"status": status, "remains": remains, "charge": charge, **more}
    return {name: value for name, value in row.items() if value is not ...}


ANSWERS = [
    # Words for the statuses.
    (status_row("Partial", "40", "0.12"), "partial", "0.1", ""),
    (status_row("partial", "40", "0.12"), "partial", "0.1", ""),
    (status_row(" PARTIAL ", "40", "0.12"), "partial", "0.1", ""),
    (status_row("Partially Completed", "40", "0.12"), "partial", "0.1", ""),
    (status_row("partially_completed", "40", "0.12"), "partial", "0.1", ""),
    (status_row("Canceled", "100", "0"), "canceled", "0.25", ""),
    (status_row("Cancelled", "100", "0"), "canceled", "0.25", ""),
    (status_row("Refunded", "100", "0"), "canceled", "0.25", ""),
    (status_row("Completed", "0", "0.2"), "completed", "0", ""),
    (status_row("In_Progress", "40", "0.2"), "in_progress", "0", ""),
    (status_row("In progress", "100", "0"), "in_progress", "0", ""),
    # A failed order is canceled only if nothing was charged.
    (status_row("Fail", "100", "0"), "canceled", "0.25", ""),
    (status_row("Failed", None, "0.00"), "canceled", "0.25", ""),
    (status_row("Fail", "100", "0.000001"), "pending", "0", "contradiction"),
    (status_row("Fail", "100", "0.2"), "pending", "0", "contradiction"),
    (status_row("Fail", "100", None), "pending", "0", "unknown word"),
    (status_row("Fail", "100"), "pending", "0", "unknown word"),
    (status_row("Fail", "100", "-0.2"), "pending", "0", "unknown word"),
    (status_row("Rejected", "100", "0"), "canceled", "0.25", ""),
    (status_row("Awaiting", "0", "0.2"), "pending", "0", ""),
    # A row without a status changes nothing.
    (status_row(None, "40", "0.12"), "pending", "0", "bad row"),
    (status_row(4, "40", "0.12"), "pending", "0", "unknown word"),
    (status_row(True, "40", "0.12"), "pending", "0", "bad row"),
    (status_row("", "40", "0.12"), "pending", "0", "unknown word"),
    (status_row("Partial", "40", "0.12", error="Incorrect order ID"), "pending", "0", "bad row"),
    ("Partial", "pending", "0", "bad row"),
    (None, "pending", "0", "bad row"),
    # Remains in every format.
    (status_row("Partial", 40, 0.12), "partial", "0.1", ""),
    (status_row("Partial", 40.0, "0.12"), "partial", "0.1", ""),
    (status_row("Partial", "40.0", "0.12"), "partial", "0.1", ""),
    (status_row("Partial", " 40 ", "0.12"), "partial", "0.1", ""),
    (status_row("Partial", "1,234", "0"), "partial", "0.25", ""),
    (status_row("Partial", "-10", "0.2"), "partial", "0", ""),
    (status_row("Partial", "-10"), "partial", "0", ""),
    (status_row("Partial", "150", "0"), "partial", "0.25", ""),
    (status_row("Partial", "40"), "partial", "0.1", ""),
    (status_row("Partial", "40", None), "partial", "0.1", ""),
    (status_row("Partial", "40", ""), "partial", "0.1", ""),
    (status_row("Partial", "40", "NaN"), "partial", "0", "contradiction"),
    (status_row("Partial", "40", "-0.12"), "partial", "0", "contradiction"),
    # No usable remains: the refund follows the charge.
    (status_row("Partial", "Unknown", "0.12"), "partial", "0.1", ""),
    (status_row("Partial", None, "0.12"), "partial", "0.1", ""),
    (status_row("Partial", "", "0.12"), "partial", "0.1", ""),
    (status_row("Partial", charge="0.12"), "partial", "0.1", ""),
    (status_row("Partial", "39.5", "0.12"), "partial", "0.1", ""),
    (status_row("Partial", "1e99", "0.12"), "partial", "0.1", ""),
    (status_row("Partial", [40], "0.12"), "partial", "0.1", ""),
    (status_row("Partial", True, "0.12"), "partial", "0.1", ""),
    (status_row("Partial", "Unknown", "0.2"), "partial", "0", "contradiction"),
    (status_row("Partial", "Unknown", "1,234.56"), "partial", "0", "contradiction"),
    (status_row("Partial", "Unknown", "NaN"), "partial", "0", "contradiction"),
    (status_row("Partial", None, None), "partial", "0", "contradiction"),
    (status_row("Partial"), "partial", "0", "contradiction"),
    # The charge in every format.
    (status_row("Partial", "40", "$0.12"), "partial", "0.1", ""),
    (status_row("Partial", "40", "0.12 USD"), "partial", "0.1", ""),
    (status_row("Partial", "40", "0,12"), "partial", "0.1", ""),
    (status_row("Partial", "40", "1.2e-1"), "partial", "0.1", ""),
    (status_row("Partial", "40", "1,234.56"), "partial", "0", "contradiction"),
    (status_row("Canceled", "Unknown", "0.2"), "canceled", "0.25", ""),
    (status_row("Canceled", "0", ""), "canceled", "0.25", ""),
    (status_row("Canceled", "40", "0.12"), "canceled", "0.1", ""),
    (status_row("Canceled", "40", "0.2"), "canceled", "0", "contradiction"),
    (status_row("Canceled"), "canceled", "0.25", ""),
    (status_row("Completed", "100", "0"), "completed", "0", ""),
    (status_row("Completed"), "completed", "0", ""),
]


@pytest.mark.parametrize(("row", "status", "refunded", "review"), ANSWERS, ids=lambda value: json.dumps(value))
def test_answer_when_it_is_the_first_then_the_order_is_as_listed(row, status, refunded, review):
    assert PolledOrder().apply(row) == (status, refunded, review)


STORIES = {
    "Completed, then Partial": [
        (status_row("Completed", "0", "0.2"), "completed", "0", ""),
        (status_row("Partial", "30", "0.14"), "partial", "0.075", ""),
    ],
    "Partial grows": [
        (status_row("Partial", "40", "0.12"), "partial", "0.1", ""),
        (status_row("Partial", "70", "0.06"), "partial", "0.175", ""),
        (status_row("Partial", "100", "0"), "partial", "0.25", ""),
    ],
    "Partial shrinks: nothing is clawed back": [
        (status_row("Partial", "40", "0.12"), "partial", "0.1", ""),
        (status_row("Partial", "10", "0.18"), "partial", "0.1", "recanted"),
        (status_row("Partial", "41", "0.118"), "partial", "0.1025", ""),
    ],
    "Partial, Completed, Partial": [
        (status_row("Partial", "40", "0.12"), "partial", "0.1", ""),
        (status_row("Completed", "0", "0.2"), "completed", "0.1", "recanted"),
        (status_row("Partial", "40", "0.12"), "partial", "0.1", ""),
        (status_row("Partial", "60", "0.08"), "partial", "0.15", ""),
    ],
    "Canceled after Completed": [
        (status_row("Completed", "0", "0.2"), "completed", "0", ""),
        (status_row("Canceled", "100", "0"), "canceled", "0.25", ""),
    ],
    "Canceled after Completed, what was delivered charged": [
        (status_row("Completed", "0", "0.2"), "completed", "0", ""),
        (status_row("Canceled", "40", "0.12"), "canceled", "0.1", ""),
    ],
    "Canceled in part, then in full": [
        (status_row("Canceled", "40", "0.12"), "canceled", "0.1", ""),
        (status_row("Canceled", "40", "0"), "canceled", "0.25", ""),
    ],
    "Canceled, then anything": [
        (status_row("Canceled", "100", "0"), "canceled", "0.25", ""),
        (status_row("Completed", "0", "0.2"), "canceled", "0.25", "recanted"),
        (status_row("Partial", "40", "0.12"), "canceled", "0.25", "recanted"),
        (status_row("In progress", "40", "0.2"), "canceled", "0.25", "recanted"),
        (status_row("Canceled", "0", "0"), "canceled", "0.25", ""),
    ],
    "Canceled in part stays so, whatever else is said": [
        (status_row("Canceled", "40", "0.12"), "canceled", "0.1", ""),
        (status_row("Partial", "90", "0.02"), "canceled", "0.1", ""),
        (status_row("Completed", "0", "0.2"), "canceled", "0.1", "recanted"),
    ],
    "Reopened: it stays as it ended": [
        (status_row("Partial", "40", "0.12"), "partial", "0.1", ""),
        (status_row("In progress", "40", "0.2"), "partial", "0.1", "recanted"),
        (status_row("Pending", "100", "0"), "partial", "0.1", ""),
        (status_row("Completed", "0", "0.2"), "completed", "0.1", "recanted"),
        (status_row("Processing", "0", "0.2"), "completed", "0.1", "recanted"),
    ],
    "Heard again and again": [
        (status_row("Partial", "40", "0.12"), "partial", "0.1", ""),
        (status_row("Partial", "40", "0.12"), "partial", "0.1", ""),
        (status_row("Partial", "40"), "partial", "0.1", ""),
        (status_row("Partial", charge="0.12"), "partial", "0.1", ""),
    ],
    "Remains, then only a charge: they become what is refunded": [
        (status_row("In progress", "50", "0.2"), "in_progress", "0", ""),
        (status_row("Partial", charge="0.1668"), "partial", "0.0425", ""),
        (status_row("Partial", charge="0.1668"), "partial", "0.0425", ""),
    ],
    "A contradiction that the provider settles": [
        (status_row("Partial", "50", "0.2"), "partial", "0", "contradiction"),
        (status_row("Partial", "50", "0.2"), "partial", "0", "contradiction"),
        (status_row("Partial", "50", "0.1"), "partial", "0.125", ""),
    ],
    "A contradiction, of which then one half is left out: that settles nothing": [
        (status_row("Partial", "50", "0.2"), "partial", "0", "contradiction"),
        (status_row("Partial", "50"), "partial", "0", "contradiction"),
        (status_row("Partial", charge="0.1"), "partial", "0", "contradiction"),
        (status_row("Canceled"), "canceled", "0", "contradiction"),
        (status_row("Canceled", "100", "0"), "canceled", "0.25", ""),
    ],
    "A contradiction that turns out delivered": [
        (status_row("Partial", "Unknown", "0.2"), "partial", "0", "contradiction"),
        (status_row("Completed", "0", "0.2"), "completed", "0", ""),
    ],
    "A refund, then a contradiction: what was given stays, and staff look": [
        (status_row("Partial", "40", "0.12"), "partial", "0.1", ""),
        (status_row("Partial", "40", "0.2"), "partial", "0.1", "contradiction"),
        (status_row("Canceled", "100", "0"), "canceled", "0.25", ""),
    ],
    "A word never seen before, then one that is known": [
        (status_row("Baking", "100", "0"), "pending", "0", "unknown word"),
        (status_row("In progress", "90", "0.2"), "in_progress", "0", ""),
        (status_row("Completed", "0", "0.2"), "completed", "0", ""),
    ],
    "It fails late, and charged nothing": [
        (status_row("In progress", "90", "0.2"), "in_progress", "0", ""),
        (status_row("Fail", "90", "0.02"), "in_progress", "0", "contradiction"),
        (status_row("Fail", "90", "0"), "canceled", "0.25", ""),
    ],
    "It fails after it was delivered": [
        (status_row("Completed", "0", "0.2"), "completed", "0", ""),
        (status_row("Failed", "0", "0.2"), "completed", "0", "contradiction"),
        (status_row("Failed", "0", "0"), "canceled", "0.25", ""),
    ],
    "A bad row in between changes nothing": [
        (status_row("Partial", "40", "0.12"), "partial", "0.1", ""),
        ("Incorrect order ID", "partial", "0.1", "bad row"),
        (status_row("Partial", "40", "0.12"), "partial", "0.1", ""),
    ],
}


@pytest.mark.parametrize("story", STORIES.values(), ids=STORIES.keys())
def test_answers_when_several_follow_then_each_updates_as_listed(story):
    followed = PolledOrder()
    for number, (row, *expected) in enumerate(story, 1):
        assert followed.apply(row) == tuple(expected), f"answer {number}"


def test_remains_when_only_a_charge_came_then_as_refunded():
    """The page said "Not delivered 500", and "Refunded 166 of 1,000" below it."""
    followed = PolledOrder()
    followed.apply(status_row("In progress", "50", "0.2"))
    followed.apply(status_row("Partial", charge="0.1668"))
    assert (followed.order.remains, followed.order.delivered) == (17, 83)
    # A contradiction refunds nothing, so what was known before stays.
    contradicted = PolledOrder()
    contradicted.apply(status_row("Partial", "50", "0.2"))
    contradicted.apply(status_row("Partial", charge="0.1668"))
    assert (contradicted.order.remains, contradicted.order.refunded) == (50, 0)


def test_order_when_its_id_is_doubted_then_no_answer_changes_it():
    followed = PolledOrder()
    followed.order.review_reason = "duplicate_id"
    for row in (status_row("Canceled", "100", "0"), status_row("Odd"), status_row("In progress", "9", "0.1")):
        assert followed.apply(row) == ("pending", "0", "duplicate_id")
    assert (followed.order.remains, followed.order.upstream_charge) == (None, None)


def test_charge_when_in_another_currency_then_sent_rate_is_used():
    # One of their units is half of ours: 0.24 there is 0.12 here, the cost of 60 delivered.
    followed = PolledOrder(rate=EXCHANGE_ONE // 2)
    assert followed.apply(status_row("Partial", "40", "0.24")) == ("partial", "0.1", "")
    assert followed.order.upstream_charge == 120_000
    # A third of a micro-unit becomes a whole one: costs are rounded up.
    assert PolledOrder(rate=EXCHANGE_ONE // 3).apply(status_row("Fail", "100", "0.000001"))[2] == "contradiction"


@pytest.mark.parametrize("remains", [None, 60, 100])
def test_review_when_its_finding_was_dismissed_then_not_reopened(remains):
    followed = PolledOrder()
    answer = status_row("Partial", remains, None if remains is None else "0.2")
    assert followed.apply(answer)[2] == "contradiction"
    order = followed.order
    dismiss(order)
    assert followed.apply(answer) == ("partial", "0", "")
    assert followed.apply(status_row("Partial", "70", "0.2")) == ("partial", "0", "contradiction")


@pytest.mark.parametrize(
    ("partial", "canceled"),
    [
        (status_row("Partial", None, None), status_row("Canceled", None, None)),
        (status_row("Partial", None, "0.2"), status_row("Canceled", "0", "0.2")),
        (status_row("Partial", "50", "0.2"), status_row("Canceled", "50", "0.2")),
    ],
)
def test_review_when_partial_dismissed_then_canceled_not_dismissed(partial, canceled):
    """Otherwise a customer whose order is canceled would get neither a refund nor a review."""
    followed = PolledOrder()
    assert followed.apply(partial)[2] == "contradiction"
    dismiss(followed.order)
    status, refunded, review = followed.apply(canceled)
    assert status == "canceled"
    assert review == "contradiction" or refunded == "0.25"


def test_review_when_dismissed_by_old_release_then_text_compared():
    followed = PolledOrder()
    answer = status_row("Partial", "60", "0.2")
    assert followed.apply(answer)[2] == "contradiction"
    dismiss(followed.order)
    followed.order.closed_finding = ""
    assert followed.apply(answer)[2] == ""
    assert followed.apply(status_row("Partial", "70", "0.2"))[2] == "contradiction"


def test_manual_close_when_provider_repeats_answer_then_unchanged():
    followed = PolledOrder()
    answer = status_row("Partial", "50", "0.2")
    assert followed.apply(answer) == ("partial", "0", "contradiction")
    order = followed.order
    dismiss(order)
    order.status = Status.COMPLETED
    assert followed.apply(answer) == ("completed", "0", "")
    # A new finding is reviewed.
    assert followed.apply(status_row("Partial", "50", "0.1")) == ("partial", "0.125", "")


def test_failure_when_its_charge_was_dismissed_then_not_reviewed_again():
    followed = PolledOrder()
    assert followed.apply(status_row("Fail", "100", "0.2"))[2] == "contradiction"
    dismiss(followed.order)
    assert followed.apply(status_row("Fail", "90", "0.2")) == ("pending", "0", "")
    assert followed.apply(status_row("Fail", "90", "0.1")) == ("pending", "0", "contradiction")


def test_failure_when_charged_then_only_a_clear_answer_refunds():
    """A Canceled without a charge would have refunded all of an order that was charged."""
    followed = PolledOrder()
    followed.apply(status_row("Dibatalkan", "100", "0.2"))
    assert followed.apply(status_row("Canceled")) == ("canceled", "0", "contradiction")
    assert followed.apply(status_row("Canceled", "100", "0")) == ("canceled", "0.25", "")


UNREADABLE_CHARGES = ("0.50 coins", "0.5 р.", "٠.٥", "0.5-", "-0.5", {"amount": "0.5"}, [0.5], "1e17")
WORDS = [
    # Of failure: canceled if nothing was charged.
    *((word, "100", "0", "canceled", "0.25", "") for word in ("Error", "Rejected", "Declined", "Cancelled by admin")),
    *((word, "100", "0", "canceled", "0.25", "") for word in ("Gagal", "İptal Edildi", "Отменён", "مرفوض", "रद्द")),
    *((word, "100", "0.2", "pending", "0", "contradiction") for word in ("Error", "rejected", "Refund", "Đã hủy")),
    *((word, "100", None, "pending", "0", "unknown word") for word in ("Error", "Cancelado")),
    # Of success: completed if nothing remains.
    *((word, "0", "0.2", "completed", "0", "") for word in ("Success", "SUCCESSFUL", "Sukses", "Başarılı", "Успешно")),
    *((word, "60", "0.2", "pending", "0", "unknown word") for word in ("Success", "ok")),
    *((word, None, "0.2", "pending", "0", "unknown word") for word in ("Success", "ok")),
    *((word, "0", "0.2", "completed", "0", "") for word in ("Done", "Finished", "Tamamlandı", "Выполнен", "مكتمل")),
    # Of being under way.
    *((word, "60", "0.2", "in_progress", "0", "") for word in ("Active", "Running", "Started", "Berjalan", "В работе")),
    *((word, "60", "0.2", "pending", "0", "") for word in ("Queued", "Hold", "Beklemede", "New", "на модерации")),
    # In part, which the charge must agree with.
    *(
        (word, "40", "0.12", "partial", "0.1", "")
        for word in ("Parcialmente completado", "Kısmen tamamlandı", "Частично выполнен")
    ),
    ("Selesai sebagian", "40", "0.2", "partial", "0", "contradiction"),
    # It may run on, though a part is delivered.
    *((word, "60", None, "pending", "0", "unknown word") for word in ("Partially delivered", "Parçalı", "Sebagian")),
    # A figure that is stated and cannot be read.
    *(("Canceled", "0", charge, "canceled", "0", "contradiction") for charge in UNREADABLE_CHARGES),
    *(("Partial", "40", charge, "partial", "0", "contradiction") for charge in UNREADABLE_CHARGES),
    *(("Canceled", remains, "0.12", "canceled", "0", "contradiction") for remains in ("40 left", "40.5", [40], {})),
    ("Canceled", "Unknown", "0.12", "canceled", "0.25", ""),
    ("Canceled", "40 left", "0", "canceled", "0.25", ""),
    # A figure that can be read in two ways.
    ("Canceled", "1.000", "0.12", "canceled", "0", "contradiction"),
    ("Canceled", "40", "1,200", "canceled", "0", "contradiction"),
    ("Canceled", "1.000", "0", "canceled", "0.25", ""),
    ("Partial", "1.000", "0.12", "partial", "0.1", ""),
    ("Partial", "1.000", None, "partial", "0", "contradiction"),
    ("Partial", "40", "1,200", "partial", "0", "contradiction"),
    ("Not completed", "60", "0.2", "pending", "0", "unknown word"),
]


@pytest.mark.parametrize(("word", "remains", "charge", "status", "refunded", "doubt"), WORDS)
def test_word_when_in_any_language_then_money_decides_with_it(word, remains, charge, status, refunded, doubt):
    assert PolledOrder().apply(status_row(word, remains, charge)) == (status, refunded, doubt)


@pytest.mark.parametrize("word", sorted(status_words._FAILURES))
def test_failure_when_anything_was_charged_then_nothing_is_refunded(word):
    for charge in ("0.000001", "0.1", "0.2", "9"):
        for remains in ("0", "40", "100", "150", None):
            assert PolledOrder().apply(status_row(word, remains, charge)) == ("pending", "0", "contradiction")


@pytest.mark.parametrize("word", ["Canceled", "Partial", "Refunded", "Selesai sebagian"])
def test_end_when_the_charge_contradicts_it_then_nothing_is_refunded(word):
    """Of 100 for 0.20, of which some were delivered: what was charged differs from their cost by more than 5 %."""
    for remains in range(1, 100):
        for percent in (0.5, 0.9, 1.1, 2):
            charge = round(0.002 * (100 - remains) * percent, 6)
            if abs(charge - 0.002 * (100 - remains)) <= 0.0101:
                continue
            _, refunded, doubt = PolledOrder().apply(status_row(word, str(remains), f"{charge:.6f}"))
            assert (refunded, doubt) == ("0", "contradiction"), (remains, charge)


FOREIGN = [
    # A charge in another currency does not show how much was delivered.
    (status_row("Partial", "40", "9.6", currency="INR"), "partial", "0.1", ""),
    (status_row("Partial", "Unknown", "0.12", currency="INR"), "partial", "0", "contradiction"),
    (status_row("Canceled", "100", "9.6", currency="INR"), "canceled", "0.25", ""),
    (status_row("Canceled", "150", "9.6", currency="INR"), "canceled", "0.25", ""),
    (status_row("Canceled", "40", "0", currency="INR"), "canceled", "0.25", ""),
    (status_row("Canceled", "40", None, currency="INR"), "canceled", "0.25", ""),
    # But something was charged and may have been delivered.
    (status_row("Canceled", "40", "9.6", currency="INR"), "canceled", "0", "contradiction"),
    (status_row("Canceled", None, "9.6", currency="INR"), "canceled", "0", "contradiction"),
    (status_row("Fail", "100", "0", currency="INR"), "pending", "0", "unknown word"),
    # The order's own currency, in any spelling.
    (status_row("Partial", "40", "0.12", currency="usd"), "partial", "0.1", ""),
    (status_row("Partial", "40", "0.12", currency=""), "partial", "0.1", ""),
]


@pytest.mark.parametrize(("row", "status", "refunded", "review"), FOREIGN, ids=lambda value: json.dumps(value))
def test_charge_when_currency_is_given_then_only_sent_one_accepted(row, status, refunded, review):
    followed = PolledOrder(currency="USD")
    assert followed.apply(row) == (status, refunded, review)
    assert (followed.order.upstream_charge is None) == (row["currency"] == "INR" or row["charge"] is None)


PACKAGES = [
    (status_row("Partial", "400", "0.1"), "partial", "0", "contradiction"),
    (status_row("Partial", "1", "0"), "partial", "0", "contradiction"),
    (status_row("Partial", "0", "0.2"), "partial", "0", ""),
    (status_row("Canceled", "400", "0"), "canceled", "0.25", ""),
    (status_row("Canceled", "400", "0.1"), "canceled", "0", "contradiction"),
    (status_row("Canceled", "1", "9.6", currency="INR"), "canceled", "0", "contradiction"),
]


@pytest.mark.parametrize("kind", ["package", "custom_comments_package"])
@pytest.mark.parametrize(("row", "status", "refunded", "review"), PACKAGES, ids=lambda value: json.dumps(value))
def test_answer_when_about_a_package_then_its_remains_are_ignored(kind, row, status, refunded, review):
    followed = PolledOrder(currency="USD", service_type=kind)
    followed.order.quantity = 1
    assert followed.apply(row) == (status, refunded, review)


def test_canceled_when_its_remains_change_later_then_delivered_stays():
    followed = PolledOrder()
    followed.apply(status_row("Canceled", "40", "0.12"))
    followed.apply(status_row("Canceled", "90", "0.02"))
    assert (followed.order.remains, followed.order.upstream_charge, followed.order.refunded) == (40, 20_000, 225_000)
