"""Matching orphans with orders in doubt: a pure decision, as tables."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from catalog.upstream.results import OrderStatus, StatusRow
from orders.reconcile.match import MAX_WIDTH, Candidate, IdWindow, agrees, remains_agree, sole_match
from panel.lib.money import EXCHANGE_ONE
from tests import make

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


@pytest.fixture(autouse=True)
def narrow_windows() -> None:
    """The windows here have the width of the product."""


def candidate(order_id: int = 1, *, quantity: int = 1_000, cost: int = 2_000_000, minute: int = 0) -> Candidate:
    """By default 1,000 that cost us $2."""
    sold = make.SoldOrder(quantity=quantity, charge=cost * 2, expected_cost=cost)
    return Candidate(order_id, sold, EXCHANGE_ONE, NOON + timedelta(minutes=minute))


def row(status: str | None = "pending", *, remains: int | None = 1_000, charge: str | None = "2") -> StatusRow:
    return StatusRow(
        order_id="7",
        status=OrderStatus(status) if status else None,
        status_text=status or "Odd",
        charge=None if charge is None else Decimal(charge),
        start_count=None,
        remains=remains,
        currency="USD",
    )


@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        (row(), True),
        (row("processing"), True),
        (row("in_progress", remains=400), True),
        (row("in_progress", remains=0), True),
        (row("completed", remains=0), True),
        (row("partial", remains=250, charge="1.5"), True),
        (row(charge="2.01"), True),
        (row(charge="1.9"), True),
        # Figures are missing, or the order would not have them.
        (row(None), False),
        (row(remains=None), False),
        (row(charge=None), False),
        (row(charge="-2"), False),
        (row(charge="0"), False),
        (row("canceled", charge="0"), False),
        (row("canceled"), False),
        (row("canceled", remains=500, charge="1"), False),
        # Another quantity, or another service.
        (row(remains=1_001), False),
        (row("in_progress", remains=1_001), False),
        (row("in_progress", remains=-1), False),
        (row(remains=-1), False),
        (row(remains=500), False),
        (row("completed", remains=10), False),
        (row("partial", remains=250, charge="2"), False),
        (row(charge="1.85"), False),
        (row(charge="2.2"), False),
        (row("in_progress", remains=10, charge="0.02"), False),
    ],
)
def test_agrees_when_remains_and_charge_given_then_both_must_match(shown, expected):
    assert agrees(candidate(), shown) is expected


def test_agrees_when_charge_is_in_other_currency_then_converted():
    sold = make.SoldOrder(quantity=1_000, charge=4_000_000, expected_cost=2_000_000)
    in_rupees = Candidate(1, sold, EXCHANGE_ONE // 80, NOON)
    assert agrees(in_rupees, row(charge="160"))
    assert not agrees(in_rupees, row(charge="2"))


@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        (row(charge="3"), True),
        (row(charge="2"), True),
        (row("partial", remains=250, charge="2.25"), True),
        (row("completed", remains=0, charge="3"), True),
        (row(charge="2.5"), False),
        (row(charge="3.3"), False),
        (row(remains=500, charge="3"), False),
    ],
)
def test_agrees_when_the_rate_rose_before_sending_then_either_cost(shown, expected):
    """The rate rose before the sending and was imported after it: a true match read "Does not agree"."""
    assert agrees(replace(candidate(), cost_now=3_000_000), shown) is expected


@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        (row(charge="9"), True),
        (row(charge=None), True),
        (row("partial", remains=250, charge="9"), True),
        (row(remains=None), False),
        (row("canceled"), False),
        (row(None), False),
        (row(remains=500), False),
        (row("completed", remains=10), False),
        (row("in_progress", remains=1_001), False),
    ],
)
def test_remains_when_the_charge_is_another_then_they_agree_alone(shown, expected):
    assert remains_agree(candidate(), shown) is expected


OPEN = IdWindow(low=100, high=None, closed_at=None)
CLOSED = IdWindow(low=100, high=110, closed_at=NOON + timedelta(minutes=5))
SMALL = row(remains=10, charge="0.5")
BIG = row()
US = candidate(1)
TWIN = candidate(2)
OTHER = candidate(3, quantity=10, cost=500_000)


@pytest.mark.parametrize(
    ("window", "last", "is_too_wide"),
    [
        (OPEN, 100 + MAX_WIDTH, False),
        (CLOSED, 109, False),
        (IdWindow(low=100, high=101 + MAX_WIDTH, closed_at=NOON), 100 + MAX_WIDTH, False),
        (IdWindow(low=100, high=102 + MAX_WIDTH, closed_at=NOON), 101 + MAX_WIDTH, True),
    ],
)
def test_window_when_it_has_ends_then_it_searches_between_them(window, last, is_too_wide):
    assert (window.first, window.last, window.is_too_wide) == (101, last, is_too_wide)


@pytest.mark.parametrize(
    ("window", "candidates", "orphans", "expected"),
    [
        pytest.param(OPEN, [US], {105: BIG}, 105, id="one and one"),
        pytest.param(CLOSED, [US], {105: BIG}, 105, id="one and one between two known ids"),
        pytest.param(OPEN, [US], {}, None, id="none there"),
        pytest.param(OPEN, [US], {105: SMALL}, None, id="one there, of another size"),
        pytest.param(OPEN, [US], {105: BIG, 106: BIG}, None, id="two that agree"),
        pytest.param(OPEN, [US, TWIN], {105: BIG}, None, id="two doubts of the same size"),
        pytest.param(OPEN, [US, TWIN], {105: BIG, 106: BIG}, None, id="two doubts of the same size, two there"),
        pytest.param(OPEN, [US, OTHER], {105: BIG, 106: SMALL}, 105, id="two doubts of two sizes"),
        pytest.param(OPEN, [US, OTHER], {105: BIG}, 105, id="the other one is not there"),
        pytest.param(
            OPEN,
            [US, candidate(2, cost=2_080_000)],
            {105: row(charge="1.92"), 106: row(charge="2.04")},
            None,
            id="one is ours or the other's",
        ),
        pytest.param(OPEN, [US], {105: BIG, 106: SMALL}, None, id="a stranger beside it"),
        pytest.param(CLOSED, [US], {105: BIG, 120: SMALL}, 105, id="a stranger outside"),
        pytest.param(CLOSED, [US], {100: BIG}, None, id="below"),
        pytest.param(CLOSED, [US], {110: BIG}, None, id="above"),
        pytest.param(CLOSED, [US, candidate(2, minute=6)], {105: BIG}, 105, id="a twin sent after the window closed"),
        pytest.param(CLOSED, [US, candidate(2, minute=4)], {105: BIG}, None, id="a twin sent before it closed"),
        pytest.param(OPEN, [US, candidate(2, minute=600)], {105: BIG}, None, id="a twin sent later, nothing closed"),
    ],
)
def test_match_when_explanation_is_unique_then_chosen_else_none(window, candidates, orphans, expected):
    assert sole_match(doubt=US, window=window, candidates=candidates, orphans=orphans) == expected


def test_match_when_orders_differ_by_less_than_rounding_then_none():
    """At a tenth of a cent apart, a charge rounded to cents cannot tell them apart."""
    one, two = candidate(1, quantity=10, cost=1_000), candidate(2, quantity=10, cost=2_000)
    shown = row(remains=10, charge="0.01")
    assert sole_match(doubt=one, window=OPEN, candidates=[one, two], orphans={105: shown}) is None
