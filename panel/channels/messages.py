"""The texts of messages to the owner: what happened, since when, what the panel does, what to do, and where.

A transaction makes a message of the notices that are due on a channel. The message stays as it is through all
attempts.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet
from django.urls import reverse

from panel.alerts.advice import advice_about, decision_path
from panel.alerts.models import Alert
from panel.alerts.services import one_line
from panel.channels.models import Channel, Delivery, Notice
from panel.lib import clock
from panel.lib.formats import duration_text, zoned_moment_text
from panel.site import registry as site

MAX_SUBJECT = 200
# Alerts in one message; the others follow in the next one, or are counted.
MAX_IN_MESSAGE = 20
# So many messages in WINDOW are sent to a channel one by one; what comes then waits and is put into one message.
MAX_IN_WINDOW, WINDOW = 10, timedelta(minutes=10)

_BEGIN = {
    Notice.Occasion.RAISED: "",
    Notice.Occasion.STILL_OPEN: "Still open: ",
    Notice.Occasion.RESOLVED: "Resolved: ",
}


def compose_due() -> int:
    """Make messages of the notices that are due. Return how many."""
    due = Notice.objects.filter(delivery=None, tell_at__lte=clock.now(), channel__in=Channel.objects.ready())
    return sum(_compose(pk) for pk in due.order_by().values_list("channel", flat=True).distinct())


def _compose(channel_pk: int) -> int:
    with transaction.atomic():
        channel = Channel.objects.ready().select_for_update().filter(pk=channel_pk).first()
        if channel is None:
            return 0
        now = clock.now()
        recent = Delivery.objects.filter(channel=channel, kind=Delivery.Kind.ALERTS, created_at__gt=now - WINDOW)
        if recent.count() >= MAX_IN_WINDOW:
            return 0
        due = Notice.objects.filter(channel=channel, delivery=None, tell_at__lte=now)
        notices = list(due.select_related("alert").order_by("pk")[:MAX_IN_MESSAGE])
        # A program wants one event at a time, a person one message.
        groups = [[one] for one in notices] if channel.kind == Channel.Kind.WEBHOOK else [notices] if notices else []
        for group in groups:
            delivery = _message(channel, group, now)
            delivery.save()
            Notice.objects.filter(pk__in=[one.pk for one in group]).update(delivery=delivery)
    return len(groups)


def _message(channel: Channel, notices: Sequence[Notice], now: datetime) -> Delivery:
    is_urgent = any(_is_urgent(one) for one in notices)
    subject = subject_of(notices)
    return new_delivery(
        channel=channel,
        kind=Delivery.Kind.ALERTS if is_urgent or channel.pace == Channel.Pace.AT_ONCE else Delivery.Kind.DIGEST,
        subject=subject,
        text="\n\n".join(paragraph_of(one, now) for one in notices),
        is_urgent=is_urgent,
        event=f"alert.{_occasion(notices[0])}",
        data=facts_of(notices[0]),
    )


def new_delivery(
    *,
    channel: Channel,
    kind: Delivery.Kind,
    subject: str,
    text: str,
    event: str,
    data: dict[str, Any],
    is_urgent: bool = False,
    key: str | None = None,
) -> Delivery:
    """Return a message that is due now, not saved. `event` and `data` are what a webhook says."""
    now = clock.now()
    body = {"type": event, "timestamp": now.isoformat(timespec="seconds"), "data": data}
    return Delivery(
        channel=channel,
        kind=kind,
        uid=f"msg_{uuid4().hex}",
        key=key,
        subject=one_line(subject)[:MAX_SUBJECT],
        text=text,
        is_urgent=is_urgent,
        payload=json.dumps(body, ensure_ascii=False) if channel.kind == Channel.Kind.WEBHOOK else "",
        created_at=now,
        due_at=now,
    )


def tell_once(
    *, channels: QuerySet[Channel], key: str, subject: str, text: str, event: str, data: dict[str, Any]
) -> int:
    """Queue a report for each of the channels, unless one with this key was queued. Return for how many."""
    reports = [
        new_delivery(
            channel=one, kind=Delivery.Kind.REPORT, subject=subject, text=text, event=event, data=data, key=key
        )
        for one in channels.exclude(deliveries__key=key)
    ]
    Delivery.objects.bulk_create(reports, ignore_conflicts=True)
    return len(reports)


def test_delivery(channel: Channel) -> Delivery:
    """Return a message by which its owner sees that the channel works, not saved."""
    text = (
        f"This is a test of the channel “{channel.name}”. What the panel has to tell you arrives here.\n"
        f"{open_alerts_text()}\n{settings.SITE_URL}{reverse('admin:index')}"
    )
    return new_delivery(
        channel=channel,
        kind=Delivery.Kind.TEST,
        subject=f"A test · {site.PANEL_NAME.value}",
        text=text,
        event="test",
        data={"channel": channel.name},
    )


def subject_of(notices: Sequence[Notice]) -> str:
    """Return the line by which the message is recognised, with the panel's name."""
    # Those that resolve something come last: what needs a person is what the line has to say.
    first = min(notices, key=lambda one: (_occasion(one) == Notice.Occasion.RESOLVED, not _is_urgent(one), one.pk))
    urgent = "URGENT · " if _is_urgent(first) and _occasion(first) != Notice.Occasion.RESOLVED else ""
    more = f" (and {len(notices) - 1} more)" if len(notices) > 1 else ""
    room = MAX_SUBJECT - len(urgent) - len(more) - len(site.PANEL_NAME.value) - 3
    return f"{urgent}{_title(first, room)}{more} · {site.PANEL_NAME.value}"


