"""Every gateway as a payment method: the customer is sent to its page, or shown where to pay."""

from __future__ import annotations

from django.urls import reverse
from django.utils.translation import gettext as _

from billing.intake.gateways import Gateway, gateways
from billing.intake.invoices import open_invoice
from billing.methods import Method, MethodFailed, register
from billing.models import Deposit, Invoice, PaymentMethod


class GatewayMethod(Method):
    """The method of one gateway."""

    destination = ("credentials_encrypted", "is_sandbox")
    secrets = ("credentials_encrypted",)

    def __init__(self, gateway: Gateway) -> None:
        self.code = gateway.code  # type: ignore[misc]
        self.label = gateway.label  # type: ignore[misc]
        self.origins = gateway.origins  # type: ignore[misc]

    def is_set_up(self, offered: PaymentMethod) -> bool:
        return bool(offered.credentials_encrypted)

    def begin(self, deposit: Deposit) -> str:
        invoice = open_invoice(deposit=deposit)
        if invoice.state == Invoice.State.FAILED:
            raise MethodFailed(
                _("This way to pay does not work at the moment. Nothing was charged. Choose another, or try it later.")
            )
        # The browser follows the form to these sites only. The deposit's page links to any other, and waits for an
        # answer that did not come yet.
        is_allowed = invoice.url.startswith(tuple(f"{origin}/" for origin in self.origins))
        return invoice.url if is_allowed else reverse("deposit_detail", args=[deposit.pk])


for _gateway in gateways().values():
    register(GatewayMethod(_gateway))
