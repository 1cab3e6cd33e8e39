"""Tell the owner that the database is away, by what was known of the channels before.

Nothing can be claimed in a database that does not answer: a lock on a file does it, for the processes of one machine.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
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
_KEPT = ("pk", "name", "kind", "target", "secret_encrypted")


def keep_channels() -> None:
    """Keep what is known of the channels in a file, for when the database is away. Secrets stay encrypted."""
    rows = list(Channel.objects.ready().order_by("pk").values(*_KEPT))
    text = json.dumps(rows)
    path = _folder() / "channels.json"
    if not path.exists() or path.read_text() != text:
        _write(path, text)


def tell_that_it_is_away(*, since: datetime, why: str) -> bool:
    """Tell it once, whichever process of this machine comes first. Return True if this one did."""
    with _locked():
        path = _folder() / "told.json"
        if path.exists():
            return False
        _write(path, json.dumps({"since": since.isoformat()}))
    text = (
        f"The database does not answer: {why}.\nSince {zoned_moment_text(since)}.\n"
        "What the panel does: Shows customers an error page, and sends nothing. Goes on by itself when it is back.\n"
        "What you do: Start the database, and look whether its disk is full."
    )
    _send("URGENT · The database does not answer", text, event="database.away")
    return True


def tell_that_it_is_back() -> bool:
    """Tell it if it was told that the database is away. Return True if this process did."""
    path = _folder() / "told.json"
    if not path.exists():
        return False
    with _locked():
        try:
            since = datetime.fromisoformat(json.loads(path.read_text())["since"])
            path.unlink()
        except FileNotFoundError:
            return False
        except (ValueError, KeyError):
            path.unlink(missing_ok=True)
            return False
    text = f"The database answers again. It was away for {duration_text(timezone.now() - since)}."
    _send("Resolved: The database does not answer", text, event="database.back")
    return True


def _send(subject: str, text: str, *, event: str) -> None:
    try:
        rows = json.loads((_folder() / "channels.json").read_text())
    except (OSError, ValueError) as error:
        log.warning("no channel is known", error=type(error).__name__)
        return
    if not rows:
        return
    with ThreadPoolExecutor(min(len(rows), 8)) as pool:
        results = list(pool.map(lambda row: _send_one(row, subject, text, event), rows))
    log.warning("told without a database", subject=subject, delivered=results.count(Result.DELIVERED))


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
    return deliver(channel, delivery, lambda: None).result


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
