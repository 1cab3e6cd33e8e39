"""How fast an order goes and when it is probably done: only as far as that can be known, and never a promise."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from orders.models import Order, OrderEvent
from orders.states import EventKind, Status
from orders.web.progress import Progress, expected_end, pace_of, pace_text, progress_of

NOON = datetime(2026, 11, 28, 12, 0, tzinfo=UTC)


def minutes(count: float) -> timedelta:
    return timedelta(minutes=count)


def progress(delivered: int, lasted: float, quantity: int = 1_000) -> Progress:
    """Return that so many were delivered in so many minutes until noon."""
    return Progress(NOON - minutes(lasted), NOON, delivered, quantity)


def end(own: Progress | None, *, after: float = 1, typical: int | None = None, ordered: float = 60) -> datetime | None:
    """Return the expected end as it is told `after` minutes from noon."""
    return expected_end(
        now=NOON + minutes(after), ordered_at=NOON - minutes(ordered), progress=own, typical_seconds=typical
    )


def test_end_when_the_order_moves_then_by_its_own_pace():
    assert end(progress(500, 10)) == NOON + minutes(10)
    assert end(progress(500, 10), typical=999_999) == NOON + minutes(10)


@pytest.mark.parametrize(
    "own", [None, progress(49, 60), progress(500, 1.9), progress(9, 60, 20), progress(0, 60), progress(500, 0)]
)
def test_end_when_the_order_tells_too_little_then_as_usual_for_the_service(own):
    assert pace_of(own) is None
    assert end(own) is None
    assert end(own, typical=2 * 3_600) == NOON + minutes(60)


def test_end_when_it_would_be_past_then_nothing_is_said():
    assert end(progress(900, 90), after=10) is None
    assert end(None, typical=60) is None


def test_end_when_the_order_stands_still_then_nothing_is_said():
    assert end(progress(100, 10), after=29) is not None
    assert end(progress(100, 10), after=31) is None
    assert end(progress(100, 10), after=31, typical=10 * 3_600) is None
    assert end(progress(100, 120), after=31) is not None


def test_end_when_it_is_months_away_then_nothing_is_said():
    assert end(progress(10_000, 60 * 24 * 30, 10**12)) is None
    assert end(None, typical=10**9) is None


@pytest.mark.parametrize(
    ("pace", "words"),
    [
        (50 / 60, "About 50 a minute"),
        (1_234 / 60, "About 1,200 a minute"),
        (0.96 / 60, "About 58 an hour"),
        (3.2 / 86_400, "About 3 a day"),
        (0.1 / 86_400, "About 1 a day"),
    ],
)
def test_pace_when_told_then_in_two_digits_and_its_unit(pace, words):
    assert pace_text(pace) == words


def test_progress_when_it_started_then_it_counts_from_there():
    order = Order(
        status=Status.IN_PROGRESS,
        quantity=100,
        remains=40,
        charge=1,
        accepted_at=NOON - minutes(60),
        checked_at=NOON,
    )
    started = OrderEvent(kind=EventKind.STATUS, new=Status.IN_PROGRESS, created_at=NOON - minutes(30))
    assert progress_of(order, []) == Progress(NOON - minutes(60), NOON, 60, 100)
    assert progress_of(order, [started]) == Progress(NOON - minutes(30), NOON, 60, 100)
    for column in ("remains", "accepted_at", "checked_at"):
        assert progress_of(Order(**{**_columns(order), column: None}), []) is None
    assert progress_of(Order(**{**_columns(order), "status": Status.PARTIAL}), []) is None


def _columns(order: Order) -> dict[str, object]:
    names = ("status", "quantity", "remains", "charge", "accepted_at", "checked_at")
    return {name: getattr(order, name) for name in names}
