"""The time that the panel was seen running: what deadlines count that end in a refund.

A clock that is set a day ahead looks like a day that has passed, and so does a machine that slept or was off. Rounds
follow one another within seconds. A longer gap between two of them counts for no deadline, and no deadline is met until
an hour has passed without another gap, or a person has looked at the clock.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import structlog
from django.db import transaction

from panel.alerts.causes import Cause
from panel.alerts.models import RunningGap, RunningTime
from panel.alerts.services import resolve_alert
from panel.lib import clock

log = structlog.get_logger(__name__)

# Between two rounds. What is longer is a gap.
MAX_GAP = timedelta(seconds=60)
# How long there must be no gap until deadlines are met again.
STEADY = timedelta(hours=1)
# Longer than any deadline that counts gaps.
KEPT = timedelta(days=90)
# Seconds by the monotonic clock between two looks of a process, well below MAX_GAP.
LOOK_EVERY = 10.0

_BEGINNING = datetime.min.replace(tzinfo=UTC)
_looked_at = float("-inf")
_looking = threading.Lock()


@dataclass(frozen=True, slots=True)
class Gap:
    began_at: datetime
    ended_at: datetime


# -- the decisions: pure -----------------------------------------------------------------------------


def is_jump(*, seen_at: datetime, now: datetime) -> bool:
    """Return True if the time from the last round to this one is no pause between rounds."""
    return abs(now - seen_at) > MAX_GAP


def is_steady(*, doubted_since: datetime | None, now: datetime) -> bool:
    """Return True if no gap was seen for an hour, or a person trusts the clock."""
    return doubted_since is None or now - doubted_since >= STEADY


def moment_before(*, now: datetime, length: timedelta, gaps: Iterable[Gap]) -> datetime:
    """Return the moment from which until `now` the panel ran for `length`, gaps left out. Gaps may overlap."""
    moment, left = now, length
    for gap in sorted(gaps, key=lambda one: one.ended_at, reverse=True):
        if gap.began_at >= moment:
            continue
        ran = moment - min(gap.ended_at, moment)
        if ran >= left:
            break
        moment, left = gap.began_at, left - ran
    return moment - left if moment - _BEGINNING > left else _BEGINNING


# -- what was seen -----------------------------------------------------------------------------------


def watch_clock(*, set_back: Callable[[timedelta], None]) -> None:
    """Store that a round is running, and a gap if it comes too long after the one before, or before it.

    Once for each time that the clock is set back, `set_back` is called with by how much, in a transaction.
    """
    global _looked_at
    with _looking:
        if time.monotonic() - _looked_at < LOOK_EVERY:
            return
        _looked_at = time.monotonic()
    _look(set_back)


def met_by(length: timedelta) -> datetime | None:
    """Return the moment of which a deadline of `length` is met now, and of every one before it.

    None while the clock is in doubt, or no round was seen yet: then no deadline is met.
    """
    now, row = clock.now(), _row()
    if row is None or _is_doubted(row, now):
        return None
    return _moment_before(row, now=now, length=length)


def overdue_from(length: timedelta) -> datetime:
    """Return the same for a check that moves nothing; long ago while no deadline is met."""
    return met_by(length) or _BEGINNING


def is_in_doubt() -> bool:
    """Return True while no deadline is met because the clock may have jumped."""
    row = _row()
    return row is not None and _is_doubted(row, clock.now())


def trust_clock() -> bool:
    """Have deadlines met again, because a person has looked at the clock. Return False if it was not in doubt."""
    if not RunningTime.objects.filter(pk=1).exclude(doubted_since=None).update(doubted_since=None):
        return False
    resolve_alert(cause=Cause.CLOCK_JUMP)
    log.warning("clock trusted by a person")
    return True


def _row() -> RunningTime | None:
    return RunningTime.objects.filter(pk=1).first()


def _is_doubted(row: RunningTime, now: datetime) -> bool:
    return is_jump(seen_at=row.seen_at, now=now) or not is_steady(doubted_since=row.doubted_since, now=now)


def _moment_before(row: RunningTime, *, now: datetime, length: timedelta) -> datetime:
    found = RunningGap.objects.filter(ended_at__gt=now - KEPT).values_list("began_at", "ended_at")
    return moment_before(now=now, length=length, gaps=[Gap(_BEGINNING, row.since), *(Gap(*one) for one in found)])


def _look(set_back: Callable[[timedelta], None]) -> None:
    began = clock.now()
    row, is_first = RunningTime.objects.get_or_create(pk=1, defaults={"since": began, "seen_at": began})
    if is_first:
        return
    now = clock.now()  # After the row: a wait for the database is no clock that was set back.
    if is_jump(seen_at=row.seen_at, now=now):
        _store_jump(row, now, set_back)
        return
    if row.doubted_since is not None and is_steady(doubted_since=row.doubted_since, now=now):
        _end_doubt(row)
    RunningTime.objects.filter(pk=1, seen_at__lt=now).update(seen_at=now)


def _store_jump(row: RunningTime, now: datetime, set_back: Callable[[timedelta], None]) -> None:
    """Store the gap and doubt the clock, unless another process moved the row first."""
    jump = (now - row.seen_at).total_seconds()
    values = {"seen_at": now, "doubted_since": now, "since": min(row.since, now)}
    with transaction.atomic():
        if not RunningTime.objects.filter(pk=1, seen_at=row.seen_at).update(**values):
            return
        if jump > 0:
            RunningGap.objects.create(began_at=row.seen_at, ended_at=now)
            RunningGap.objects.filter(ended_at__lt=now - KEPT).delete()
        else:
            # What was seen of the time to come was seen by a wrong clock.
            RunningGap.objects.filter(began_at__gte=now).delete()
            RunningGap.objects.filter(ended_at__gt=now).update(ended_at=now)
            set_back(row.seen_at - now)
    log.warning("clock jumped, or no round ran", seconds=round(jump))


def _end_doubt(row: RunningTime) -> None:
    if RunningTime.objects.filter(pk=1, doubted_since=row.doubted_since).update(doubted_since=None):
        resolve_alert(cause=Cause.CLOCK_JUMP)
        log.info("clock steady for an hour")
