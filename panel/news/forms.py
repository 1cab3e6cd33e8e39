"""The form of what is mailed, and when."""

from __future__ import annotations

from django import forms
from django.utils.translation import gettext as _

from panel.news.choices import offered_kinds, pace_of
from panel.news.models import NewsChoice


class ChoicesForm(forms.Form):
    """For each kind that may be mailed, when."""

    def __init__(self, data: object = None, *, choice: NewsChoice) -> None:
        super().__init__(data)  # type: ignore[arg-type]
        for kind in offered_kinds():
            self.fields[kind.value] = forms.ChoiceField(
                label=_(kind.label),
                choices=[(pace.value, _(pace.label)) for pace in NewsChoice.Pace],
                initial=pace_of(choice, kind),
                widget=forms.Select(attrs={"class": "form-select"}),
                error_messages={"invalid_choice": _("Choose one of the list.")},
            )
