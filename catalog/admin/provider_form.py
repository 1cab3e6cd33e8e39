"""Forms of a provider: a full one for staff who may connect it, one of prices alone for the others."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urlsplit

from django import forms
from django.conf import settings
from django.utils.decorators import method_decorator
from django.views.decorators.debug import sensitive_variables
from unfold.widgets import UnfoldAdminPasswordWidget, UnfoldAdminURLInputWidget

from catalog.admin.dialect_form import DialectFields
from catalog.admin.shared import INHERITED
from catalog.models import Provider
from catalog.provider_accounts import connected_with
from catalog.upstream.currencies import currency_of
from catalog.upstream.dialect import Dialect
from panel.lib.admin.fields import AmountField, ExchangeRateField, PercentField
from panel.lib.money import EXCHANGE_ONE

# Parameter names of the protocol: a request ID under one of them would change the order.
PROTOCOL_NAMES = (
    "key action service link quantity comments runs interval order orders username usernames hashtag hashtags media "
    "groups keywords country device min max posts delay expiry answer_number"
)

PRICES = (
    *("exchange_rate", "margin_bp", "margin_fixed", "publish_new", "on_rise", "daily_limit"),
    *("low_balance", "low_balance_days"),
)
TECHNICAL = ("max_parallel_adds", "max_parallel_polls", "request_id_parameter", "probes_ids")
# Columns only for staff who may connect providers. The key is not a column.
CODE_LENGTH = 5
CONNECTION = ("api_url", "currency", *TECHNICAL)


class PriceForm(forms.ModelForm):
    """What a provider's services cost, and whether they are sold."""

    margin_bp = PercentField(label="Margin in percent", required=False, help_text=INHERITED)
    margin_fixed = AmountField(label="Fixed margin per 1000", required=False, help_text=INHERITED)
    exchange_rate = ExchangeRateField(
        initial=10**12, help_text="What one unit of the provider's currency costs in the panel's."
    )

    daily_limit = AmountField(
        label="Daily spending limit",
        required=False,
        help_text="In the provider's currency. An order that would pass it waits for the next day. Empty: no limit.",
    )

    low_balance = AmountField(
        label="Alert below a balance of",
        required=False,
        help_text="In the provider's currency. Empty: by days alone.",
    )

    class Meta:
        model = Provider
        fields: tuple[str, ...] = ("name", "is_active", *PRICES)


class ProviderForm(DialectFields, PriceForm):
    """The full form. It accepts a key but never shows one."""

    api_url = forms.URLField(label="API URL", max_length=300, assume_scheme="https", widget=UnfoldAdminURLInputWidget)
    api_key = forms.CharField(
        label="API key",
        required=False,
        widget=UnfoldAdminPasswordWidget(attrs={"autocomplete": "new-password"}),
        help_text="Stored encrypted and never shown again. Leave empty to keep the one that is stored.",
    )

    class Meta(PriceForm.Meta):
        fields = (*PriceForm.Meta.fields, *CONNECTION)
        help_texts = {
            "currency": (
                "What it bills in, such as USD. The exchange rate belongs to it: change both together. What is stored "
                "of its rates is converted, so that costs stay until the next import."
            )
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if not self.instance.pk:
            self.fields["api_key"].help_text = "Stored encrypted and never shown again."

    @method_decorator(sensitive_variables("key"))
    def clean_api_key(self) -> str:
        key: str = self.cleaned_data["api_key"].strip()
        if not key and not self.instance.api_key_encrypted:
            raise forms.ValidationError("Enter the API key that the provider gave you.")
        if key and (twin := connected_with(api_key=key, besides=self.instance.pk)):
            # Two providers with one account would each see the other's orders as unknown.
            raise forms.ValidationError(f"This account is connected already, as {twin.name}.")
        return key

    def clean_api_url(self) -> str:
        url: str = self.cleaned_data["api_url"]
        if urlsplit(url).scheme != "https" and not settings.UPSTREAM_ALLOW_PRIVATE:
            raise forms.ValidationError("Use an https address: the API key travels with every request.")
        return url

    @method_decorator(sensitive_variables("data"))
    def clean(self) -> dict[str, Any]:
        data: dict[str, Any] = super().clean() or {}
        self.clean_dialect(data)
        dialect = data.get("dialect")
        if self.instance.pk and dialect and data.get("api_url") and not data.get("api_key"):
            stored = Provider.objects.get(pk=self.instance.pk)
            known = _places(stored.api_url, self.stored_dialect)
            if not _places(data["api_url"], dialect) <= known:
                # Otherwise anyone who may edit an address could have the stored key sent to their own server.
                self.add_error("api_key", "Enter the key again for this address.")
        if dialect and data.get("api_key"):
            try:
                dialect.headers(api_key=data["api_key"])
            except ValueError as error:
                self.add_error("api_key", str(error))
        if dialect and data.get("request_id_parameter") in dialect.names.values():
            self.add_error("request_id_parameter", "Another parameter has this name, under “How it speaks”.")
        self._check_rate(data)
        return data

    def _check_rate(self, data: dict[str, Any]) -> None:
        """Reject an exchange rate of 1 for another currency, which would sell too cheaply. USDT counts as USD."""
        currency, ours = data.get("currency") or "", settings.PANEL_CURRENCY
        touched = {"currency", "exchange_rate"} & set(self.changed_data) or not self.instance.pk
        if touched and currency and data.get("exchange_rate") == EXCHANGE_ONE and not currency.startswith(ours):
            text = f"A rate of 1 is right for {ours} alone. Enter what one {currency} costs in {ours}."
            self.add_error("exchange_rate", text)

    def clean_currency(self) -> str:
        """Return the code. A name or symbol would be compared and rounded as a currency of its own."""
        code = currency_of(str(self.cleaned_data["currency"]))
        if not code or len(code) > CODE_LENGTH:
            raise forms.ValidationError("Enter the code of one currency, such as USD.")
        return code

    def clean_request_id_parameter(self) -> str:
        name: str = self.cleaned_data["request_id_parameter"]
        if name and not re.fullmatch(r"[A-Za-z0-9_-]+", name):
            raise forms.ValidationError("Use letters, digits, _ and - only.")
        if name.lower() in PROTOCOL_NAMES.split():
            raise forms.ValidationError("The protocol uses this name for something else.")
        return name


def _places(url: str, dialect: Dialect) -> set[tuple[str, str]]:
    """Return the servers that get requests, and with them the key."""
    parts = map(urlsplit, dialect.all_addresses(url))
    return {(part.scheme, part.netloc) for part in parts}
