"""The evidence of an order in review, computed from unsaved rows."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from catalog.models import Provider
from orders.models import Order, PlacementAttempt
from orders.review.evidence import (
    AGREES,
    ANSWERED,
    DISAGREES,
    NO_ANSWER,
    NOTHING_SENT,
    OTHER_CHARGE,
    OtherOrder,
    attempt_line,
    balance_hint,
    balance_lines,
    not_counted,
    phase_badge,
    question_for_staff,
    search_progress,
)
from orders.states import ReviewReason, Submission
from panel.lib.http.exchange import Phase
from panel.lib.money import EXCHANGE_ONE, MAX_MICROS

NOON = datetime(2026, 3, 4, 12, 0, tzinfo=UTC)
LATER = NOON + timedelta(minutes=6)
EURO = 1_080_000_000_000  # $1.08 for €1
RUPEE = 12_000_000_000  # $0.012 for ₹1


def attempt(**values) -> PlacementAttempt:
    return PlacementAttempt(**{"started_at": NOON, **values})


def orphan(id: str, *, agrees: bool = True, **values) -> dict[str, object]:
    return {"id": id, "status": "Pending", "remains": 1000, "charge": "2", "agrees": agrees, **values}


# -- each attempt ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("phase", "reach"),
    [
        (Phase.NEW, NOTHING_SENT),
        (Phase.CONNECTING, NOTHING_SENT),
        (Phase.CONNECTED, NOTHING_SENT),
        (Phase.SENDING, NO_ANSWER),
        (Phase.SENT, NO_ANSWER),
        (Phase.ANSWERED, ANSWERED),
        ("", NO_ANSWER),  # the worker died before it recorded a phase
        ("something new", NO_ANSWER),
    ],
)
def test_attempt_when_it_reached_a_phase_then_the_badge_says_no_less(phase, reach):
    assert phase_badge(phase) == reach
    assert attempt_line(attempt(phase=phase)).reach == reach


def test_attempt_when_answered_then_the_whole_answer_is_kept():
    line = attempt_line(attempt(phase="answered", http_status=502, detail="Bad gateway", body="<h1>", request_id="r1"))
    shown = (line.at, line.http_status, line.answer, line.body, line.request_id)
    assert shown == (NOON, 502, "Bad gateway", "<h1>", "r1")


# -- the search --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("orphans", "taken", "likely"),
    [
        ([], set(), ""),
        ([orphan("71")], set(), "71"),
        ([orphan("71"), orphan("72", agrees=False)], set(), "71"),
        ([orphan("71"), orphan("72")], set(), ""),  # two that agree: none is likely
        ([orphan("71"), orphan("72")], {"72"}, "71"),  # the other was bound to another order since
        ([orphan("71")], {"71"}, ""),
        ([orphan("71", agrees=False)], set(), ""),
    ],
)
def test_search_when_orphans_found_then_only_sole_match_is_likely(orphans, taken, likely):
    search = search_progress(attempt(orphans=orphans), taken=taken, currency="USD")
    assert search.likely_id == likely
    assert [one.id for one in search.orphans] == [one["id"] for one in orphans if one["id"] not in taken]


@pytest.mark.parametrize(
    ("values", "remains", "charge"),
    [
        ({"remains": 12_000, "charge": "2.4"}, "12,000", "€2.40"),
        ({"remains": -5, "charge": "0.00268"}, "-5", "€0.00268"),
        ({"remains": None, "charge": None}, "—", "—"),
        ({"charge": "99999999999999"}, "1,000", "99999999999999 EUR"),  # more than any column holds
        ({"charge": "NaN"}, "1,000", "NaN EUR"),
    ],
)
def test_orphan_when_its_numbers_are_odd_then_still_shown(values, remains, charge):
    [shown] = search_progress(attempt(orphans=[orphan("71", **values)]), taken=(), currency="EUR").orphans
    assert (shown.remains, shown.charge, shown.agrees) == (remains, charge, AGREES)


@pytest.mark.parametrize(
    ("values", "badge"),
    [
        ({"agrees": True, "remains_agree": True}, AGREES),
        ({"agrees": False, "remains_agree": True}, OTHER_CHARGE),
        ({"agrees": False, "remains_agree": True, "charge": None}, DISAGREES),
        ({"agrees": False, "remains_agree": False}, DISAGREES),
        ({"agrees": False}, DISAGREES),  # As the release before stored it.
    ],
)
def test_orphan_when_only_its_charge_differs_then_badge_says_so(values, badge):
    search = search_progress(attempt(orphans=[orphan("71", **values)]), taken=(), currency="USD")
    assert search.orphans[0].agrees is badge
    assert search.likely_id == ("71" if badge is AGREES else "")


def test_search_when_never_sent_then_empty():
    search = search_progress(None, taken=(), currency="USD")
    assert (search.count, search.last, search.orphans, search.likely_id) == (0, None, (), "")


def test_search_when_done_then_range_and_note_are_kept():
    row = attempt(searches=4, searched_at=LATER, probed_from=71, probed_to=80, search_note="None of them.")
    search = search_progress(row, taken=(), currency="USD")
    assert (search.count, search.last, search.asked_from, search.asked_to, search.note) == (
        4,
        LATER,
        71,
        80,
        "None of them.",
    )
    assert (
        search_progress(attempt(orphans=[orphan("1", agrees=False)]), taken=(), currency="").orphans[0].agrees
        is DISAGREES
    )


# -- the balance at the provider ---------------------------------------------------------------------


def hint(*, before: int | None, after: int | None, cost: int, others: list[OtherOrder], rate: int):
    row = attempt(balance_before=before, balance_before_at=NOON, balance_after=after, balance_after_at=LATER)
    return balance_hint(attempt=row, expected_cost=cost, others=others, exchange_rate=rate)


def sure(*costs: int) -> list[OtherOrder]:
    return [OtherOrder(cost, is_sure=True) for cost in costs]


@pytest.mark.parametrize(
    ("before", "after", "cost", "others", "rate", "if_not_accepted", "if_accepted", "apart"),
    [
        # $10.00 there, nothing else sent, the order costs $2.00.
        (10_000_000, 8_000_000, 2_000_000, [], EXCHANGE_ONE, 10_000_000, 8_000_000, (-2_000_000, 0)),
        (10_000_000, 10_000_000, 2_000_000, [], EXCHANGE_ONE, 10_000_000, 8_000_000, (0, 2_000_000)),
        # €100: two others for $1.08 and $2.16 are €3, the order's $2.16 are €2.
        (100_000_000, 95_000_000, 2_160_000, [1_080_000, 2_160_000], EURO, 97_000_000, 95_000_000, (-2_000_000, 0)),
        # ₹500: $0.012 are ₹1, and a part of a micro-unit counts whole: $0.000001 is ₹0.000084.
        (500_000_000, 498_000_000, 12_000, [12_000], RUPEE, 499_000_000, 498_000_000, (-1_000_000, 0)),
        (1_000, 0, 1, [], RUPEE, 1_000, 916, (-1_000, -916)),
        # Below zero: the provider allows it.
        (1_000_000, -1_000_000, 2_000_000, [], EXCHANGE_ONE, 1_000_000, -1_000_000, (-2_000_000, 0)),
        # An unknown figure makes those that depend on it unknown.
        (None, 8_000_000, 2_000_000, [], EXCHANGE_ONE, None, None, (None, None)),
        (10_000_000, None, 2_000_000, [], EXCHANGE_ONE, None, None, (None, None)),
        # A rate at which no column could hold the cost.
        (10_000_000, 8_000_000, MAX_MICROS, [], 1, 10_000_000, None, (-2_000_000, None)),
        (10_000_000, 8_000_000, 1, [MAX_MICROS], 1, None, None, (None, None)),
    ],
)
def test_balance_when_known_then_both_outcomes_are_computed(
    before, after, cost, others, rate, if_not_accepted, if_accepted, apart
):
    found = hint(before=before, after=after, cost=cost, others=sure(*others), rate=rate)
    assert (found.if_not_accepted, found.if_accepted) == (if_not_accepted, if_accepted)
    assert (found.apart(found.if_not_accepted), found.apart(found.if_accepted)) == apart


def test_balance_when_others_are_in_doubt_then_listed_not_counted():
    others = [*sure(1_080_000), OtherOrder(2_160_000, is_sure=False), OtherOrder(1_080_000, is_sure=False)]
    found = hint(before=100_000_000, after=97_000_000, cost=2_160_000, others=others, rate=EURO)
    assert (found.others, found.others_cost, found.if_not_accepted) == (1, 1_000_000, 99_000_000)
    assert not_counted(found, "EUR") == "Not counted: 2 orders that may have been accepted too, for €3.00."
    assert not_counted(hint(before=1, after=1, cost=1, others=others[:2], rate=EURO), "EUR").endswith(
        " 1 order that may have been accepted too, for €2.00."
    )
    assert not_counted(hint(before=1, after=1, cost=1, others=sure(1), rate=EURO), "EUR") == ""


def test_balance_when_unknown_then_no_hint():
    assert balance_hint(attempt=None, expected_cost=1, others=[], exchange_rate=EURO) is None
    assert hint(before=None, after=None, cost=1, others=[], rate=EURO) is None


def test_balance_lines_when_known_then_each_outcome_is_compared():
    found = hint(before=100_000_000, after=94_500_000, cost=2_160_000, others=sure(1_080_000, 2_160_000), rate=EURO)
    assert [(line.label, line.amount, line.note) for line in balance_lines(found, "EUR")] == [
        ("Before it was sent", "€100.00", "4 Mar 2026, 12:00"),
        ("Others sent in between should have cost", "−€3.00", "2 orders"),
        ("If it was not accepted, there would be", "€97.00", "€2.50 less was there"),
        ("If it was accepted, there would be", "€95.00", "€0.50 less was there"),
        ("What was there afterwards", "€94.50", "4 Mar 2026, 12:06"),
    ]


def test_balance_lines_when_an_outcome_matches_then_shown_as_exact():
    lines = balance_lines(hint(before=10, after=10, cost=4, others=sure(1), rate=EXCHANGE_ONE), "USD")
    assert [line.note for line in lines[2:4]] == ["$0.000001 more was there", "$0.000005 more was there"]
    assert lines[1].note == "1 order"
    exact = balance_lines(hint(before=10, after=6, cost=4, others=[], rate=EXCHANGE_ONE), "USD")
    assert [line.note for line in exact[2:4]] == ["$0.000004 less was there", "exactly what was there"]


def test_balance_lines_when_not_read_afterwards_then_left_blank():
    row = attempt(balance_before=10_000_000, balance_before_at=None)
    found = balance_hint(attempt=row, expected_cost=1, others=[], exchange_rate=EXCHANGE_ONE)
    assert [(line.amount, line.note) for line in balance_lines(found, "USD")] == [
        ("$10.00", ""),
        ("$0.00", "0 orders"),
        ("—", ""),
        ("—", ""),
        ("—", ""),
    ]


# -- the question to staff ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        (
            {"review_reason": ReviewReason.DOUBT, "doubt_until": NOON + timedelta(minutes=30)},
            "Find out whether North has this order, then choose below: it was sent 2 hours ago without a clear answer, "
            "nothing resolved it since, and its deadline passed at 4 Mar 2026, 12:30.",
        ),
        (
            {"review_reason": ReviewReason.DOUBT, "doubt_until": NOON + timedelta(hours=3)},
            "Find out whether North has this order, then choose below: it was sent 2 hours ago without a clear answer, "
            "nothing resolved it since, and its deadline is at 4 Mar 2026, 15:00.",
        ),
        (
            {"doubt_until": NOON + timedelta(hours=3)},
            "Choose only if you know already whether North has this order: it was sent 2 hours ago without a clear "
            "answer, and the panel searches for it by itself until 4 Mar 2026, 15:00.",
        ),
        (
            {"submission": Submission.QUEUED, "review_reason": ReviewReason.UNKNOWN_ERROR},
            "Find out what North meant, then choose below: 1 hour ago it refused this order with words that the panel "
            "does not know.",
        ),
        (
            {"submission": Submission.QUEUED, "review_reason": ReviewReason.WOULD_LOSE},
            "Choose whether this order is worth sending: it has waited for 1 hour because it would cost more than the "
            "customer paid, and without a decision it is canceled and refunded at 5 Mar 2026, 12:00.",
        ),
        (
            {"submission": Submission.QUEUED, "review_reason": ReviewReason.OVER_LIMIT},
            "Choose whether this order is worth sending: it has waited for 1 hour because it would cost more than "
            "North's limit of a day, and without a decision it is canceled and refunded at 5 Mar 2026, 12:00.",
        ),
        (
            {"submission": Submission.QUEUED, "review_reason": ReviewReason.DOUBT},
            "Find out whether North has this order, then choose below: it was sent before, and has waited for 1 hour.",
        ),
    ],
)
def test_question_when_in_review_then_shows_age_and_deadline(settings, values, sentence):
    settings.QUEUE_LIMIT_HOURS = 24
    order = Order(
        **{"submission": Submission.IN_DOUBT, "queued_at": NOON, "review_since": NOON + timedelta(hours=1), **values}
    )
    order.provider = Provider(name="North")
    asked = question_for_staff(order=order, sent_at=NOON, now=NOON + timedelta(hours=2))
    assert asked.replace("\xa0", " ") == sentence


def test_question_when_fresh_then_its_age_is_not_zero():
    order = Order(submission=Submission.IN_DOUBT, doubt_until=LATER)
    order.provider = Provider(name="North")
    asked = question_for_staff(order=order, sent_at=NOON, now=NOON + timedelta(seconds=20))
    assert "sent less than a minute ago" in asked
