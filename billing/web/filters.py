"""Choosing among the entries of a wallet."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django import forms
from django.db.models import QuerySet

from billing.models import Entry
from panel.lib.date_fields import DayField, check_days, midnight


class EntryFilter(forms.Form):
    """Days are of the site's time zone, both included. What is not valid is told, and filters nothing."""

    kind = forms.ChoiceField(choices=[("", "All"), *Entry.Kind.choices], required=False, widget=forms.HiddenInput)
    since = DayField(label="From")
    until = DayField(label="To")

    def clean(self) -> dict[str, Any]:
        data: dict[str, Any] = super().clean() or {}
        check_days(self, data)
        return data

    def chosen(self) -> dict[str, Any]:
        """The filters that are on, by their names in the address."""
        self.is_valid()
        return {name: value for name, value in self.cleaned_data.items() if value}

    def narrow(self, entries: QuerySet[Entry]) -> QuerySet[Entry]:
        """Those of `entries` that it lets pass."""
        chosen = self.chosen()
        if "kind" in chosen:
            entries = entries.filter(kind=chosen["kind"])
        if "since" in chosen:
            entries = entries.filter(created_at__gte=midnight(chosen["since"]))
        if "until" in chosen:
            entries = entries.filter(created_at__lt=midnight(chosen["until"] + timedelta(days=1)))
        return entries
