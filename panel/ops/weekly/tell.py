"""Send the weekly proof through the channels: once a week, on Monday morning."""

from __future__ import annotations

from datetime import time

from django.conf import settings
from django.urls import reverse

from panel.channels.messages import tell_once
from panel.channels.models import Channel
from panel.lib.panel_days import panel_time
from panel.ops.weekly.report import Report, end_of, key_of, last_monday, week_report
from panel.site import registry as site

TELL_AT = time(8)


def tell_week() -> int:
    """Queue the report of the last week for each channel that did not get it. Return for how many."""
    now = panel_time()
    if now.weekday() == 0 and now.time() < TELL_AT:
        return 0
    monday = last_monday()
    # To count a week takes longer than to see that everybody has its proof, every hour but one.
    channels = Channel.objects.ready().filter(created_at__lt=end_of(monday))
    if not channels.exclude(deliveries__key=key_of(monday)).exists():
        return 0
    report = week_report(monday)
    return tell_once(
        channels=channels,
        key=report.key,
        subject=f"{report.title} · {site.PANEL_NAME.value}",
        text=text_of(report),
        event="week.ended",
        data={"week": report.key, "lines": {line.label: line.text for line in report.lines}},
    )


def text_of(report: Report) -> str:
    """Return the report as plain text."""
    lines = [f"{line.label}: {line.text}" for line in report.lines]
    if report.troubles:
        lines += ["", "Top trouble", *(f"{line.label} {line.text}" for line in report.troubles)]
    return "\n".join([*lines, "", f"{settings.SITE_URL}{reverse('week')}?from={report.monday}"])
