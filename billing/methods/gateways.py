"""Every gateway as a payment method: the customer is sent to its page, or shown where to pay."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django import forms
from django.conf import settings
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, gettext_noop

from billing.forms import INVISIBLE, DepositForm
from billing.intake.addresses import origin_of
from billing.intake.credentials import credentials_of
from billing.intake.gateways import Gateway, Option, gateways
from billing.intake.invoices import open_invoice
from billing.intake.options import offered_options
from billing.methods import Method, MethodFailed, register
from billing.models import Deposit, Invoice, PaymentMethod
from panel.lib.crypto import Undecryptable
from panel.lib.money import format_money_up

_NOT_NOW = gettext_lazy(
    "The payment service does not say at the moment which coins it takes. Choose another way to pay, or come back in a "
    "few minutes."
)


class OptionForm(DepositForm):
    """The amount, and the coin to pay it in, whose smallest amount is kept."""

    option = forms.ChoiceField(
        label=gettext_lazy("Coin"),
        error_messages={
            **INVISIBLE,
            "required": gettext_lazy("Choose the coin to pay in."),
            "invalid_choice": gettext_lazy("This coin is not taken at the moment. Choose another."),
        },
    )
    field_order = ("amount", "option", "coupon")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.offered = {one.code: one for one in offered_options(self.method)}
        field = self.fields["option"]
        assert isinstance(field, forms.ChoiceField)
        field.choices = [("", _("Choose…")), *((one.code, _shown(one)) for one in self.offered.values())]
        field.help_text = _("Coins sent over another network than the one named here are lost.")
        if not self.offered:
            field.help_text = _NOT_NOW
            field.error_messages |= {"required": _NOT_NOW, "invalid_choice": _NOT_NOW}

    def clean(self) -> dict[str, Any]:
        data = super().clean()
        chosen, amount = self.offered.get(data.get("option", "")), data.get("amount")
        if chosen and amount is not None and amount < chosen.minimum:
            self.add_error(
                "amount",
                _("%(coin)s on %(network)s takes %(minimum)s or more at once. Add more, or choose another coin.")
                % {"coin": chosen.label, "network": chosen.network or chosen.label, "minimum": _least(chosen)},
            )
        return data


def _shown(option: Option) -> str:
    """Return the text of an option, such as “USDT, TRON (TRC-20), $5.20 or more”."""
    values = {"coin": option.label, "network": option.network, "minimum": _least(option)}
    if not option.network:
        return _("%(coin)s, %(minimum)s or more") % values if option.minimum else option.label
    if not option.minimum:
        return _("%(coin)s, %(network)s") % values
    return _("%(coin)s, %(network)s, %(minimum)s or more") % values


def _least(option: Option) -> str:
    return format_money_up(option.minimum, settings.PANEL_CURRENCY)


class GatewayMethod(Method):
    """The method of one gateway."""

    destination = ("credentials_encrypted", "is_sandbox")
    secrets = ("credentials_encrypted",)

    def __init__(self, gateway: Gateway) -> None:
        self.code = gateway.code  # type: ignore[misc]
        self.label = gateway.label  # type: ignore[misc]
        self.gateway = gateway
        if gateway.has_options:
            self.form = OptionForm  # type: ignore[misc]
            self.button = gettext_noop("Show where to pay")  # type: ignore[misc]

    def is_set_up(self, offered: PaymentMethod) -> bool:
        return bool(offered.credentials_encrypted)

    def origins_of(self, offered: PaymentMethod) -> Sequence[str]:
        try:
            return self.gateway.origins_for(credentials_of(offered))
        except Undecryptable:
            return ()

    def begin(self, deposit: Deposit) -> str:
        invoice = open_invoice(deposit=deposit)
        if invoice.state == Invoice.State.FAILED:
            raise MethodFailed(
                _("This way to pay does not work at the moment. Nothing was charged. Choose another, or try it later.")
            )
        # The browser follows to no other site. The deposit's page has a link, or waits for an answer.
        is_followed = invoice.url and origin_of(invoice.url) in self.origins_of(deposit.method)
        return invoice.url if is_followed else reverse("deposit_detail", args=[deposit.pk])


for _gateway in gateways().values():
    register(GatewayMethod(_gateway))
