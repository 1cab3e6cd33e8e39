"""Manual transfers: the owner's instructions say how to pay, and staff approve what came in.

A request comes first, so that the payment can carry its code; then its customer pays, and says so.
"""

from __future__ import annotations

from typing import Any

from django import forms
from django.core.files.uploadedfile import UploadedFile
from django.urls import reverse
from django.utils.translation import gettext_lazy as _
from django.utils.translation import gettext_noop

from billing.deposits import MAX_REFERENCE
from billing.forms import INVISIBLE, DepositForm
from billing.methods import Method, register
from billing.models import Deposit
from billing.receipts import ACCEPTED, Receipt, ReceiptRefused, check_receipt


class ProofForm(forms.Form):
    """What a payment can be found by; all of it is optional."""

    reference = forms.CharField(
        label=_("Reference"),
        required=False,
        max_length=MAX_REFERENCE,
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
        help_text=_("What your payment can be found by: its number, or the name on the account."),
        error_messages=INVISIBLE,
    )
    receipt = forms.FileField(
        label=_("Receipt"),
        required=False,
        widget=forms.FileInput(attrs={"accept": ACCEPTED}),
        help_text=_("A picture (PNG, JPEG, WebP) or a PDF, up to 5 MB. Only you and our staff can see it."),
        error_messages={"empty": _("This file is empty. Choose another.")},
    )

    def clean_receipt(self) -> Receipt | None:
        file: UploadedFile | None = self.cleaned_data["receipt"]
        if not file:
            return None
        try:
            return check_receipt(file)
        except ReceiptRefused as refusal:
            raise forms.ValidationError(str(refusal)) from refusal


class SaidPaidForm(ProofForm):
    """The same on the page of a request, whose form stands apart from its fields."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for field in self.fields.values():
            field.widget.attrs["form"] = "deposit-paid"


class TransferForm(ProofForm, DepositForm):
    """The amount first; reference and receipt for whoever has paid already."""

    field_order = ("amount", "coupon")

    @property
    def paid_fields(self) -> list[Any]:
        """Return the fields of whoever has paid already."""
        return [self["reference"], self["receipt"]]

    @property
    def is_paid_open(self) -> bool:
        """Return True if something was typed into them, or is wrong."""
        return any(field.errors or field.value() for field in self.paid_fields)


class Transfer(Method):
    code = "transfer"
    label = "By hand: your instructions, and you approve what came in"
    button = gettext_noop("Show how to pay")
    form = TransferForm
    has_reference = True
    is_by_hand = True

    def begin(self, deposit: Deposit) -> str:
        return reverse("deposit_detail", args=[deposit.pk])


register(Transfer())
