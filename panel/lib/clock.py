"""The database's time: what every process sets and compares due times, leases and evidence by.

Processes on several machines have several clocks. `now` is this process's clock, corrected by its offset to the
database's. On SQLite the database has no other clock than the machine's, and the offset is 0.
"""

from __future__ import annotations

import math
import threading
import time
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from django.db import Error, connection
from django.utils import timezone

log = structlog.get_logger(__name__)

# Seconds that a clock may differ from the database's before its process works no rounds.
MAX_OFFSET = 2.0
# Seconds after which `now` measures again.
MAX_AGE = 60.0
# A clock that moves by so many seconds against the monotonic one was set, or the machine slept: measure again at once.
MAX_STEP = 0.5
TRIES = 3


@dataclass(frozen=True, slots=True)
class Measurement:
    """The database's clock is ahead of this process's by `offset` seconds, give or take `error`."""

    offset: float
    error: float
    # Of the monotonic clock, and this process's clock less the monotonic one.
    measured_at: float
    lead: float

    @property
    def is_right(self) -> bool:
        """False if the clocks surely differ by more than MAX_OFFSET."""
        return abs(self.offset) - self.error <= MAX_OFFSET


_NOTHING = Measurement(0.0, 0.0, -math.inf, 0.0)
_last = _NOTHING
_is_measuring = threading.Lock()


def now() -> datetime:
    """Return the time by the database's clock. A query only where the offset is older than MAX_AGE."""
    if connection.vendor == "sqlite":
        return timezone.now()
    return timezone.now() + timedelta(seconds=measured(max_age=MAX_AGE).offset)


def known() -> datetime:
    """Return the time by the last known offset, without a query: for threads that have no connection."""
    return timezone.now() + timedelta(seconds=_last.offset)


def measured(*, max_age: float) -> Measurement:
    """Return the offset, measured at most `max_age` seconds ago if the database answers; otherwise the last known.

    A transaction is not made longer for it, unless this process's clock was set since.
    """
    if connection.vendor == "sqlite":
        return Measurement(0.0, 0.0, time.monotonic(), _lead())
    last = _last
    must = last is _NOTHING or _was_set(last)
    if not must and (connection.in_atomic_block or time.monotonic() - last.measured_at < max_age):
        return last
    if not _is_measuring.acquire(blocking=must):
        return last
    try:
        return _measure_again(last)
    finally:
        _is_measuring.release()


def _measure_again(last: Measurement) -> Measurement:
    global _last
    if _last is not last:
        return _last  # Another thread measured while this one waited.
    try:
        _last = best_of([_measure_once() for _ in range(TRIES)])
    except Error as error:
        log.warning("clock not measured", error=str(error)[:200])
        return last
    if not _last.is_right:
        log.error("clock is wrong", offset=round(_last.offset, 3), error=round(_last.error, 3))
    return _last


def best_of(tries: list[Measurement]) -> Measurement:
    """Return the measurement with the shortest round trip: it leaves the least room for error."""
    return min(tries, key=lambda one: one.error)


def _measure_once() -> Measurement:
    """Ask the database once. Half of the round trip is taken off: the answer is about its middle."""
    began, began_at = time.monotonic(), time.time()
    theirs = _database_time()
    took = time.monotonic() - began
    return Measurement(theirs - (began_at + took / 2), took / 2, began, began_at - began)


def _database_time() -> float:
    """Return the seconds since 1970 by the database's clock, also inside a transaction."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT extract(epoch FROM clock_timestamp())")
        return float(cursor.fetchone()[0])


def _was_set(last: Measurement) -> bool:
    return math.isfinite(last.measured_at) and abs(_lead() - last.lead) > MAX_STEP


def _lead() -> float:
    return time.time() - time.monotonic()
