"""When to look at an order next. Pure, but for the settings."""

from __future__ import annotations

from datetime import timedelta

from django.conf import settings

from panel.lib.backoff import MAX_JITTER, backoff, jitter

STILL_POLLS_A_STEP = 5
LATE_CHANGES = timedelta(days=7)
LATE_POLL = timedelta(days=1)
TIME_TO_BE_SERVED = timedelta(minutes=15)
FIRST_RESEND_WAIT = timedelta(seconds=30)
MAX_RESEND_WAIT = timedelta(hours=1)
_AGES = (timedelta(hours=1), timedelta(hours=12), timedelta(days=3))


def first_poll_after() -> timedelta:
    """From placing an order to the first look at it."""
    return timedelta(seconds=settings.POLL_INTERVALS[0])


def next_poll_after(*, age: timedelta, still_polls: int) -> timedelta:
    """The wait before the next look at an open order, by its age and by how many looks saw no change.

    The jitter of ±20 % spreads what was ordered together.
    """
    by_age = sum(age > limit for limit in _AGES)
    if still_polls == 0:
        by_age = max(0, by_age - 1)
    step = max(by_age, still_polls // STILL_POLLS_A_STEP)
    intervals = settings.POLL_INTERVALS
    seconds = intervals[min(step, len(intervals) - 1)]
    return timedelta(seconds=seconds) * jitter()


def poll_bound() -> timedelta:
    """No open order of a provider that answers goes unchecked for longer: the longest wait, and time to be served."""
    return timedelta(seconds=max(settings.POLL_INTERVALS) * MAX_JITTER) + TIME_TO_BE_SERVED


def first_search_after() -> timedelta:
    """From a doubt to the first look for its order: the provider may be a little behind its own answers."""
    return timedelta(seconds=15)


def next_search_after(elapsed: timedelta) -> timedelta:
    """The wait before the next look for a doubtful order, by how long it is in doubt: about seven in half an hour."""
    return first_search_after() + max(elapsed, timedelta(0))


def resend_wait(attempts: int) -> timedelta:
    """The wait before an order that was surely not placed is sent again."""
    return backoff(attempts, first=FIRST_RESEND_WAIT, longest=MAX_RESEND_WAIT)
