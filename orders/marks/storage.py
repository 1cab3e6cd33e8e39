"""Where the mark is kept: in a file of each worker's VAR_DIR, and in the cache that all processes share.

The file decides. The cache, where it is shared and alive, protects other machines and a machine that lost its disk.
"""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import structlog
from django.conf import settings
from django.core.cache import cache, caches

log = structlog.get_logger(__name__)

FILE = "last-sent.json"
_KEY = "orders:last-sent"
_MAX_BYTES = 4_096
# A cache that is down is not tried again for so many seconds: each try may take one.
CACHE_REST_SECONDS = 30.0

_cache_rests_until = 0.0


class MarkUnwritable(Exception):
    """The mark cannot be kept, so nothing may be sent. The message is for staff."""


@dataclass(frozen=True, slots=True)
class Mark:
    """The last attempt that may have reached a provider, and the highest numbers that customers have seen.

    `token` is the attempt's: its number alone could be that of another attempt, after a restore. An attempt of 0 is
    that of a database from which nothing was sent yet. `machine` is a fingerprint of the writer's, "" if unknown.
    """

    identity: str
    generation: int
    attempt: int = 0
    token: str = ""
    order: int = 0
    entry: int = 0
    machine: str = ""

    def joined_with(self, other: Mark) -> Mark:
        """Return this mark with the higher numbers of both, and the later attempt, if both are of one database."""
        if (self.identity, self.generation) != (other.identity, other.generation):
            return self
        later = self if self.attempt >= other.attempt else other
        return replace(
            later, order=max(self.order, other.order), entry=max(self.entry, other.entry), machine=self.machine
        )


def read_file() -> Mark | None:
    """Return the mark in VAR_DIR; None if there is none, or none that can be read."""
    try:
        return _from_text(_path().read_bytes()[:_MAX_BYTES])
    except OSError:
        return None


def read_cache() -> Mark | None:
    """Return the mark in the shared cache; None if there is none, or no shared cache that answers."""
    text = _with_cache(lambda: cache.get(_KEY))
    return _from_text(text) if text else None


def read_old_cache() -> Mark | None:
    """Return the mark that workers of the release before keep in the cache, where all panels on it had one key.

    For one more release: until each panel has written its own, and no older worker runs beside it.
    """
    text = _with_cache(lambda: caches["release_before"].get(_KEY))
    return _from_text(text) if text else None


def write(mark: Mark) -> None:
    """Keep the mark, joined with the one that is there. Raise MarkUnwritable if the file cannot be written.

    Without a sync: the file outlives the process, and after a power failure the cache or a person decides.
    """
    try:
        with _locked():
            before = read_file()
            joined = mark if before is None else mark.joined_with(before)
            if joined != before:
                _replace(joined)
            # Under the lock, so that the marks of one machine reach the cache in their order.
            _with_cache(lambda: _write_cache(joined))
    except OSError as error:
        raise MarkUnwritable(f"{_path()} cannot be written: {error.strerror or error}.") from error


def has_shared_cache() -> bool:
    """Return True if other processes see what this one caches."""
    return not settings.CACHES["default"]["BACKEND"].endswith("LocMemCache")


def _path() -> Path:
    return Path(settings.VAR_DIR) / FILE


def _replace(mark: Mark) -> None:
    """Replace the file in one step, so that a killed process leaves the old mark or the new one."""
    path = _path()
    new = path.with_suffix(".new")
    new.unlink(missing_ok=True)  # Another user's, who was killed: a command was run as root.
    new.write_text(json.dumps(asdict(mark)))
    new.replace(path)


@contextmanager
def _locked() -> Iterator[None]:
    """Keep other threads and processes of this machine out. The system frees the lock of a killed process."""
    Path(settings.VAR_DIR).mkdir(parents=True, exist_ok=True)
    folder = os.open(settings.VAR_DIR, os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder)


def _write_cache(mark: Mark) -> None:
    before = _from_text(cache.get(_KEY) or "")
    joined = mark if before is None else mark.joined_with(before)
    if joined != before:
        cache.set(_KEY, json.dumps(asdict(joined)), timeout=None)


def _with_cache(do: Callable[[], Any]) -> Any:
    """Return what `do` returns; None if there is no shared cache, or it failed now or a moment ago."""
    global _cache_rests_until
    if time.monotonic() < _cache_rests_until or not has_shared_cache():
        return None
    try:
        return do()
    except Exception:  # Each cache backend raises its own errors.
        _cache_rests_until = time.monotonic() + CACHE_REST_SECONDS
        log.warning("the cache does not keep the mark", exc_info=True)
        return None


def _from_text(text: bytes | str) -> Mark | None:
    try:
        mark = Mark(**json.loads(text))
    except (ValueError, TypeError):
        return None
    numbers = (mark.generation, mark.attempt, mark.order, mark.entry)
    is_whole = all(isinstance(number, int) and number >= 0 for number in numbers)
    texts = (mark.identity, mark.token, mark.machine)
    return mark if is_whole and all(isinstance(text, str) for text in texts) else None
