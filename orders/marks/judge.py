"""Whether a database may send orders, by what is remembered outside of it. Pure: no database, no clock, no disk."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from orders.marks.storage import Mark
from orders.states import StopReason

_LOCAL_HOSTS = frozenset({"localhost", "127.0.0.1", "::1"})


@dataclass(frozen=True, slots=True)
class Known:
    """What a database says of itself and of the marks.

    `has_file_attempt`: it has the very attempt that the file's mark names; so does `has_cache_attempt`. `is_believed`:
    without a mark, too, as a person confirmed it a moment ago, or it kept no marks until now and its tasks just ran.
    """

    identity: str
    generation: int
    # The last attempt of each identity that a person has dealt with.
    covered: Mapping[str, int]
    site_url: str
    was_marked: bool
    is_believed: bool
    has_orders: bool
    has_attempts: bool
    has_file_attempt: bool
    has_cache_attempt: bool


@dataclass(frozen=True, slots=True)
class Finding:
    """Why nothing may be sent from a database. `mark` is the one that it does not know, if that was found."""

    reason: StopReason
    text: str
    mark: Mark | None = None


def find_restore(
    *, known: Known, in_file: Mark | None, in_cache: Mark | None, site_url: str, machine: str
) -> Finding | None:
    """Return why nothing may be sent from the database, or None if it is surely the latest one.

    `site_url` and `machine` are of this process.
    """
    if not known.has_orders and not known.has_attempts and not _knows(known, in_file, in_cache):
        return None  # A new database in the place of another one: it has nothing to send twice.
    for mark, has_attempt in ((in_file, known.has_file_attempt), (in_cache, known.has_cache_attempt)):
        finding = _judge_mark(known, mark, has_attempt) if mark else None
        if finding:
            return finding
    if is_elsewhere(known.site_url, site_url):
        return Finding(
            StopReason.OTHER_SITE,
            f"This database belongs to {known.site_url}, but this panel runs as {site_url}. If it is a copy, the "
            "original sends its orders.",
        )
    if in_file and in_file.generation == known.generation and _is_moved(in_file, machine):
        return Finding(
            StopReason.NO_MARK,
            "The folder of this panel comes from another machine. If that one still runs, it sends the same orders.",
        )
    if in_file or in_cache or known.is_believed or not (known.was_marked or known.has_attempts):
        return None
    return Finding(
        StopReason.NO_MARK,
        "Nothing on this machine or in the cache says what was sent last, so this database may be a restored one.",
    )


def is_elsewhere(recorded: str, site_url: str) -> bool:
    """Return True if the addresses are of two sites. Those of one's own machine are all the same."""
    if not recorded or recorded == site_url:
        return False
    hosts = {urlsplit(address).hostname or "" for address in (recorded, site_url)}
    return len(hosts) > 1 and not hosts <= _LOCAL_HOSTS


def _knows(known: Known, *marks: Mark | None) -> bool:
    return any(mark is not None and mark.identity == known.identity for mark in marks)


def _is_moved(mark: Mark, machine: str) -> bool:
    return bool(mark.machine and machine) and mark.machine != machine


def _judge_mark(known: Known, mark: Mark, has_attempt: bool) -> Finding | None:
    is_current = (mark.identity, mark.generation) == (known.identity, known.generation)
    if not is_current and mark.attempt <= known.covered.get(mark.identity, -1):
        return None
    if mark.identity != known.identity:
        return Finding(
            StopReason.OTHER_DATABASE,
            "Orders were sent from another database before, which this one may be an old copy of.",
            mark,
        )
    if is_current and (not mark.attempt or has_attempt):
        return None
    return Finding(
        StopReason.OLDER,
        f"Attempt {mark.attempt} was sent and is not in this database: it is a restored backup or a copy.",
        mark,
    )
