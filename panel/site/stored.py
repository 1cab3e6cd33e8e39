"""The stored texts of the settings: one snapshot a process, at most a second old.

One small query a second and process replaces a query a request. The cache is not used: a server that is down, or a
private cache a process, would show each process other settings.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass

import structlog
from django.db import Error, connection, transaction

from panel.site.models import StoredSetting

log = structlog.get_logger(__name__)

MAX_AGE_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The stored texts by name, without those that stand at their default. `read_at` is of the monotonic clock."""

    texts: Mapping[str, str]
    read_at: float


_current: Snapshot | None = None
_is_reading = threading.Lock()
_is_replacing = threading.Lock()
# How often `forget` was called: a query that began before tells nothing about what was changed meanwhile.
_forgotten = 0


def texts() -> Mapping[str, str]:
    """Return the stored texts by the name of their setting: the last known ones while the database fails.

    A process that has never read them gets none before `migrate`, when there is no table. Otherwise it raises the
    database's error: defaults in place of what the owner set could cancel orders too early, or let strangers sign up.
    Inside a transaction the snapshot stays as it is: its queries would count as the transaction's, and fail with it.
    """
    last = _current
    if last is not None:
        if time.monotonic() - last.read_at < MAX_AGE_SECONDS or connection.in_atomic_block:
            return last.texts
        if not _is_reading.acquire(blocking=False):
            return last.texts
    else:
        _is_reading.acquire()
    try:
        return _read_again(last)
    finally:
        _is_reading.release()


def forget() -> None:
    """Have the next reader in this process ask the database, after something was changed."""
    global _current, _forgotten
    with _is_replacing:
        _forgotten += 1
        if (last := _current) is not None:
            _current = Snapshot(last.texts, -math.inf)


def _read_again(last: Snapshot | None) -> Mapping[str, str]:
    global _current
    if _current is not last and _current is not None:
        return _current.texts  # Another thread read while this one waited.
    began, forgotten = time.monotonic(), _forgotten
    try:
        found = _query()
    except Error as error:
        if last is None:
            if _has_no_table(error):
                return {}
            raise
        log.warning("settings not read", error=str(error)[:200])
        found = last.texts
    with _is_replacing:
        _current = Snapshot(found, began if forgotten == _forgotten else -math.inf)
    return found


def _has_no_table(error: Error) -> bool:
    return "no such table" in str(error) or getattr(error.__cause__, "sqlstate", "") == "42P01"


def _query() -> Mapping[str, str]:
    rows = StoredSetting.objects.values_list("name", "value")
    if connection.in_atomic_block:
        with transaction.atomic():  # If it fails, the savepoint alone is lost.
            found = list(rows)
    else:
        found = list(rows)
    return {name: text for name, text in found if text is not None}
