"""A form field for a day, and the start of a day."""

from __future__ import annotations

import re
from datetime import date, datetime, time
from typing import Any

from django import forms
from django.utils import timezone
from django.utils.translation import gettext, gettext_lazy

YEARS = range(2000, 2100)
NO_DAY = gettext_lazy("Enter a date between 2000 and 2099, such as 2026-01-31.")
_AS_SENT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


class DayInput(forms.DateInput):
    """A text input for a value that is not a date, so that people can fix it: a browser's date input would drop it."""

    def get_context(self, name: str, value: Any, attrs: dict[str, Any] | None) -> dict[str, Any]:
        context = super().get_context(name, value, attrs)
        is_date = not value or isinstance(value, date) or _AS_SENT.fullmatch(value)
        context["widget"]["type"] = "date" if is_date else "text"
        return context


class DayField(forms.CharField):
    """A day as browsers send it: "2026-01-31"."""

    widget = DayInput(format="%Y-%m-%d")

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(required=False, error_messages={"null_characters_not_allowed": NO_DAY}, **kwargs)

    def clean(self, value: Any) -> date | None:
        text = super().clean(value)
        if not text:
            return None
        try:
            day = date.fromisoformat(text) if _AS_SENT.fullmatch(text) else None
        except ValueError:
            day = None
        if day is None or day.year not in YEARS:
            raise forms.ValidationError(NO_DAY)
        return day


def check_days(form: forms.Form, data: dict[str, Any]) -> None:
    """Add an error to the field `until` if it is before `since`."""
    since, until = data.get("since"), data.get("until")
    if since and until and until < since:
        form.add_error("until", gettext("This day is before the first one."))


def midnight(day: date) -> datetime:
    """Return the start of the day in the site's time zone."""
    return timezone.make_aware(datetime.combine(day, time.min))
