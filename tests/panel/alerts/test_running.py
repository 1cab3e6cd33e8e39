"""Deadlines that refund count the time seen running: no jump of the clock and no pause ends one early."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from panel.alerts import running
from panel.alerts.models import RunningGap, RunningTime
from panel.alerts.running import Gap, is_jump, is_steady, moment_before
from tests.scenes import statements

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)


def at(hours: float) -> datetime:
    return NOON + timedelta(hours=hours)


def gap(began: float, ended: float) -> Gap:
    return Gap(at(began), at(ended))


# -- the decisions -----------------------------------------------------------------------------------


@pytest.mark.parametrize(("seconds", "expected"), [(2, False), (60, False), (60.1, True), (-60, False), (-61, True)])
def test_jump_when_rounds_are_a_minute_apart_then_none(seconds, expected):
    assert is_jump(seen_at=NOON, now=NOON + timedelta(seconds=seconds)) is expected


@pytest.mark.parametrize(("since", "expected"), [(None, True), (-0.99, False), (-1, True), (5, False)])
def test_clock_when_no_gap_for_an_hour_then_steady(since, expected):
    assert is_steady(doubted_since=None if since is None else at(since), now=NOON) is expected


@pytest.mark.parametrize(
    ("gaps", "expected"),
    [
        ([], -24),
        ([gap(-3, -1)], -26),
        ([gap(-30, -24)], -24),
        ([gap(-30, -23)], -31),
        ([gap(-1, 0)], -25),
        ([gap(-5, 2)], -29),
        ([gap(1, 5)], -24),
        ([gap(-10, -5), gap(-7, -6)], -29),
        ([gap(-7, -5), gap(-9, -6)], -28),
        ([gap(-4, -3), gap(-2, -1)], -26),
    ],
)
def test_deadline_when_there_were_gaps_then_it_is_longer_by_them(gaps, expected):
    assert moment_before(now=NOON, length=DAY, gaps=gaps) == at(expected)


@given(st.lists(st.tuples(st.integers(-90, 5), st.integers(1, 30)), max_size=6), st.integers(1, 40))
def test_deadline_when_gaps_are_any_then_as_counted_hour_by_hour(found, length):
    gaps = [gap(began, began + size) for began, size in found]
    hour, ran = 0, 0
    while ran < length:
        hour -= 1
        ran += not any(one.began_at <= at(hour) < one.ended_at for one in gaps)
    assert moment_before(now=NOON, length=timedelta(hours=length), gaps=gaps) == at(hour)


def test_deadline_when_nothing_ever_ran_then_long_ago():
    assert moment_before(now=NOON, length=DAY, gaps=[Gap(running._BEGINNING, NOON)]).year == 1


SET_BACK: list[timedelta] = []


def watch_clock() -> None:
    running.watch_clock(set_back=SET_BACK.append)


# -- what is seen ------------------------------------------------------------------------------------


class Panel:
    """A panel whose clock a test moves, with a round every half minute while it runs."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = NOON
        monkeypatch.setattr(timezone, "now", lambda: self.now)

    def jump(self, hours: float) -> None:
        """Move the clock. No round runs meanwhile: it was set, or the machine slept, or nothing ran."""
        self.now += timedelta(hours=hours)

    def run(self, hours: float) -> None:
        watch_clock()
        until = self.now + timedelta(hours=hours)
        # Rounds without a gap only move `seen_at`: the last two stand for all.
        RunningTime.objects.update(seen_at=until - timedelta(seconds=30))
        self.now = until
        watch_clock()

    def is_met(self, queued_at: datetime) -> bool:
        """Return True if an order that was queued then is refunded now, in a round like any other."""
        watch_clock()
        met_by = running.met_by(DAY)
        return met_by is not None and queued_at < met_by


@pytest.fixture
def panel(real_running: None, db: None, monkeypatch: pytest.MonkeyPatch) -> Panel:
    return Panel(monkeypatch)


def test_order_when_all_runs_then_refunded_after_a_day(panel: Any):
    panel.run(1)
    queued_at = panel.now
    panel.run(24)
    assert not panel.is_met(queued_at)
    panel.run(0.01)
    assert panel.is_met(queued_at)
    assert RunningTime.objects.get().doubted_since is None


def test_order_when_nothing_was_ever_seen_then_not_refunded(panel: Any):
    """The first worker of an installation starts with a clock that is a day ahead."""
    queued_at = panel.now
    assert running.met_by(DAY) is None
    panel.jump(25)
    assert not panel.is_met(queued_at)
    panel.run(23)
    assert not panel.is_met(queued_at)
    panel.run(1.1)
    assert panel.is_met(queued_at)


