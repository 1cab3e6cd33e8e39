"""The fields that every form of staff has which moves money, and the code of a sole owner."""

from __future__ import annotations

from typing import Any

from allauth.mfa.base.forms import BaseAuthenticateForm
from django import forms
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from panel.staff.deeds import MAX_NOTE, Why
from panel.staff.kinds import Reason


class WhyForm(forms.Form):
    """Why the money moves. Customers read neither field."""

    why = forms.ChoiceField(
        label="Why",
        choices=[("", "Choose a reason"), *Reason.choices],
        widget=UnfoldAdminSelectWidget,
        help_text="For the report of goodwill.",
    )
    why_note = forms.CharField(
        label="Note for staff",
        max_length=MAX_NOTE,
        widget=UnfoldAdminTextInputWidget,
        help_text="What happened, such as the number of the complaint. The customer does not see it.",
    )


def take_why(data: dict[str, Any]) -> Why:
    """Take the fields of WhyForm out of cleaned data."""
    return Why(data.pop("why"), data.pop("why_note"))


class CodeForm(BaseAuthenticateForm):
    """A code of the person's own second factor. A code works once, and wrong ones are limited."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        attrs = {"autocomplete": "one-time-code", "inputmode": "numeric"}
        code = self.fields["code"]
        code.label = "Code of your second factor"
        code.widget = UnfoldAdminTextInputWidget(attrs=attrs)
        code.help_text = "From your authenticator app, or one of your recovery codes."
