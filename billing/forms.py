"""The form for adding funds. Each payment method may have more fields."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from django import forms
from django.conf import settings
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from billing.bonus_terms import read_words
from billing.deposits import DepositRefused, check_deposit_amount
from billing.fee_terms import read_fee_words
from billing.models import PaymentMethod
from billing.promotions.coupons import MAX_CODE, are_coupons_offered
from panel.lib.money import SYMBOLS, MoneyError, format_money, parse_money
from panel.lib.typed_money import AmbiguousAmount, parse_typed_money

INVISIBLE = {"null_characters_not_allowed": gettext_lazy("This holds an invisible character. Type it again.")}


class MoneyField(forms.CharField):
    """An amount as people write it ("12.50", "12,50", "1,250"), in micro-units."""

    widget = forms.TextInput(attrs={"inputmode": "decimal", "autocomplete": "off"})

    def clean(self, value: Any) -> int | None:
        text = super().clean(value)
        if not text:
            return None
        try:
            return parse_typed_money(text)
        except AmbiguousAmount as question:
            raise forms.ValidationError(
                str(question), code="ambiguous", params={"readings": question.readings}
            ) from question
        except MoneyError as error:
            raise forms.ValidationError(str(error)) from error


class DepositForm(forms.Form):
    """The amount to add, within the limits of `method`."""

    amount = MoneyField(
        label=gettext_lazy("Amount"),
        error_messages={**INVISIBLE, "required": gettext_lazy("Enter the amount that you want to add.")},
    )
    coupon = forms.CharField(
        label=gettext_lazy("Coupon"),
        required=False,
        max_length=MAX_CODE,
        widget=forms.TextInput(attrs={"autocomplete": "off", "autocapitalize": "characters", "spellcheck": "false"}),
        error_messages=INVISIBLE,
    )
    request_key = forms.RegexField(r"\A[0-9a-f]{32}\Z", widget=forms.HiddenInput)

    def __init__(self, *args: Any, method: PaymentMethod, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.method = method
        currency = settings.PANEL_CURRENCY
        low, high = (format_money(limit, currency, exact=True) for limit in (method.minimum, method.maximum))
        # The same for each way to pay: the label stays on the page when another one is chosen.
        self.fields["amount"].label = _("Amount to add in %(currency)s") % {"currency": SYMBOLS.get(currency, currency)}
        self.fields["amount"].help_text = _("%(low)s to %(high)s.") % {"low": low, "high": high}
        self.initial.setdefault("request_key", uuid4().hex)
        if not are_coupons_offered():
            self.fields["coupon"].widget = forms.HiddenInput()

    @property
    def amount_readings(self) -> list[tuple[str, str]]:
        """Return both readings of an amount with three digits after a point: what to send, and what to show."""
        asked = (error for error in self.errors.as_data().get("amount", ()) if error.code == "ambiguous")
        readings = (one for error in asked for one in (error.params or {}).get("readings", ()))
        currency = settings.PANEL_CURRENCY
        return [(one, format_money(parse_money(one), currency, exact=True)) for one in readings]

    def clean_amount(self) -> int:
        amount: int = self.cleaned_data["amount"]
        try:
            check_deposit_amount(method=self.method, amount=amount)
        except DepositRefused as refusal:
            raise forms.ValidationError(refusal.message) from refusal
        return amount

    def clean(self) -> dict[str, Any]:
        """Require a confirmation if the bonus is smaller, or the fee larger, than the one shown."""
        data: dict[str, Any] = super().clean() or {}
        amount = data.get("amount")
        if amount is None:
            return data
        bonus, fee = read_words(self._shown("bonus")), read_fee_words(self._shown("fee"))
        if bonus is not None and bonus.bp_of(amount) > self.method.bonus_terms.bp_of(amount):
            raise forms.ValidationError(
                _("The bonus has changed meanwhile. Nothing was sent. Look at it below and send the form again.")
            )
        if fee is not None and fee.fee_on(amount) < self.method.fee_terms.fee_on(amount):
            raise forms.ValidationError(
                _("The fee has changed meanwhile. Nothing was sent. Look at it below and send the form again.")
            )
        return data

    def _shown(self, terms: str) -> str:
        """Return the terms as the page showed them. It has those of each method, since another may be chosen on it."""
        return str(self.data.get(f"seen_{terms}_{self.method.pk}", self.data.get(f"seen_{terms}", "")))

    def request_values(self) -> dict[str, Any]:
        """Return the arguments of `request_deposit` other than customer and method."""
        return dict(self.cleaned_data)
