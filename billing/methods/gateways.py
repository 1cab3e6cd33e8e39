"""Every gateway as a payment method: the customer is sent to its page, or shown where to pay."""

from __future__ import annotations

from collections.abc import Sequence

from django.urls import reverse
from django.utils.translation import gettext as _

from billing.intake.addresses import origin_of
from billing.intake.credentials import credentials_of
from billing.intake.gateways import Gateway, gateways
from billing.intake.invoices import open_invoice
from billing.methods import Method, MethodFailed, register
from billing.models import Deposit, Invoice, PaymentMethod
from panel.lib.crypto import Undecryptable


class GatewayMethod(Method):
    """The method of one gateway."""

    destination = ("credentials_encrypted", "is_sandbox")
    secrets = ("credentials_encrypted",)

    def __init__(self, gateway: Gateway) -> None:
        self.code = gateway.code  # type: ignore[misc]
        self.label = gateway.label  # type: ignore[misc]
        self.gateway = gateway

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
