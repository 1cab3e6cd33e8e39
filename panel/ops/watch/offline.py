"""Tell the owner that the database is away, by what was known of the channels before.

Nothing can be claimed in a database that does not answer: a lock on a file does it, for the processes of one machine.
"""

from __future__ import annotations

import fcntl
import json
import math
import os
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import Any

import structlog
from django.conf import settings
from django.utils import timezone

from panel.channels.deliveries import deliver
from panel.channels.messages import new_delivery
from panel.channels.models import Channel, Delivery
from panel.channels.results import Result
from panel.lib.formats import duration_text, zoned_moment_text

log = structlog.get_logger(__name__)

FOLDER = "watch"
# Seconds: between two tries to tell, since a process last found it away, and after it was back.
TRY_EVERY, STILL_AWAY, CALM = 60.0, 20.0, 1_800.0
_tried_at = -math.inf
_told_here = False
_KEPT = ("pk", "name", "kind", "target", "secret_encrypted")


def keep_channels() -> None:
    """Keep what is known of the channels in a file, for when the database is away. Secrets stay encrypted."""
    rows = list(Channel.objects.ready().order_by("pk").values(*_KEPT))
    text = json.dumps(rows)
    path = _folder() / "channels.json"
    if not path.exists() or path.read_text() != text:
        _write(path, text)


def tell_that_it_is_away(*, since: datetime, why: str) -> bool:
    """Tell it once, whichever process of this machine comes first. Return True if this one did.

    Each process that finds it away says so by the time of the file: it is not back for any of them. What no channel
    took is tried again after a minute. Where the folder cannot be written, each process tells it once.
    """
    global _tried_at, _told_here
    if _told_here or time.monotonic() - _tried_at < TRY_EVERY:
        with suppress(OSError):
            _touch_if_told()
        return False
    text = (
        f"The database does not answer: {why}.\nSince {zoned_moment_text(since)}.\n"
        "What the panel does: Shows customers an error page, and sends nothing. Goes on by itself when it is back.\n"
        "What you do: Start the database, and look whether its disk is full."
    )
    subject = "URGENT · The database does not answer"
    try:
        with _locked():
            if _touch_if_told() or _was_told_lately():
                return False
            _tried_at = time.monotonic()
            if _send(subject, text, event="database.away"):
                _told_here = True
                _write(_folder() / "told.json", json.dumps({"since": since.isoformat()}))
                return True
    except OSError as error:
        log.warning("no file says that it was told", error=type(error).__name__)
        if not _told_here:
            _told_here = True
            return _send(subject, text, event="database.away")
    return False


def tell_that_it_is_back() -> bool:
    """Tell it if it was told that the database is away, and no process of this machine still finds it so.

    Return True if this process did.
    """
    global _told_here
    _told_here = False
    path = _folder() / "told.json"
    if not path.exists():
        return False
    with _locked():
        try:
            if time.time() - path.stat().st_mtime < STILL_AWAY:
                return False
            since = datetime.fromisoformat(json.loads(path.read_text())["since"])
        except FileNotFoundError:
            return False
        except (ValueError, KeyError):
            since = timezone.now()
        path.replace(_folder() / "last.json")
        (_folder() / "last.json").touch()
    text = f"The database answers again. It was away for {duration_text(timezone.now() - since)}."
    _send("Resolved: The database does not answer", text, event="database.back")
    return True


def _touch_if_told() -> bool:
    path = _folder() / "told.json"
    if path.exists():
        path.touch()
        return True
    return False


def _was_told_lately() -> bool:
    """Return True if it came back a short while ago: whatever comes and goes is told once in that time."""
    path = _folder() / "last.json"
    return path.exists() and time.time() - path.stat().st_mtime < CALM


def _send(subject: str, text: str, *, event: str) -> bool:
    """Send through all known channels. Return True if one may have taken it, or none is known."""
    try:
        rows = json.loads((_folder() / "channels.json").read_text())
    except (OSError, ValueError) as error:
        log.warning("no channel is known", error=type(error).__name__)
        return True
    if not rows:
        return True
    with ThreadPoolExecutor(min(len(rows), 8)) as pool:
        results = list(pool.map(lambda row: _send_one(row, subject, text, event), rows))
    log.warning("told without a database", subject=subject, results=[str(one) for one in results])
    return any(one != Result.FAILED for one in results)


def _send_one(row: dict[str, Any], subject: str, text: str, event: str) -> Result:
    channel = Channel(**{name: row[name] for name in _KEPT})
    delivery = new_delivery(
        channel=channel,
        kind=Delivery.Kind.ALERTS,
        subject=subject,
        text=text,
        event=event,
        data={"text": text, "level": "urgent"},
        is_urgent=True,
    )
    try:
        return deliver(channel, delivery, lambda: None).result
    except Exception as error:  # One channel must not keep the others from telling.
        log.warning("not told without a database", channel=channel.pk, error=type(error).__name__)
        return Result.FAILED


def _folder() -> Path:
    folder: Path = settings.VAR_DIR / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _write(path: Path, text: str) -> None:
    """Replace the file: whoever reads it meanwhile reads the old one. For this user alone."""
    temporary = path.with_suffix(f".{os.getpid()}")
    temporary.touch(mode=0o600)
    temporary.write_text(text)
    temporary.replace(path)


@contextmanager
def _locked() -> Iterator[None]:
    with (_folder() / "lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
