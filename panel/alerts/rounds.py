"""Rounds of periodic tasks: a message only wakes a worker, and the database says whether a round is due.

A round begins by one conditional update, so that a doubled or stale message, and a second beat, find nothing due. Due
times survive restarts: hourly work happens although the process starts anew every hour.
"""

from __future__ import annotations

import functools
import math
import threading
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import structlog
from celery import shared_task
from django.db.models import Q

from panel import task_settings
from panel.alerts.clocks import may_work
from panel.alerts.models import Round
from panel.lib import clock

log = structlog.get_logger(__name__)

# A round that a killed worker left is due again after this time, if not sooner.
RETRY_AFTER = timedelta(minutes=10)
# Ticks come with some jitter: a round is due a part of its interval early, and at most so much.
EARLY_PART, MAX_EARLY = 0.25, timedelta(seconds=15)
# Seconds for which a process believes that a task is not due, without asking again.
MAX_REST = 1.0

# By the monotonic clock, until when the task is certainly not due: a pile of old ticks then takes no statements.
_resting: dict[str, float] = {}
_changing = threading.Lock()


def periodic(work: Callable[[], None]) -> Any:
    """Make a Celery task of a function that does one round. Its interval is in `panel.task_settings.INTERVALS`.

    Called by a message, it does nothing while this machine's clock is wrong or no round is due. A direct call works.
    """

    @functools.wraps(work)
    def task(self: Any) -> None:
        if self.request.called_directly:
            work()
            return
        interval = timedelta(seconds=task_settings.INTERVALS[self.name])
        if not may_work():
            return
        begun_at = begin_round(task=self.name, interval=interval, hinted_at=_time_of(self, "hinted_at"))
        if begun_at is None:
            return
        work()
        end_round(task=self.name, interval=interval, begun_at=begun_at)

    return shared_task(bind=True)(task)


def begin_round(*, task: str, interval: timedelta, hinted_at: datetime | None = None) -> datetime | None:
    """Begin a round of the task if one is due, or none has begun since `hinted_at`. Return its begin, else None."""
    if hinted_at is None and time.monotonic() < _resting.get(task, -math.inf):
        return None
    now = clock.now()
    due = Q(due_at__lte=now)
    # Only a clock that was wrong has set a time beyond the interval.
    due |= Q(due_at__gt=now + interval + timedelta(seconds=clock.MAX_OFFSET))
    if hinted_at is not None:
        due |= Q(begun_at__lt=hinted_at)
    values = {"begun_at": now, "due_at": now + rest_of(min(interval, RETRY_AFTER))}
    if Round.objects.filter(due, task=task).update(**values):
        return now
    row, is_first = Round.objects.get_or_create(task=task, defaults=values)
    if is_first:
        return now
    _rest(task, seconds=(row.due_at - now).total_seconds())
    return None


def end_round(*, task: str, interval: timedelta, begun_at: datetime) -> None:
    """Store that the round ended, where the interval is longer than RETRY_AFTER: the next is due after the interval."""
    if interval > RETRY_AFTER:
        # Whichever round of several ends first: one that takes longer than RETRY_AFTER is begun again meanwhile.
        due_at = begun_at + rest_of(interval)
        Round.objects.filter(task=task, due_at__lt=due_at).update(due_at=due_at)


def rest_of(interval: timedelta) -> timedelta:
    """Return after which time the next round is due, so that a tick that is a little early begins it."""
    return interval - min(interval * EARLY_PART, MAX_EARLY)


def _rest(task: str, *, seconds: float) -> None:
    """Remember that the task is not due for so long, but at most a second."""
    with _changing:
        _resting[task] = time.monotonic() + min(seconds, MAX_REST)


def _time_of(task: Any, header: str) -> datetime | None:
    """Return the time in a header of the message that the task was called by."""
    text = (task.request.headers or {}).get(header)
    return datetime.fromisoformat(text) if text else None
