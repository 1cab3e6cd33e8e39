"""Plan what each channel tells about alerts: when one is raised, still open after an hour, and resolved.

One transaction locks the alerts that are due, writes a notice for each channel and sets when the alert is due next. A
constraint keeps each notice the only one of its channel, alert and occasion, whoever plans beside.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from django.db import transaction

from panel.alerts.advice import advice_about
from panel.alerts.causes import Cause, cause_of
from panel.alerts.models import Alert
from panel.channels.hours import tell_at
from panel.channels.models import Channel, Notice
from panel.lib import clock
from panel.lib.claims import lock_due

MAX_ROUND = 200
REMIND_AFTER = timedelta(hours=1)
# What was told so recently is not told again when it comes back: a provider may come and go every minute.
CALM = timedelta(hours=1)

Occasion = Notice.Occasion


def plan_notices() -> int:
    """Plan what is due. Return how many notices were planned."""
    with transaction.atomic():
        alerts = lock_due(Alert.objects.all(), due="tell_due_at", limit=MAX_ROUND)
        if not alerts:
            return 0
        channels, now = list(Channel.objects.ready()), clock.now()
        notices = [notice for alert in alerts for notice in _plan(alert, channels, now)]
        Notice.objects.bulk_create(notices, ignore_conflicts=True)
    return len(notices)


def _plan(alert: Alert, channels: list[Channel], now: datetime) -> list[Notice]:
    """Return the notices that the alert needs now, and store when it is due next."""
    if not channels and not alert.told_at:
        # Nobody can be told. A channel that becomes ready makes it due again.
        Alert.objects.filter(pk=alert.pk).update(tell_due_at=None)
        return []
    occasion, next_at = _step(alert, now)
    told_at = now if occasion == Occasion.RAISED else alert.told_at
    Alert.objects.filter(pk=alert.pk).update(tell_due_at=next_at, told_at=told_at)
    if occasion is None:
        return []
    if occasion != Occasion.RAISED:
        heard = Notice.objects.filter(alert=alert, occasion=Occasion.RAISED, delivery__isnull=False)
        # Whoever has not heard of it yet reads in one message that it came, and how it stands.
        heard_by = set(heard.values_list("channel", flat=True))
        channels = [channel for channel in channels if channel.pk in heard_by]
    is_urgent = alert.level == Alert.Level.DANGER
    planned = []
    for channel in channels:
        at = tell_at(channel, is_urgent=is_urgent, now=now) if _concerns(channel, alert) else None
        if at:
            planned.append(Notice(channel=channel, alert=alert, occasion=occasion, tell_at=at, created_at=now))
    return planned


def _step(alert: Alert, now: datetime) -> tuple[Notice.Occasion | None, datetime | None]:
    """Return the occasion to tell now, if any, and when the next one is due."""
    if alert.resolved_at:
        return (Occasion.RESOLVED if alert.told_at else None), None
    if alert.told_at:
        return Occasion.STILL_OPEN, None
    recent = Alert.objects.filter(cause=alert.cause, told_at__gt=now - CALM).order_by("told_at").last()
    if recent is not None and recent.told_at is not None:
        return None, recent.told_at + CALM
    return Occasion.RAISED, now + REMIND_AFTER


def _concerns(channel: Channel, alert: Alert) -> bool:
    """Return True if the channel tells of the alert. That a channel fails is told by all others."""
    if cause_of(alert.cause)[0] == Cause.CHANNEL:
        return alert.cause != Cause.CHANNEL.of(channel.pk)
    advice = advice_about(alert.cause)
    return not channel.topics or advice is None or advice.topic in channel.topics


def remind_soon(alerts: Iterable[int], *, at: datetime) -> None:
    """Have it told at `at` that these alerts are open still: it is unknown whether a message about them arrived."""
    waiting = Alert.objects.filter(pk__in=alerts, resolved_at=None, tell_due_at__gt=at)
    waiting.update(tell_due_at=at)
