"""Waits before the next poll, search or attempt of an order. Pure, except for the settings."""

from __future__ import annotations

from datetime import timedelta

from panel.lib.backoff import MAX_JITTER, backoff, jitter
from panel.site import registry as site

STILL_POLLS_A_STEP = 5
LATE_CHANGES = timedelta(days=7)
LATE_POLL = timedelta(days=1)
FIRST_RESEND_WAIT = timedelta(seconds=30)
MAX_RESEND_WAIT = timedelta(hours=1)
_AGES = (timedelta(hours=1), timedelta(hours=12), timedelta(days=3))


def first_poll_after() -> timedelta:
    """Return the wait from the acceptance of an order to its first poll."""
    return timedelta(seconds=site.POLL_INTERVALS.value[0])


def next_poll_after(*, age: timedelta, still_polls: int) -> timedelta:
    """Return the wait before the next poll of an open order, by its age and the number of polls without a change.

    A jitter of ±20 % spreads orders that were created together.
    """
    by_age = sum(age > limit for limit in _AGES)
    if still_polls == 0:
        by_age = max(0, by_age - 1)
    step = max(by_age, still_polls // STILL_POLLS_A_STEP)
    intervals = site.POLL_INTERVALS.value
    seconds = intervals[min(step, len(intervals) - 1)]
    return timedelta(seconds=seconds) * jitter()


def poll_bound() -> timedelta:
    """Return how long an open order may go without a poll while its provider answers.

    That is the longest wait plus the time until a worker gets to it.
    """
    return timedelta(seconds=max(site.POLL_INTERVALS.value) * MAX_JITTER) + timedelta(
        minutes=site.POLL_SPARE_MINUTES.value
    )


def first_search_after() -> timedelta:
    """Return the wait before the first search for an order in doubt: its provider may list it a little late."""
    return timedelta(seconds=15)


def next_search_after(elapsed: timedelta) -> timedelta:
    """Return the wait before the next search for an order that is in doubt for `elapsed`.

    That makes about seven searches in half an hour.
    """
    return first_search_after() + max(elapsed, timedelta(0))


def resend_wait(attempts: int) -> timedelta:
    """Return the wait before an order that the provider certainly did not accept is sent again."""
    return backoff(attempts, first=FIRST_RESEND_WAIT, longest=MAX_RESEND_WAIT)
