"""What a request changes, kept with it until its act is written to the activity."""

from __future__ import annotations

from collections.abc import Sequence

from django import forms
from django.db.models import Model
from django.http import HttpRequest

from panel.activity.record import Change


def form_changes(form: forms.ModelForm) -> list[Change]:
    """Return what a valid form changes: the values that it began with, and those that were sent."""
    is_new = form.instance._state.adding or not form.initial
    found = [
        Change(name, None if is_new else _plain(form, name, form.initial.get(name)), _after(form, name))
        for name in form.changed_data
        if name in form.cleaned_data
    ]
    # A field may call the same amount in other words a change.
    return [one for one in found if one.before != one.after]


def keep_changes(request: HttpRequest, changes: Sequence[Change]) -> None:
    """Keep what the request changes for its next entry in the activity."""
    request.changes_to_record = list(changes)  # type: ignore[attr-defined]


def kept_changes(request: HttpRequest) -> list[Change]:
    """Return what was kept, once."""
    changes: list[Change] = getattr(request, "changes_to_record", [])
    keep_changes(request, ())
    return changes


def _after(form: forms.ModelForm, name: str) -> object:
    return _plain(form, name, form.cleaned_data[name])


def _plain(form: forms.ModelForm, name: str, value: object) -> object:
    """Return relations by their names, where a form begins with primary keys."""
    field = form.fields[name]
    if isinstance(field, forms.ModelChoiceField) and value is not None and not isinstance(value, Model | str):
        if isinstance(value, list | tuple):
            return [str(one) for one in value]
        if isinstance(value, int) and field.queryset is not None:
            return str(field.queryset.filter(pk=value).first() or value)
        return value
    return str(value) if isinstance(value, Model) else value
