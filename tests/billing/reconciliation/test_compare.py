"""The comparison of a gateway's list with our payments: every pair of what both may say."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from billing.intake.gateways import Effect, Listed, Seen
from billing.reconciliation.compare import Comparison, Ours, Verdict, compare
from billing.reconciliation.listing import packed, unpacked
from panel.lib.money import MAX_MICROS, MICRO

BEGIN = datetime(2026, 11, 30, tzinfo=UTC)
END = BEGIN + timedelta(days=1)
NOON = BEGIN + timedelta(hours=12)
USD20 = 20 * MICRO


def row(name="p1", amount=USD20, effect=Effect.CREDIT, currency="USD", at=NOON, ref="panel-1") -> Listed:
    return Listed(Seen(name, amount, currency, effect), ref, at)


def ours(name="p1", amount=USD20, state="credited", currency="USD", at=NOON, **values: Any) -> Ours:
    credited = values.pop("credited", amount if state == "credited" else 0)
    return Ours(1, name, state, currency, amount, credited, at, **values)


def found(listed=(), known=()) -> Comparison:
    return compare(listed=listed, ours=known, begin=BEGIN, end=END, currency="USD")


def verdicts(listed=(), known=()) -> list[str]:
    return [line.verdict.name for line in found(listed, known).lines]


def test_day_when_both_sides_agree_then_no_difference_and_equal_sums():
    day = found([row(), row("p2", MICRO)], [ours(), ours("p2", MICRO)])
    assert (day.differences, day.came_in, day.credited, day.agreed_sum, day.unexplained) == (0, *[21 * MICRO] * 3, 0)


PAIRS = [
    # what the gateway says, our state, and what to make of it
    (Effect.CREDIT, None, "ONLY_THERE"),
    (Effect.HOLD, None, "ONLY_THERE"),
    (Effect.WAIT, None, "NO_MONEY"),
    (Effect.NEVER, None, "NO_MONEY"),
    (Effect.REVERSE, None, "NO_MONEY"),
    (Effect.CREDIT, "credited", "AGREES"),
    (Effect.HOLD, "credited", "DIFFERS"),
    (Effect.WAIT, "credited", "DIFFERS"),
    (Effect.NEVER, "credited", "DIFFERS"),
    (Effect.REVERSE, "credited", "DIFFERS"),
    (Effect.CREDIT, "held", "WAITS"),
    (Effect.HOLD, "held", "WAITS"),
    (Effect.NEVER, "held", "DIFFERS"),
    (Effect.REVERSE, "held", "DIFFERS"),
    (Effect.WAIT, "held", "NO_MONEY"),
    (Effect.CREDIT, "dismissed", "DECIDED"),
    (Effect.CREDIT, "gone", "DIFFERS"),
    (Effect.NEVER, "gone", "NO_MONEY"),
    (Effect.CREDIT, "seen", "DIFFERS"),
    (Effect.WAIT, "seen", "NO_MONEY"),
    (None, "credited", "ONLY_HERE"),
    (None, "held", "ONLY_HERE"),
    (None, "dismissed", "NO_MONEY"),
    (None, "gone", "NO_MONEY"),
    (None, "seen", "NO_MONEY"),
]


@pytest.mark.parametrize(("effect", "state", "verdict"), PAIRS)
def test_payment_when_in_a_state_then_counted_as_what_it_is(effect, state, verdict):
    assert verdicts([row(effect=effect)] if effect else [], [ours(state=state)] if state else []) == [verdict]


def test_sums_when_something_differs_then_its_money_is_unexplained():
    listed = [row(), row("held"), row("dismissed"), row("missed", 5 * MICRO)]
    day = found(listed, [ours(), ours("held", state="held"), ours("dismissed", state="dismissed")])
    assert (day.came_in, day.credited, day.waits, day.decided) == (65 * MICRO, USD20, USD20, USD20)
    assert (day.unexplained, day.differences) == (5 * MICRO, 1)


@pytest.mark.parametrize(("is_settled", "verdict"), [(False, "WAITS"), (True, "DECIDED")])
def test_reversal_when_known_then_no_difference_and_explained(is_settled, verdict):
    reversed_ = ours(taken_back=USD20, is_settled=is_settled)
    day = found([row(effect=Effect.REVERSE)], [reversed_])
    assert ([line.verdict.name for line in day.lines], day.unexplained) == ([verdict], 0)


@pytest.mark.parametrize(("listed", "verdict"), [([row(effect=Effect.REVERSE)], "DIFFERS"), ([], "ONLY_HERE")])
@pytest.mark.parametrize("is_settled", [False, True])
def test_reversal_when_of_a_part_and_all_is_gone_then_the_rest_differs(listed, verdict, is_settled):
    day = found(listed, [ours(taken_back=5 * MICRO, is_settled=is_settled)])
    assert ([line.verdict.name for line in day.lines], day.taken_back) == ([verdict], 5 * MICRO)
    assert (day.differences, day.unexplained) == (1, -15 * MICRO)


@pytest.mark.parametrize(
    ("listed", "known"),
    [
        (row(amount=USD20 + 1), ours()),
        (row(currency="EUR"), ours()),
        (row(), ours(credited=USD20 - 1)),
        (row(), ours(taken_back=USD20)),
        (row(amount=USD20 + 1), ours(state="held")),
        (row(amount=USD20 + 1), ours(state="dismissed")),
    ],
)
def test_figures_when_they_differ_then_said_so(listed, known):
    [line] = found([listed], [known]).lines
    assert line.verdict is Verdict.DIFFERS and line.words.endswith(".")


def test_currency_when_another_then_in_no_sum_and_found():
    day = found([row(currency="EUR")])
    assert (day.came_in, day.differences) == (0, 1)
    day = found([row(currency="EUR")], [ours(state="held", currency="EUR")])
    assert (day.came_in, day.waits, day.differences) == (0, 0, 0)


@pytest.mark.parametrize(
    "listed",
    [
        row(amount=-1),
        row(amount=MAX_MICROS + 1),
        row(amount=10**30),
        row(name=""),
        row(name="x" * 500),
        row(currency=""),
        row(currency="X" * 99),
        row(name="\0\ud800"),
    ],
)
def test_row_when_it_cannot_be_then_words_and_no_crash(listed):
    day = found(unpacked(packed([listed])), [ours("another")])
    assert day.differences == 2 and day.came_in <= MAX_MICROS


def test_ids_when_doubled_then_counted_once_or_said_so():
    day = found([row(), row()], [ours()])
    assert (day.differences, day.doubled, day.came_in) == (0, 1, USD20)
    day = found([row(), row(amount=MICRO)], [ours()])
    assert [line.verdict for line in day.lines] == [Verdict.UNREADABLE] and day.came_in == 0


def test_edge_when_times_differ_by_minutes_then_no_difference():
    """A payment of 23:59 here is one of 0:01 there, and the other way round."""
    before, after = BEGIN - timedelta(minutes=1), END + timedelta(minutes=1)
    day = found([row(at=before), row("p2", at=after)], [ours(), ours("p2")])
    assert (day.lines, day.elsewhere) == ([], 2)
    day = found([row(at=BEGIN)], [ours(at=before)])
    assert [(line.verdict, line.is_at_edge) for line in day.lines] == [(Verdict.AGREES, True)]
    assert found([row(at=END)]).lines == []


def test_list_when_cut_short_then_said_so():
    known = [ours(f"p{hour}", at=BEGIN + timedelta(hours=hour)) for hour in range(1, 6)]
    day = found([row("p1", at=BEGIN + timedelta(hours=1))], known)
    assert day.differences == 4 and "cut short" in day.cut_short
    assert "came before its first" in found([row("p5", at=BEGIN + timedelta(hours=5))], known).cut_short
    assert "is empty" in found([], known).cut_short
    assert found([row("p3", at=BEGIN + timedelta(hours=3))], known).cut_short == ""


def test_list_when_stored_and_read_then_the_same():
    assert unpacked(packed([row()])) == [row()]
    [naive] = unpacked(packed([row(at=NOON.replace(tzinfo=None))]))
    assert naive.at == NOON
