"""The forms of actions on one order."""

from __future__ import annotations

from django import forms
from unfold.widgets import UnfoldAdminTextInputWidget

from panel.lib.admin.fields import AmountField
from panel.staff.forms import WhyForm


class PartForm(WhyForm):
    amount = AmountField(label="Amount to give back")
    note = forms.CharField(
        label="Reason", max_length=300, widget=UnfoldAdminTextInputWidget, help_text="The customer reads it."
    )
    field_order = ("amount", "note", "why", "why_note")


class DismissForm(forms.Form):
    note = forms.CharField(label="What you found", max_length=300, widget=UnfoldAdminTextInputWidget)