@pytest.mark.parametrize("ahead", [24.5, 0.5, 24 * 365 * 10])
def test_order_when_the_clock_is_set_ahead_then_its_day_is_no_shorter(panel: Any, ahead: float):
    panel.run(1)
    queued_at = panel.now
    panel.run(10)
    panel.jump(ahead)
    assert not panel.is_met(queued_at)
    panel.run(13.9)
    assert not panel.is_met(queued_at)
    panel.run(0.2)
    assert panel.is_met(queued_at)


def test_order_when_the_clock_is_ahead_for_a_while_then_no_shorter(panel: Any):
    panel.run(1)
    queued_at = panel.now
    panel.jump(24)
    panel.run(2)
    assert not panel.is_met(queued_at)
    SET_BACK.clear()
    panel.jump(-24)
    assert not panel.is_met(queued_at)
    assert [by.total_seconds() for by in SET_BACK] == [24 * 3_600]
    panel.run(21.8)
    assert not panel.is_met(queued_at)
    # And not longer either by the day that never was.
    panel.run(2.5)
    assert panel.is_met(queued_at)


def test_order_when_the_clock_is_behind_for_a_while_then_no_shorter(panel: Any):
    panel.run(1)
    panel.jump(-48)
    panel.run(1)
    queued_at = panel.now  # Two days ago by the right clock.
    panel.run(1)
    panel.jump(48)
    assert not panel.is_met(queued_at)
    panel.run(22.9)
    assert not panel.is_met(queued_at)
    panel.run(0.2)
    assert panel.is_met(queued_at)


def test_order_when_the_machine_slept_each_night_then_nights_do_not_count(panel: Any):
    panel.run(1)
    queued_at = panel.now
    for _ in range(2):
        panel.run(9)
        panel.jump(15)
    panel.run(5.9)
    assert not panel.is_met(queued_at)
    panel.run(0.2)
    assert panel.is_met(queued_at)


def test_clock_when_it_jumped_then_in_doubt_for_an_hour(panel: Any):
    """An order whose day was over anyway waits, too: nobody knows yet which clock is right."""
    panel.run(1)
    queued_at = panel.now
    panel.run(24.1)
    assert panel.is_met(queued_at)
    panel.jump(2)
    assert not panel.is_met(queued_at) and running.is_in_doubt()
    panel.run(0.5)
    panel.jump(0.1)
    panel.run(0.9)
    assert not panel.is_met(queued_at)
    panel.run(0.2)
    assert panel.is_met(queued_at) and not running.is_in_doubt()


def test_clock_when_a_person_trusts_it_then_deadlines_are_met_again(panel: Any):
    panel.run(1)
    queued_at = panel.now
    panel.run(24.1)
    panel.jump(2)
    assert not panel.is_met(queued_at)
    out = StringIO()
    call_command("trust_clock", stdout=out)
    assert "is trusted" in out.getvalue() and panel.is_met(queued_at)
    call_command("trust_clock", stdout=out)
    assert "not in doubt" in out.getvalue()


def test_clock_when_trusted_then_the_gap_still_does_not_count(panel: Any):
    panel.run(1)
    queued_at = panel.now
    panel.jump(24)
    watch_clock()
    assert running.trust_clock()
    panel.run(23.9)
    assert not panel.is_met(queued_at)


def test_gaps_when_old_then_deleted(panel: Any):
    panel.run(1)
    panel.jump(1)
    watch_clock()
    panel.jump(24 * 100)
    watch_clock()
    assert RunningGap.objects.get().ended_at == panel.now


@pytest.mark.parametrize("hours", [25, -25])
def test_jump_when_two_workers_see_it_then_stored_once(panel: Any, hours: float):
    """Both have read the row before the first one stores the jump."""
    panel.run(1)
    row = RunningTime.objects.get()
    panel.jump(hours)
    SET_BACK.clear()
    for _ in range(2):
        running._store_jump(row, panel.now, SET_BACK.append)
    assert (RunningGap.objects.count(), len(SET_BACK)) == ((1, 0) if hours > 0 else (0, 1))


@pytest.mark.django_db
def test_watch_when_rounds_are_frequent_then_once_in_ten_seconds(real_running, monkeypatch):
    monkeypatch.setattr(running, "LOOK_EVERY", 10.0)
    watch_clock()
    with statements() as made:
        for _ in range(9):
            watch_clock()
    assert made == []
