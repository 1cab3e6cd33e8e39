"""Filters of a wallet's entries."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django import forms
from django.db.models import QuerySet
from django.utils.translation import gettext_lazy as _

from billing.models import Entry
from panel.lib.date_fields import DayField, check_days, midnight


class EntryFilter(forms.Form):
    """Kind and days of entries. Days are in the site's time zone, both included. Invalid values filter nothing."""

    kind = forms.ChoiceField(choices=[("", _("All")), *Entry.Kind.choices], required=False, widget=forms.HiddenInput)
    since = DayField(label=_("From"))
    until = DayField(label=_("To"))

    def clean(self) -> dict[str, Any]:
        data: dict[str, Any] = super().clean() or {}
        check_days(self, data)
        return data

    def chosen(self) -> dict[str, Any]:
        """Return the active filters by their names in the query string."""
        self.is_valid()
        return {name: value for name, value in self.cleaned_data.items() if value}

    def narrow(self, entries: QuerySet[Entry]) -> QuerySet[Entry]:
        """Return the `entries` that match."""
        chosen = self.chosen()
        if "kind" in chosen:
            entries = entries.filter(kind=chosen["kind"])
        if "since" in chosen:
            entries = entries.filter(created_at__gte=midnight(chosen["since"]))
        if "until" in chosen:
            entries = entries.filter(created_at__lt=midnight(chosen["until"] + timedelta(days=1)))
        return entries
