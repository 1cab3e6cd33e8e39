"""Whether another panel uses what this one must have for itself: its prefix in the cache and the broker, and VAR_DIR.

Each place holds the token of the database that it belongs to. In Redis it expires unless the worker renews it; in the
folder the system frees the lock of a process that ended. So a place is free once the other panel no longer runs.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import redis
import structlog
from django.conf import settings
from django.core.cache import cache
from django.core.checks import Error, Tags, register
from django.db import DatabaseError

from orders.marks.guard import identity_token
from orders.marks.storage import has_shared_cache
from panel.alerts.causes import Cause
from panel.alerts.services import raise_alert, resolve_alert
from panel.checks import NEIGHBOURS

log = structlog.get_logger(__name__)

# Seconds for which a place in Redis is kept. The worker renews it every minute.
KEPT_SECONDS = 300
FILE = "panel.lock"
_KEY = "panel"
_MAX_BYTES = 64
_TIMEOUTS = {"socket_connect_timeout": 1, "socket_timeout": 1}

# The open files that hold this process's locks, by folder: closing one would free its lock.
_locked: dict[Path, int] = {}


@register(Tags.database, NEIGHBOURS)
def check_neighbours(*, databases: Any = None, **_: Any) -> list[Error]:
    """Report what another panel uses. Takes what is free. Without a database that answers there is nothing to compare.

    Like every check of a database it runs only where one is named: `migrate`, and the start of a web server or worker.
    """
    if not databases:
        return []
    try:
        found = find_neighbours()
    except DatabaseError as error:  # Not migrated yet, or down: the panel starts, and the worker checks again.
        log.warning("other panels not looked for", error=str(error))
        return []
    return [Error(text, hint=hint, id="panel.E015") for text, hint in found]


def watch_neighbours() -> None:
    """Renew what this panel holds in Redis. Raise an alert while another panel uses it, too."""
    found = find_neighbours()
    if not found:
        resolve_alert(cause=Cause.NEIGHBOUR)
        return
    raise_alert(cause=Cause.NEIGHBOUR, text=" ".join(f"{text} {hint}" for text, hint in found), level="danger")


def find_neighbours() -> list[tuple[str, str]]:
    """Take what is free, and return a text and a hint for each place that another panel uses."""
    token, prefix = identity_token(), settings.PANEL_PREFIX
    free_prefix = "Set PANEL_PREFIX to a word of its own. If the other panel has ended, wait five minutes."
    free_folder = "Set VAR_DIR to a folder of its own."
    places: list[tuple[Callable[[str], bool], str, str]] = [
        (_takes_cache, f"Another panel uses the prefix {prefix} in the cache of CACHE_URL.", free_prefix),
        (_takes_broker, f"Another panel uses the prefix {prefix} in the broker of CELERY_BROKER_URL.", free_prefix),
        (_takes_folder, f"Another panel that runs uses the folder {settings.VAR_DIR}.", free_folder),
    ]
    return [(text, hint) for takes, text, hint in places if not takes(token)]


def _takes_cache(token: str) -> bool:
    """Return False if the key names another database. A cache that is down or private has nothing to take."""
    if not has_shared_cache():
        return True
    try:
        if cache.add(_KEY, token, KEPT_SECONDS):
            return True
        if cache.get(_KEY, token) != token:  # By default ours: it expired a moment ago.
            return False
        cache.touch(_KEY, KEPT_SECONDS)
        return True
    except Exception as error:  # Each cache backend raises its own errors.
        log.warning("other panels not looked for", place="cache", error=str(error))
        return True


def _takes_broker(token: str) -> bool:
    """Return False if the key names another database. The broker may be another Redis than the cache."""
    if not settings.CELERY_BROKER_URL.startswith(("redis://", "rediss://")):
        return True
    name = f"{settings.PANEL_PREFIX}:{_KEY}"
    try:
        with redis.Redis.from_url(settings.CELERY_BROKER_URL, retry=None, **_TIMEOUTS) as broker:
            if broker.set(name, token, nx=True, ex=KEPT_SECONDS):
                return True
            if broker.get(name) not in (None, token.encode()):
                return False
            broker.expire(name, KEPT_SECONDS)
            return True
    except (redis.RedisError, ValueError) as error:
        log.warning("other panels not looked for", place="broker", error=str(error))
        return True


def _takes_folder(token: str) -> bool:
    """Return False if a running process holds the folder for another database. One that ended holds nothing.

    A web server may have no folder, or may not write there: then it shares none.
    """
    path = Path(settings.VAR_DIR) / FILE
    if path in _locked:
        return True
    try:
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError:
        return True
    try:
        if not _lock(file, token):
            os.close(file)
            return False
    except OSError as error:
        log.warning("other panels not looked for", place="folder", error=str(error))
    _locked[path] = file
    return True


def _lock(file: int, token: str) -> bool:
    """Share the lock with processes of the same database; write the token if no process has the lock."""
    with suppress(BlockingIOError):
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.pwrite(file, token.encode(), 0)
        os.ftruncate(file, len(token))
    # Waits while another process writes. It may have taken the lock between ours and this: so read what holds now.
    fcntl.flock(file, fcntl.LOCK_SH)
    return os.pread(file, _MAX_BYTES, 0).decode("latin-1") in ("", token)
