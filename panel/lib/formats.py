"""Texts for percents, days and moments, the same everywhere."""

from __future__ import annotations

from datetime import date, datetime, timedelta

from django.utils import timezone
from django.utils.formats import date_format
from django.utils.timesince import timesince


def percent_text(basis_points: int | None) -> str:
    """Return basis points as "25%", "−2.5%" or "1,250%"; a dash for None."""
    if basis_points is None:
        return "—"
    whole, rest = divmod(abs(basis_points), 100)
    digits = f".{rest:02d}".rstrip("0") if rest else ""
    return f"{'−' if basis_points < 0 else ''}{whole:,}{digits}%"


def change_text(*, old: int, new: int) -> str:
    """Return the change relative to `old`: "−12%", "+0.4%"; never "0%", since it changed."""
    share = (new - old) * 100 / old
    if abs(share) < 0.1:
        words = "<0.1"
    elif abs(share) < 9.95:
        words = f"{abs(share):.1f}".removesuffix(".0")
    else:
        words = f"{abs(share):,.0f}"
    return f"{'+' if share > 0 else '−'}{words}%"


def day_text(day: date) -> str:
    """Return "2 Jun 2026"; for a moment, its day in the reader's time zone."""
    return date_format(timezone.localtime(day) if isinstance(day, datetime) else day, "DATE_FORMAT")


def moment_text(moment: datetime) -> str:
    """Return "2 Jun 2026, 14:05" in the reader's time zone."""
    return date_format(timezone.localtime(moment), "DATETIME_FORMAT")


def short_moment_text(moment: datetime) -> str:
    """Return "2 Jun, 14:05", with the year if it is another one than now."""
    local = timezone.localtime(moment)
    return date_format(local, "j M, H:i") if local.year == timezone.localtime().year else moment_text(moment)


def near_moment_text(moment: datetime) -> str:
    """Return "14:05" for a moment of today, as people say it after "around"; otherwise with its day."""
    local = timezone.localtime(moment)
    is_today = local.date() == timezone.localdate()
    return date_format(local, "TIME_FORMAT") if is_today else short_moment_text(moment)


def zone_text(name: str) -> str:
    """Return a time zone as people call it: "Istanbul", "Buenos Aires", "UTC"."""
    return name.rpartition("/")[2].replace("_", " ")


def zoned_moment_text(moment: datetime) -> str:
    """Return "2 Jun 2026, 14:05 CEST", for readers in other time zones."""
    return f"{moment_text(moment)} {timezone.localtime(moment):%Z}"


def exact_moment_text(moment: datetime) -> str:
    """Return "2 Jun 2026, 14:05:09 CEST"."""
    return f"{moment_text(moment)}{timezone.localtime(moment)::%S %Z}"


def duration_text(length: timedelta) -> str:
    """Return "under a minute", "12 minutes", "3 hours" or "2 weeks": the largest unit alone."""
    if length < timedelta(minutes=1):
        return "under a minute"
    now = timezone.now()
    return timesince(now - length, now, depth=1).replace("\xa0", " ")


def short_duration(length: timedelta) -> str:
    """Return "42 s", "14 min", "3 h" or "2 days": the largest unit alone, for figures and waits."""
    seconds = max(0, int(length.total_seconds()))
    if seconds < 60:
        return f"{seconds} s"
    if seconds < 3_600:
        return f"{seconds // 60} min"
    if seconds < 86_400:
        return f"{seconds // 3_600} h"
    days = seconds // 86_400
    return "1 day" if days == 1 else f"{days:,} days"
