"""How percent, days and moments are written for people, everywhere."""

from __future__ import annotations

from datetime import date, datetime

from django.utils import timezone
from django.utils.formats import date_format


def percent_text(basis_points: int | None) -> str:
    """Return "25%", "−2.5%" or "1,250%" for so many hundredths of a percent; a dash for None."""
    if basis_points is None:
        return "—"
    whole, rest = divmod(abs(basis_points), 100)
    digits = f".{rest:02d}".rstrip("0") if rest else ""
    return f"{'−' if basis_points < 0 else ''}{whole:,}{digits}%"


def change_text(*, old: int, new: int) -> str:
    """Return by how much of `old` it changed: "−12%", "+0.4%"; never "0%" of what did change."""
    share = (new - old) * 100 / old
    if abs(share) < 0.1:
        words = "<0.1"
    elif abs(share) < 9.95:
        words = f"{abs(share):.1f}".removesuffix(".0")
    else:
        words = f"{abs(share):,.0f}"
    return f"{'+' if share > 0 else '−'}{words}%"


def day_text(day: date) -> str:
    """Return "2 Jun 2026"; of a moment, its day in the panel's time zone."""
    return date_format(timezone.localtime(day) if isinstance(day, datetime) else day, "DATE_FORMAT")


def moment_text(moment: datetime) -> str:
    """Return "2 Jun 2026, 14:05" in the panel's time zone."""
    return date_format(timezone.localtime(moment), "DATETIME_FORMAT")


def zoned_moment_text(moment: datetime) -> str:
    """Return "2 Jun 2026, 14:05 CEST", for who may read it elsewhere."""
    return f"{moment_text(moment)} {timezone.localtime(moment):%Z}"


def exact_moment_text(moment: datetime) -> str:
    """Return "2 Jun 2026, 14:05:09 CEST"."""
    return f"{moment_text(moment)}{timezone.localtime(moment)::%S %Z}"
