"""The database's time, in processes whose own clock may be wrong."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

import pytest
from django.db import DatabaseError, connection, transaction
from django.utils import timezone

from panel.lib import clock
from panel.lib.clock import Measurement
from tests.scenes import statements


def one(offset: float, error: float = 0.01) -> Measurement:
    return Measurement(offset, error, time.monotonic(), clock._lead())


@pytest.fixture
def database(monkeypatch: pytest.MonkeyPatch) -> dict[str, float]:
    """A database other than SQLite whose clock is ahead of ours by "ahead". Counts how often it was "asked"."""
    state = {"ahead": 0.0, "asked": 0}

    def answer() -> float:
        state["asked"] += 1
        return time.time() + state["ahead"]

    monkeypatch.setattr(connection, "vendor", "postgresql")
    monkeypatch.setattr(clock, "_database_time", answer)
    monkeypatch.setattr(clock, "_last", clock._NOTHING)
    return state


@pytest.mark.parametrize(
    ("offset", "error", "is_right"),
    [
        (0, 0, True),
        (2, 0, True),
        (-2.1, 0, False),
        (2.1, 0, False),
        (2.4, 0.5, True),
        (-300, 5, False),
        (86_400, 1, False),
    ],
)
def test_clock_when_off_by_more_than_the_error_then_wrong(offset, error, is_right):
    assert one(offset, error).is_right is is_right


def test_offset_when_measured_thrice_then_the_shortest_trip_counts():
    assert clock.best_of([one(7, 0.9), one(10, 0.1), one(8, 0.5)]).offset == 10


def test_offset_when_the_answer_is_slow_then_half_the_trip_is_taken_off(monkeypatch):
    """The database answers in the middle of a round trip of four seconds, and its clock is right."""
    ticks = iter([100.0, 104.0])
    monkeypatch.setattr(clock.time, "monotonic", lambda: next(ticks))
    monkeypatch.setattr(clock.time, "time", lambda: 1_000.0)
    monkeypatch.setattr(clock, "_database_time", lambda: 1_002.0)
    found = clock._measure_once()
    assert (found.offset, found.error, found.is_right) == (0.0, 2.0, True)


@pytest.mark.django_db
@pytest.mark.parametrize("ahead", [-10.0, 300.0, -86_400.0])
def test_now_when_our_clock_is_wrong_then_the_databases(database, ahead):
    database["ahead"] = ahead
    expected = datetime.now(UTC) + timedelta(seconds=ahead)
    assert abs(clock.now() - expected) < timedelta(seconds=60)
    assert clock.known() - timezone.now() == pytest.approx(timedelta(seconds=ahead), abs=timedelta(seconds=1))


@pytest.mark.django_db(transaction=True)
def test_now_when_called_often_then_measured_once_a_minute(database, monkeypatch):
    for _ in range(9):
        clock.now()
    assert database["asked"] == clock.TRIES
    old = clock._last
    monkeypatch.setattr(clock, "_last", Measurement(old.offset, old.error, old.measured_at - 61, old.lead))
    with transaction.atomic():
        clock.now()
    assert database["asked"] == clock.TRIES
    clock.now()
    assert database["asked"] == 2 * clock.TRIES


@pytest.mark.django_db
def test_now_when_our_clock_is_set_then_measured_at_once(database, monkeypatch):
    """The database's clock did not move, whatever happened to ours: a transaction must not write a wrong time."""
    before = clock.now()
    moved = clock._last.lead - 3_600
    monkeypatch.setattr(clock, "_last", Measurement(3_600.0, 0.01, clock._last.measured_at, moved))
    assert abs(clock.now() - before) < timedelta(seconds=60)
    assert database["asked"] == 2 * clock.TRIES


@pytest.mark.django_db(transaction=True)
def test_now_when_the_database_is_away_then_the_last_offset_counts(database, monkeypatch):
    monkeypatch.setattr(clock, "_last", Measurement(300.0, 0.01, time.monotonic() - 999, clock._lead()))

    def fail() -> float:
        raise DatabaseError("gone")

    monkeypatch.setattr(clock, "_database_time", fail)
    assert clock.now() - timezone.now() > timedelta(seconds=240)


@pytest.mark.django_db
def test_offset_when_asked_of_this_database_then_right(monkeypatch):
    """SQLite has no clock of its own, and gets no query; PostgreSQL's is this machine's."""
    monkeypatch.setattr(clock, "_last", clock._NOTHING)
    with statements() as made:
        found = clock.measured(max_age=60)
    assert found.is_right and abs(found.offset) < 2
    assert len(made) == (0 if connection.vendor == "sqlite" else clock.TRIES)