def paragraph_of(notice: Notice, now: datetime) -> str:
    """Return what is to be known about one alert, as plain text."""
    alert, occasion = notice.alert, _occasion(notice)
    began = zoned_moment_text(alert.created_at)
    lines = [f"{_BEGIN[occasion]}{alert.text}"]
    if alert.resolved_at:
        lasted = duration_text(alert.resolved_at - alert.created_at)
        lines.append(f"It began on {began}, lasted {lasted} and is over.")
        return "\n".join(lines)
    lines.append(f"Since {began}, {duration_text(now - alert.created_at)} ago; seen {times_text(alert.count)}.")
    if advice := advice_about(alert.cause):
        lines += [f"What the panel does: {advice.panel_does}", f"What you do: {advice.you_do}"]
    lines.append(link_of(alert))
    return "\n".join(lines)


def facts_of(notice: Notice) -> dict[str, Any]:
    """Return what a webhook says about one alert."""
    alert, advice = notice.alert, advice_about(notice.alert.cause)
    return {
        "alert": alert.pk,
        "cause": alert.cause,
        "topic": advice.topic if advice else None,
        "level": "urgent" if _is_urgent(notice) else "warning",
        "text": alert.text,
        "count": alert.count,
        "raised_at": alert.created_at.isoformat(timespec="seconds"),
        "resolved_at": alert.resolved_at.isoformat(timespec="seconds") if alert.resolved_at else None,
        "panel_does": advice.panel_does if advice else None,
        "you_do": advice.you_do if advice else None,
        "link": link_of(alert),
    }


def link_of(alert: Alert) -> str:
    """Return the address of the page on which the owner acts."""
    return f"{settings.SITE_URL}{decision_path(alert.cause)}"


def times_text(count: int) -> str:
    """Return how often, in words."""
    return "once" if count == 1 else f"{count:,} times"


def open_alerts_text() -> str:
    """Return how many alerts are open, as a sentence."""
    opened = Alert.objects.filter(resolved_at=None)
    count, urgent = opened.count(), opened.filter(level=Alert.Level.DANGER).count()
    if not count:
        return "No alert is open."
    are = "1 alert is open" if count == 1 else f"{count:,} alerts are open"
    return f"{are}, {urgent:,} of them urgent." if urgent else f"{are}, none of them urgent."


def _title(notice: Notice, room: int) -> str:
    title = f"{_BEGIN[_occasion(notice)]}{notice.alert.text}"
    return title if len(title) <= room else f"{title[: room - 1].rstrip()}…"


def _occasion(notice: Notice) -> Notice.Occasion:
    """Return the occasion; an alert that is over by now is told as resolved."""
    return Notice.Occasion.RESOLVED if notice.alert.resolved_at else Notice.Occasion(notice.occasion)


def _is_urgent(notice: Notice) -> bool:
    return notice.alert.level == Alert.Level.DANGER
