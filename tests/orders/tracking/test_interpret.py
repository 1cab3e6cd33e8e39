"""From a provider's words to what they change: status, refund and review, each answer on top of the last.

All of it is about one order: 100 for 0.25, expected to cost 0.20. So 60 delivered cost 0.12, and 40 that were
not are worth 0.10 to the customer.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import pytest

from catalog.upstream.parsing_many import parse_statuses
from catalog.upstream.results import RowError
from orders.models import Order
from orders.review.decisions import closed_columns, finding_of
from orders.states import Status, Submission
from orders.tracking.interpret import change_of
from panel.lib.money import EXCHANGE_ONE


@dataclass
class Followed:
    """100 for 0.25, expected to cost 0.20, as each answer leaves it; `rate` and `currency` are those it was sent at."""

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

    def hear(self, row: Any) -> tuple[str, str, str]:
        """Takes over what the answer changes; returns status, what was refunded in all, and the review."""
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
        return order.status, shown(order.refunded), order.review_reason


def close(order: Order) -> None:
    """As staff do when they dismiss the review."""
    for name, value in closed_columns(order).items():
        setattr(order, name, value)
    order.review_reason = order.review_note = order.review_finding = ""


def shown(micros: int) -> str:
    return f"{Decimal(micros) / 1_000_000:f}"


def said(status: Any, remains: Any = ..., charge: Any = ..., **more: Any) -> dict[str, Any]:
    """A row of `status` as a provider sends it; what is left out is not in it."""
    row = {"status": status, "remains": remains, "charge": charge, **more}
    return {name: value for name, value in row.items() if value is not ...}


ANSWERS = [
    # Words for the statuses.
    (said("Partial", "40", "0.12"), "partial", "0.1", ""),
    (said("partial", "40", "0.12"), "partial", "0.1", ""),
    (said(" PARTIAL ", "40", "0.12"), "partial", "0.1", ""),
    (said("Partially Completed", "40", "0.12"), "partial", "0.1", ""),
    (said("partially_completed", "40", "0.12"), "partial", "0.1", ""),
    (said("Canceled", "100", "0"), "canceled", "0.25", ""),
    (said("Cancelled", "100", "0"), "canceled", "0.25", ""),
    (said("Refunded", "100", "0"), "canceled", "0.25", ""),
    (said("Completed", "0", "0.2"), "completed", "0", ""),
    (said("In_Progress", "40", "0.2"), "in_progress", "0", ""),
    (said("In progress", "100", "0"), "in_progress", "0", ""),
    # An order that failed is an end only where nothing was charged.
    (said("Fail", "100", "0"), "canceled", "0.25", ""),
    (said("Failed", None, "0.00"), "canceled", "0.25", ""),
    (said("Fail", "100", "0.000001"), "pending", "0", "unknown_status"),
    (said("Fail", "100", "0.2"), "pending", "0", "unknown_status"),
    (said("Fail", "100", None), "pending", "0", "unknown_status"),
    (said("Fail", "100"), "pending", "0", "unknown_status"),
    (said("Fail", "100", "-0.2"), "pending", "0", "unknown_status"),
    (said("Rejected", "100", "0"), "pending", "0", "unknown_status"),
    (said("Awaiting", "0", "0.2"), "pending", "0", "unknown_status"),
    # What is no row with a status says nothing.
    (said(None, "40", "0.12"), "pending", "0", "bad row"),
    (said(4, "40", "0.12"), "pending", "0", "bad row"),
    (said("", "40", "0.12"), "pending", "0", "unknown_status"),
    (said("Partial", "40", "0.12", error="Incorrect order ID"), "pending", "0", "bad row"),
    ("Partial", "pending", "0", "bad row"),
    (None, "pending", "0", "bad row"),
    # Remains in every shape.
    (said("Partial", 40, 0.12), "partial", "0.1", ""),
    (said("Partial", 40.0, "0.12"), "partial", "0.1", ""),
    (said("Partial", "40.0", "0.12"), "partial", "0.1", ""),
    (said("Partial", " 40 ", "0.12"), "partial", "0.1", ""),
    (said("Partial", "1,234", "0"), "partial", "0.25", ""),
    (said("Partial", "-10", "0.2"), "partial", "0", ""),
    (said("Partial", "-10"), "partial", "0", ""),
    (said("Partial", "150", "0"), "partial", "0.25", ""),
    (said("Partial", "40"), "partial", "0.1", ""),
    (said("Partial", "40", None), "partial", "0.1", ""),
    (said("Partial", "40", ""), "partial", "0.1", ""),
    (said("Partial", "40", "NaN"), "partial", "0.1", ""),
    (said("Partial", "40", "-0.12"), "partial", "0.1", ""),
    # No usable remains: by the charge.
    (said("Partial", "Unknown", "0.12"), "partial", "0.1", ""),
    (said("Partial", None, "0.12"), "partial", "0.1", ""),
    (said("Partial", "", "0.12"), "partial", "0.1", ""),
    (said("Partial", charge="0.12"), "partial", "0.1", ""),
    (said("Partial", "39.5", "0.12"), "partial", "0.1", ""),
    (said("Partial", "1e99", "0.12"), "partial", "0.1", ""),
    (said("Partial", [40], "0.12"), "partial", "0.1", ""),
    (said("Partial", True, "0.12"), "partial", "0.1", ""),
    (said("Partial", "Unknown", "0.2"), "partial", "0", "contradiction"),
    (said("Partial", "Unknown", "1,234.56"), "partial", "0", "contradiction"),
    (said("Partial", "Unknown", "NaN"), "partial", "0", "contradiction"),
    (said("Partial", None, None), "partial", "0", "contradiction"),
    (said("Partial"), "partial", "0", "contradiction"),
    # The charge in every shape.
    (said("Partial", "40", "$0.12"), "partial", "0.1", ""),
    (said("Partial", "40", "0.12 USD"), "partial", "0.1", ""),
    (said("Partial", "40", "0,12"), "partial", "0.1", ""),
    (said("Partial", "40", "1.2e-1"), "partial", "0.1", ""),
    (said("Partial", "40", "1,234.56"), "partial", "0", "contradiction"),
    (said("Canceled", "Unknown", "0.2"), "canceled", "0.25", ""),
    (said("Canceled", "0", ""), "canceled", "0.25", ""),
    (said("Canceled", "40", "0.12"), "canceled", "0.1", ""),
    (said("Canceled", "40", "0.2"), "canceled", "0", "contradiction"),
    (said("Canceled"), "canceled", "0.25", ""),
    (said("Completed", "100", "0"), "completed", "0", ""),
    (said("Completed"), "completed", "0", ""),
]


@pytest.mark.parametrize(("row", "status", "refunded", "review"), ANSWERS, ids=lambda value: json.dumps(value))
def test_answer_when_it_is_the_first_then_this_is_made_of_it(row, status, refunded, review):
    assert Followed().hear(row) == (status, refunded, review)


STORIES = {
    "Completed, then Partial": [
        (said("Completed", "0", "0.2"), "completed", "0", ""),
        (said("Partial", "30", "0.14"), "partial", "0.075", ""),
    ],
    "Partial grows": [
        (said("Partial", "40", "0.12"), "partial", "0.1", ""),
        (said("Partial", "70", "0.06"), "partial", "0.175", ""),
        (said("Partial", "100", "0"), "partial", "0.25", ""),
    ],
    "Partial shrinks: nothing is clawed back": [
        (said("Partial", "40", "0.12"), "partial", "0.1", ""),
        (said("Partial", "10", "0.18"), "partial", "0.1", ""),
        (said("Partial", "41", "0.118"), "partial", "0.1025", ""),
    ],
    "Partial, Completed, Partial": [
        (said("Partial", "40", "0.12"), "partial", "0.1", ""),
        (said("Completed", "0", "0.2"), "completed", "0.1", ""),
        (said("Partial", "40", "0.12"), "partial", "0.1", ""),
        (said("Partial", "60", "0.08"), "partial", "0.15", ""),
    ],
    "Canceled after Completed": [
        (said("Completed", "0", "0.2"), "completed", "0", ""),
        (said("Canceled", "100", "0"), "canceled", "0.25", ""),
    ],
    "Canceled after Completed, what was delivered charged": [
        (said("Completed", "0", "0.2"), "completed", "0", ""),
        (said("Canceled", "40", "0.12"), "canceled", "0.1", ""),
    ],
    "Canceled in part, then in full": [
        (said("Canceled", "40", "0.12"), "canceled", "0.1", ""),
        (said("Canceled", "40", "0"), "canceled", "0.25", ""),
    ],
    "Canceled, then anything": [
        (said("Canceled", "100", "0"), "canceled", "0.25", ""),
        (said("Completed", "0", "0.2"), "canceled", "0.25", ""),
        (said("Partial", "40", "0.12"), "canceled", "0.25", ""),
        (said("In progress", "40", "0.2"), "canceled", "0.25", ""),
        (said("Canceled", "0", "0"), "canceled", "0.25", ""),
    ],
    "Canceled in part stays so, whatever else is said": [
        (said("Canceled", "40", "0.12"), "canceled", "0.1", ""),
        (said("Partial", "90", "0.02"), "canceled", "0.1", ""),
        (said("Completed", "0", "0.2"), "canceled", "0.1", ""),
    ],
    "Reopened: it stays as it ended": [
        (said("Partial", "40", "0.12"), "partial", "0.1", ""),
        (said("In progress", "40", "0.2"), "partial", "0.1", ""),
        (said("Pending", "100", "0"), "partial", "0.1", ""),
        (said("Completed", "0", "0.2"), "completed", "0.1", ""),
        (said("Processing", "0", "0.2"), "completed", "0.1", ""),
    ],
    "Heard again and again": [
        (said("Partial", "40", "0.12"), "partial", "0.1", ""),
        (said("Partial", "40", "0.12"), "partial", "0.1", ""),
        (said("Partial", "40"), "partial", "0.1", ""),
        (said("Partial", charge="0.12"), "partial", "0.1", ""),
    ],
    "A contradiction that the provider settles": [
        (said("Partial", "50", "0.2"), "partial", "0", "contradiction"),
        (said("Partial", "50", "0.2"), "partial", "0", "contradiction"),
        (said("Partial", "50", "0.1"), "partial", "0.125", ""),
    ],
    "A contradiction, of which then one half is left out: that settles nothing": [
        (said("Partial", "50", "0.2"), "partial", "0", "contradiction"),
        (said("Partial", "50"), "partial", "0", "contradiction"),
        (said("Partial", charge="0.1"), "partial", "0", "contradiction"),
        (said("Canceled"), "canceled", "0", "contradiction"),
        (said("Canceled", "100", "0"), "canceled", "0.25", ""),
    ],
    "A contradiction that turns out delivered": [
        (said("Partial", "Unknown", "0.2"), "partial", "0", "contradiction"),
        (said("Completed", "0", "0.2"), "completed", "0", ""),
    ],
    "A refund, then a contradiction: what was given stays, and staff look": [
        (said("Partial", "40", "0.12"), "partial", "0.1", ""),
        (said("Partial", "40", "0.2"), "partial", "0.1", "contradiction"),
        (said("Canceled", "100", "0"), "canceled", "0.25", ""),
    ],
    "A word never seen before, then one that is known": [
        (said("Awaiting", "100", "0"), "pending", "0", "unknown_status"),
        (said("In progress", "90", "0.2"), "in_progress", "0", ""),
        (said("Completed", "0", "0.2"), "completed", "0", ""),
    ],
    "It fails late, and charged nothing": [
        (said("In progress", "90", "0.2"), "in_progress", "0", ""),
        (said("Fail", "90", "0.02"), "in_progress", "0", "unknown_status"),
        (said("Fail", "90", "0"), "canceled", "0.25", ""),
    ],
    "It fails after it was delivered": [
        (said("Completed", "0", "0.2"), "completed", "0", ""),
        (said("Failed", "0", "0.2"), "completed", "0", "unknown_status"),
        (said("Failed", "0", "0"), "canceled", "0.25", ""),
    ],
    "A bad row in between changes nothing": [
        (said("Partial", "40", "0.12"), "partial", "0.1", ""),
        ("Incorrect order ID", "partial", "0.1", "bad row"),
        (said("Partial", "40", "0.12"), "partial", "0.1", ""),
    ],
}


@pytest.mark.parametrize("story", STORIES.values(), ids=STORIES.keys())
def test_answers_when_they_follow_each_other_then_each_leaves_the_order_so(story):
    followed = Followed()
    for number, (row, *expected) in enumerate(story, 1):
        assert followed.hear(row) == tuple(expected), f"answer {number}"


def test_answer_when_the_provider_bills_in_another_currency_then_by_the_rate_of_the_sending():
    # One of theirs was half of ours: 0.24 there are 0.12 here, what 60 delivered should cost.
    followed = Followed(rate=EXCHANGE_ONE // 2)
    assert followed.hear(said("Partial", "40", "0.24")) == ("partial", "0.1", "")
    assert followed.order.upstream_charge == 120_000
    # A third of a micro-unit of theirs is a whole one of ours: what we pay is rounded up.
    assert Followed(rate=EXCHANGE_ONE // 3).hear(said("Fail", "100", "0.000001"))[2] == "unknown_status"


@pytest.mark.parametrize("remains", [None, 60, 100])
def test_review_when_staff_closed_this_very_one_then_it_is_not_asked_about_again(remains):
    followed = Followed()
    answer = said("Partial", remains, None if remains is None else "0.2")
    assert followed.hear(answer)[2] == "contradiction"
    order = followed.order
    close(order)
    assert followed.hear(answer) == ("partial", "0", "")
    assert followed.hear(said("Partial", "70", "0.2")) == ("partial", "0", "contradiction")


@pytest.mark.parametrize(
    ("partial", "canceled"),
    [
        (said("Partial", None, None), said("Canceled", None, None)),
        (said("Partial", None, "0.2"), said("Canceled", "0", "0.2")),
        (said("Partial", "50", "0.2"), said("Canceled", "50", "0.2")),
    ],
)
def test_review_when_a_partial_was_dismissed_then_a_cancel_with_its_numbers_is_another_finding(partial, canceled):
    """Or a customer whose order was canceled would get nothing back, and nobody would look."""
    followed = Followed()
    assert followed.hear(partial)[2] == "contradiction"
    close(followed.order)
    status, refunded, review = followed.hear(canceled)
    assert status == "canceled"
    assert review == "contradiction" or refunded == "0.25"


def test_review_when_a_release_before_closed_it_then_its_sentence_alone_is_not_asked_about_again():
    followed = Followed()
    answer = said("Partial", "60", "0.2")
    assert followed.hear(answer)[2] == "contradiction"
    close(followed.order)
    followed.order.closed_finding = ""
    assert followed.hear(answer)[2] == ""
    assert followed.hear(said("Partial", "70", "0.2"))[2] == "contradiction"


def test_end_by_hand_when_the_provider_repeats_what_staff_decided_about_then_it_stands():
    followed = Followed()
    answer = said("Partial", "50", "0.2")
    assert followed.hear(answer) == ("partial", "0", "contradiction")
    order = followed.order
    close(order)
    order.status = Status.COMPLETED
    assert followed.hear(answer) == ("completed", "0", "")
    # Something new is another matter.
    assert followed.hear(said("Partial", "50", "0.1")) == ("partial", "0.125", "")


@pytest.mark.parametrize(
    ("first", "again"),
    [
        (said("Awaiting", "100", "0"), said("Awaiting", "100", "0")),
        (said("Fail", "100", "0.2"), said("Fail", "90", "0.2")),
    ],
)
def test_word_when_staff_have_closed_its_review_then_it_is_not_asked_about_again(first, again):
    followed = Followed()
    assert followed.hear(first)[2] == "unknown_status"
    order = followed.order
    close(order)
    assert followed.hear(again)[2] == ""
    assert followed.hear(said("Another", "100", "0"))[2] == "unknown_status"


FOREIGN = [
    # A charge in another currency is no charge that says how much was delivered.
    (said("Partial", "40", "9.6", currency="INR"), "partial", "0.1", ""),
    (said("Partial", "Unknown", "0.12", currency="INR"), "partial", "0", "contradiction"),
    (said("Canceled", "100", "9.6", currency="INR"), "canceled", "0.25", ""),
    (said("Canceled", "150", "9.6", currency="INR"), "canceled", "0.25", ""),
    (said("Canceled", "40", "0", currency="INR"), "canceled", "0.25", ""),
    (said("Canceled", "40", None, currency="INR"), "canceled", "0.25", ""),
    # But something was charged, and perhaps delivered.
    (said("Canceled", "40", "9.6", currency="INR"), "canceled", "0", "contradiction"),
    (said("Canceled", None, "9.6", currency="INR"), "canceled", "0", "contradiction"),
    (said("Fail", "100", "0", currency="INR"), "pending", "0", "unknown_status"),
    # Its own, however it is written.
    (said("Partial", "40", "0.12", currency="usd"), "partial", "0.1", ""),
    (said("Partial", "40", "0.12", currency=""), "partial", "0.1", ""),
]


@pytest.mark.parametrize(("row", "status", "refunded", "review"), FOREIGN, ids=lambda value: json.dumps(value))
def test_charge_when_its_currency_is_told_then_only_that_of_the_sending_counts(row, status, refunded, review):
    followed = Followed(currency="USD")
    assert followed.hear(row) == (status, refunded, review)
    assert (followed.order.upstream_charge is None) == (row["currency"] == "INR" or row["charge"] is None)


PACKAGES = [
    (said("Partial", "400", "0.1"), "partial", "0", "contradiction"),
    (said("Partial", "1", "0"), "partial", "0", "contradiction"),
    (said("Partial", "0", "0.2"), "partial", "0", ""),
    (said("Canceled", "400", "0"), "canceled", "0.25", ""),
    (said("Canceled", "400", "0.1"), "canceled", "0", "contradiction"),
    (said("Canceled", "1", "9.6", currency="INR"), "canceled", "0", "contradiction"),
]


@pytest.mark.parametrize("kind", ["package", "custom_comments_package"])
@pytest.mark.parametrize(("row", "status", "refunded", "review"), PACKAGES, ids=lambda value: json.dumps(value))
def test_answer_when_it_is_of_a_package_then_its_remains_say_nothing(kind, row, status, refunded, review):
    followed = Followed(currency="USD", service_type=kind)
    followed.order.quantity = 1
    assert followed.hear(row) == (status, refunded, review)


def test_canceled_when_its_remains_change_later_then_what_was_delivered_stays_as_told():
    followed = Followed()
    followed.hear(said("Canceled", "40", "0.12"))
    followed.hear(said("Canceled", "90", "0.02"))
    assert (followed.order.remains, followed.order.upstream_charge, followed.order.refunded) == (40, 20_000, 225_000)
