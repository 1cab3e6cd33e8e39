"""Raising and resolving alerts. Knows nothing of the domain apps, so that all of them may use it."""

from __future__ import annotations

from collections.abc import Iterable

import structlog
from django.db import IntegrityError, transaction
from django.db.models import F
from django.utils import timezone

from panel.alerts.models import Alert, Heartbeat

log = structlog.get_logger(__name__)


def raise_alert(*, cause: str, text: str, level: str = Alert.Level.WARNING) -> None:
    """Opens an alert, or counts once more on the open one of the same `cause`."""
    if _count_again(cause, text):
        return
    try:
        with transaction.atomic():
            Alert.objects.create(cause=cause, text=text[:500], level=level)
    except IntegrityError:
        _count_again(cause, text)
        return
    log.warning("alert raised", cause=cause, text=text)


def _count_again(cause: str, text: str) -> bool:
    return bool(
        Alert.objects.filter(cause=cause, resolved_at=None).update(
            count=F("count") + 1, last_seen_at=timezone.now(), text=text[:500]
        )
    )


def resolve_alert(*, cause: str) -> None:
    """Closes the open alert of `cause`, if there is one."""
    Alert.objects.filter(cause=cause, resolved_at=None).update(resolved_at=timezone.now())


def open_texts(*, causes: Iterable[str]) -> list[str]:
    """What the open alerts of these causes say, oldest first."""
    alerts = Alert.objects.filter(cause__in=list(causes), resolved_at=None)
    return list(alerts.order_by("pk").values_list("text", flat=True))


def record_heartbeat(*, task: str) -> None:
    """Notes that a round of `task` ended just now."""
    Heartbeat.objects.update_or_create(task=task, defaults={"beat_at": timezone.now()})
