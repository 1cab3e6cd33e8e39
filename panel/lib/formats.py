"""How percent and moments are written for people, everywhere."""

from __future__ import annotations

from datetime import datetime

from django.utils import timezone
from django.utils.formats import date_format


def percent_text(basis_points: int | None) -> str:
    """Return "25%", "−2.5%" or "1,250%" for so many hundredths of a percent; a dash for None."""
    if basis_points is None:
        return "—"
    whole, rest = divmod(abs(basis_points), 100)
    digits = f".{rest:02d}".rstrip("0") if rest else ""
    return f"{'−' if basis_points < 0 else ''}{whole:,}{digits}%"


def moment_text(moment: datetime) -> str:
    """Return date and time in the panel's time zone."""
    return date_format(timezone.localtime(moment), "DATETIME_FORMAT")
