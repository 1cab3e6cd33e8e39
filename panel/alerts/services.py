"""Raise and resolve alerts. Imports no domain app, so that all of them can use it."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

import structlog
from django.db import IntegrityError, transaction
from django.db.models import F, QuerySet

from panel.alerts.causes import Cause
from panel.alerts.models import Alert, Heartbeat
from panel.lib import clock
from panel.lib.task_hints import hint_after_commit

log = structlog.get_logger(__name__)

# The task that tells what is due, which no module of alerts may import.
TELL = "panel.channels.tasks.tell_owner"


def raise_alert(
    *,
    cause: Cause,
    about: int | None = None,
    detail: str = "",
    text: str,
    level: str = Alert.Level.WARNING,
    times: int = 1,
) -> None:
    """Open an alert, or count once more on the open one with its cause.

    It happened `times` since the last call. `about` is the primary key of the object. With `detail`, a word, an object
    has an alert of each word.
    """
    stored, now = cause.of(about, detail), clock.now()
    text = one_line(text)
    if _count_again(stored, text, times):
        return
    try:
        with transaction.atomic():
            Alert.objects.create(
                cause=stored,
                text=text[:500],
                level=level,
                count=times,
                created_at=now,
                last_seen_at=now,
                tell_due_at=now,
            )
    except IntegrityError:
        _count_again(stored, text, times)
        return
    log.warning("alert raised", cause=stored, text=text)
    hint_after_commit(TELL)


def one_line(text: str) -> str:
    """Return the text without line breaks, and without what a database or a mail's header refuses."""
    return " ".join(text.replace("\0", "").encode("utf-8", "replace").decode().split())


def _count_again(cause: str, text: str, times: int) -> bool:
    return bool(
        Alert.objects.filter(cause=cause, resolved_at=None).update(
            count=F("count") + times, last_seen_at=clock.now(), text=text[:500]
        )
    )


def resolve_alert(*, cause: Cause, about: int | None = None) -> None:
    """Close the open alert of `cause` about this object, if there is one."""
    resolve_alerts(causes=[cause], about=about)


def resolve_alerts(*, causes: Iterable[Cause], about: int | None = None) -> None:
    """Close the open alerts of `causes` about this object, in one statement."""
    close_alerts(Alert.objects.filter(cause__in=[cause.of(about) for cause in causes]))


def close_alerts(alerts: QuerySet[Alert]) -> int:
    """Close those of the alerts that are open, and have it told. Return how many."""
    now = clock.now()
    return alerts.filter(resolved_at=None).update(resolved_at=now, tell_due_at=now)


def open_texts(*, causes: Iterable[Cause], about: int) -> list[str]:
    """Return the texts of the open alerts with these causes about an object, oldest first."""
    alerts = Alert.objects.filter(cause__in=[cause.of(about) for cause in causes], resolved_at=None)
    return list(alerts.order_by("pk").values_list("text", flat=True))


def record_heartbeat(*, task: str, at: datetime | None = None) -> None:
    """Store that a round of `task` ended, with its time: now, unless `at` says otherwise."""
    Heartbeat.objects.update_or_create(task=task, defaults={"beat_at": at or clock.now()})
