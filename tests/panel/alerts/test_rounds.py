"""Rounds: due by the database, however often, late or doubled the ticks come."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from panel import task_settings
from panel.alerts import rounds
from panel.alerts.models import Round
from panel.alerts.rounds import RETRY_AFTER, begin_round, end_round, rest_of
from panel.celery import app
from tests.scenes import at_once, statements

SHORT, LONG = timedelta(seconds=2), timedelta(hours=1)
TASK = "orders.tasks.submit_orders"


@pytest.fixture
def passes(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return a function that moves the clock by seconds. Each process looks anew."""
    now = [timezone.now()]
    monkeypatch.setattr(timezone, "now", lambda: now[0])
    monkeypatch.setattr(rounds, "MAX_REST", -1.0)

    def move(seconds: float) -> datetime:
        now[0] += timedelta(seconds=seconds)
        return now[0]

    return move


def begins(interval: timedelta = SHORT, hinted_at: datetime | None = None) -> bool:
    return begin_round(task=TASK, interval=interval, hinted_at=hinted_at) is not None


@pytest.mark.django_db
def test_round_when_ticks_are_doubled_or_stale_then_begins_once(passes):
    assert [begins() for _ in range(5)] == [True, False, False, False, False]
    passes(1.4)  # A second beat.
    assert not begins()
    passes(0.5)  # A tick that is a little early.
    assert begins()


@pytest.mark.django_db
def test_round_when_not_due_then_old_ticks_cost_no_statement():
    assert begins()
    with statements() as first:
        assert not begins()
    with statements() as others:
        assert not any(begins() for _ in range(100))
    assert (len(first), len(others)) == (2, 0)


@pytest.mark.django_db
def test_round_when_hinted_then_begins_unless_one_began_since(passes):
    assert begins()
    hinted_at = passes(0.1)
    passes(0.1)
    assert begins(hinted_at=hinted_at)
    # The same hint again, and those that lay in the broker meanwhile.
    assert not begins(hinted_at=hinted_at)


@pytest.mark.django_db
def test_round_when_the_clock_was_a_day_ahead_then_due_again_now(passes):
    """A due time of tomorrow, which a wrong clock has set, stopped all work for a day."""
    passes(86_400)
    assert begins()
    passes(-86_400)
    assert begins()
    assert not begins()


@pytest.mark.django_db
def test_hourly_round_when_the_process_restarts_then_still_hourly(passes):
    """Beat counted from its own start: a process that restarts every hour never did hourly work."""
    began = 0
    for minute in range(600):
        begun_at = begin_round(task=TASK, interval=LONG)
        if begun_at:
            began += 1
            end_round(task=TASK, interval=LONG, begun_at=begun_at)
        passes(60)
        assert minute < 1 or began >= 1
    assert began == 10


@pytest.mark.django_db
def test_hourly_round_when_killed_then_due_again_in_minutes(passes):
    assert begins(LONG)
    passes(RETRY_AFTER.total_seconds() - 30)
    assert not begins(LONG)
    passes(30)
    assert begins(LONG)


@pytest.mark.django_db
def test_round_when_it_takes_long_then_its_end_counts_all_the_same(passes):
    """Begun again each ten minutes, rounds would be more and more, and none would ever count as done."""
    late = begin_round(task=TASK, interval=LONG)
    passes(601)
    begun_at = begin_round(task=TASK, interval=LONG)
    end_round(task=TASK, interval=LONG, begun_at=late)
    assert Round.objects.get().due_at == late + rest_of(LONG)
    end_round(task=TASK, interval=LONG, begun_at=begun_at)
    end_round(task=TASK, interval=LONG, begun_at=late)
    assert Round.objects.get().due_at == begun_at + rest_of(LONG)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("is_new", [True, False])
def test_round_when_begun_by_many_at_once_then_by_one(is_new):
    if not is_new:
        past = timezone.now() - timedelta(minutes=1)
        Round.objects.create(task=TASK, begun_at=past, due_at=past)
    assert sorted(at_once(4, lambda number: begins(LONG))) == [False, False, False, True]


def test_intervals_when_shortened_for_jitter_then_by_a_quarter_at_most():
    assert [rest_of(timedelta(seconds=s)).total_seconds() for s in (2, 60, 3_600)] == [1.5, 45, 3_585]


# -- the tasks ---------------------------------------------------------------------------------------


@pytest.fixture
def worked(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """What the tasks of this module did. They are made anew for each test."""
    return []


def deliver(work: Any, *args: object, **headers: str) -> None:
    """Call a task as a worker does for a message."""
    work.apply(args=args, headers=headers, throw=True)


@pytest.fixture
def tick(worked: list[object], monkeypatch: pytest.MonkeyPatch) -> Any:
    def work() -> None:
        worked.append("round")

    task = rounds.periodic(work)
    monkeypatch.setitem(task_settings.INTERVALS, task.name, 3_600.0)
    monkeypatch.setattr(rounds, "MAX_REST", -1.0)
    return task


@pytest.mark.django_db
def test_task_when_ticked_then_one_round_and_by_hand_another(tick, worked):
    for _ in range(3):
        deliver(tick)
    assert len(worked) == 1
    tick()
    assert len(worked) == 2
    deliver(tick, hinted_at=(timezone.now() + timedelta(seconds=1)).isoformat())
    assert len(worked) == 3
    assert Round.objects.get(task=tick.name).due_at > timezone.now() + timedelta(minutes=55)


@pytest.mark.django_db
def test_task_when_the_clock_is_wrong_then_no_round(tick, worked, monkeypatch):
    monkeypatch.setattr(rounds, "may_work", lambda: False)
    deliver(tick)
    assert (worked, Round.objects.count()) == ([], 0)


def test_tasks_when_listed_then_each_interval_has_its_task():
    app.loader.import_default_modules()
    assert set(task_settings.INTERVALS) <= set(app.tasks)
