"""Moments and days in the panel's own time zone: for limits, statistics, quiet hours and all else that is one for all.

`django.utils.timezone` answers in the zone of whoever reads a page, which is for pages only.
"""

from __future__ import annotations

from datetime import date, datetime, time

from django.utils import timezone


def panel_time(moment: datetime | None = None) -> datetime:
    """Return the moment, now by default, in the panel's time zone."""
    return timezone.localtime(moment, timezone.get_default_timezone())


def panel_day(moment: datetime | None = None) -> date:
    """Return the day of the moment, today by default, in the panel's time zone."""
    return panel_time(moment).date()


def panel_moment(day: date, at: time = time.min) -> datetime:
    """Return when the panel's clocks show `at` on the day."""
    return timezone.make_aware(datetime.combine(day, at), timezone.get_default_timezone())
