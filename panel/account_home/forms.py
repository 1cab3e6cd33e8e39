"""The form that closes an account."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from panel.accounts.models import User


class CloseForm(forms.Form):
    """The customer's own address, typed, and what they do with their balance."""

    email = forms.EmailField(
        label=gettext_lazy("Your e-mail address, to be sure"),
        widget=forms.EmailInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
        error_messages={"required": gettext_lazy("Type the e-mail address that you sign in with.")},
    )
    # In micro-units, as the page showed it.
    seen = forms.IntegerField(widget=forms.HiddenInput)
    gives_up = forms.BooleanField(required=False)

    def __init__(self, *args: Any, customer: User, balance_text: str, **kwargs: Any) -> None:
        """`balance_text` is the balance for people, "" if there is none to give up."""
        super().__init__(*args, **kwargs)
        self.customer = customer
        self.has_balance = bool(balance_text)
        if balance_text:
            self.fields["gives_up"].label = _("I give up the %(balance)s that are in my wallet") % {
                "balance": balance_text
            }
        else:
            del self.fields["gives_up"]

    def clean_email(self) -> str:
        email: str = self.cleaned_data["email"]
        if email.lower() != self.customer.email.lower():
            raise forms.ValidationError(_("This is not the address of this account, which you sign in with."))
        return email

    def clean(self) -> dict[str, Any]:
        data: dict[str, Any] = super().clean() or self.cleaned_data
        if self.has_balance and not data.get("gives_up"):
            text = _("Check this box, or spend the money first.")
            self.add_error("gives_up", text)
        return data
