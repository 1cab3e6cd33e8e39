"""Mails to customers about the state of their deposits. The deposits are the queue."""

from __future__ import annotations

from django.conf import settings
from django.core.mail import EmailMessage
from django.core.mail.backends.base import BaseEmailBackend
from django.template.loader import render_to_string
from django.urls import reverse

from billing.invoice_sums import missing_of_invoice
from billing.methods import has_reference, is_by_hand
from billing.models import Deposit
from panel.alerts.causes import Cause
from panel.mail_queue import MailQueue, send_due
from panel.site import registry as site
from panel.site.html_mail import dress
from panel.site.names import sender

SUBJECTS = {
    Deposit.State.PENDING: "We got your request to add funds",
    Deposit.State.APPROVED: "Your funds were added",
    Deposit.State.REFUSED: "Your request to add funds was refused",
}


def send_due_mails() -> int:
    """Send the mails that are due, one round; return how many were sent."""
    return send_due(QUEUE)


def write_deposit_mail(deposit: Deposit, connection: BaseEmailBackend | None = None) -> EmailMessage | None:
    """Return the mail about the state of `deposit`.

    None if the customer canceled it, or was sent on to a gateway at once: there is nothing to keep for later.
    """
    if deposit.state not in SUBJECTS or (deposit.state == Deposit.State.PENDING and not has_reference(deposit.method)):
        return None
    address = f"{settings.SITE_URL}{reverse('deposit_detail', args=[deposit.pk])}"
    context = {
        "deposit": deposit,
        "address": address,
        "panel_name": site.PANEL_NAME.value,
        "asks_to_say": is_by_hand(deposit.method) and deposit.paid_at is None,
        "missing": missing_of_invoice(deposit) if deposit.state == Deposit.State.APPROVED else 0,
    }
    plain = EmailMessage(
        from_email=sender(),
        subject=f"{SUBJECTS[Deposit.State(deposit.state)]} · {site.PANEL_NAME.value}",
        body=render_to_string(f"mail/deposit_{deposit.state}.txt", context),
        to=[deposit.customer.email],
        connection=connection,
    )
    return dress(plain)


QUEUE = MailQueue(
    rows=lambda: Deposit.objects.select_related("customer", "method"),
    write=write_deposit_mail,
    unchanged=("state",),
    alert=Cause.DEPOSIT_MAILS,
    unreachable="The mail server cannot be reached: customers get no mails about their deposits.",
    refused=lambda deposit: f"The customer of deposit {deposit.pk} could not be mailed: the server refuses it.",
)
