"""Telling customers by mail how their deposits stand. The deposits are the queue: `mail_due_at`, an indexed column.

1. Claim: push `mail_due_at` past a lease, on condition that it is as it was read. One of several wins.
2. Send, outside of any transaction.
3. Clear it, on condition that the state is still the one that was told; else the next round tells the new one.

A process that dies between 2 and 3 sends the mail again: twice is better than never.
"""

from __future__ import annotations

from datetime import timedelta

import structlog
from django.conf import settings
from django.core.mail import EmailMessage, get_connection
from django.core.mail.backends.base import BaseEmailBackend
from django.db.models import F
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone

from billing.models import Deposit
from panel.ops.alerts import raise_alert, resolve_alert

log = structlog.get_logger(__name__)

A_ROUND = 50
LEASE = timedelta(minutes=5)
MOST_ATTEMPTS = 8
_FIRST_WAIT = timedelta(minutes=1)
_LONGEST_WAIT = timedelta(hours=6)
_ALERT = "deposit-mails"

SUBJECTS = {
    Deposit.State.PENDING: "We got your request to add funds",
    Deposit.State.APPROVED: "Your funds were added",
    Deposit.State.REFUSED: "Your request to add funds was refused",
}


def send_due_mails() -> int:
    """One round over the mails that are due; how many were sent."""
    due = list(
        Deposit.objects.filter(mail_due_at__lte=timezone.now())
        .order_by("mail_due_at")
        .values_list("pk", "mail_due_at")[:A_ROUND]
    )
    sent = 0
    connection = get_connection()
    try:
        for pk, due_at in due:
            if not _reach(connection):
                break  # Nothing was claimed, so a server that is down uses up no attempts.
            lease = timezone.now() + LEASE
            claimed = Deposit.objects.filter(pk=pk, mail_due_at=due_at).update(
                mail_due_at=lease, mail_attempts=F("mail_attempts") + 1
            )
            # Read with the lease: what was decided this moment is due again, and is somebody else's to claim.
            held = Deposit.objects.select_related("customer", "method").filter(pk=pk, mail_due_at=lease)
            if claimed and (deposit := held.first()):
                sent += _send(deposit, connection)
    finally:
        connection.close()
    return sent


def wait_after(attempts: int) -> timedelta:
    """How long to wait after so many attempts that failed."""
    return min(_FIRST_WAIT * 4 ** (attempts - 1), _LONGEST_WAIT)


def _reach(connection: BaseEmailBackend) -> bool:
    try:
        connection.open()
    except Exception as error:  # Each mail backend has its own family of errors.
        log.warning("mail server not reached", error=type(error).__name__)
        raise_alert(cause=_ALERT, text="The mail server cannot be reached: customers are not told of their deposits.")
        return False
    return True


def _send(deposit: Deposit, connection: BaseEmailBackend) -> bool:
    """Sends what `deposit`, as it was claimed, stands at; whether it was sent."""
    told = Deposit.objects.filter(pk=deposit.pk, state=deposit.state, mail_due_at=deposit.mail_due_at)
    try:
        if deposit.state in SUBJECTS:
            write_mail(deposit, connection).send()
    except Exception as error:  # Each mail backend has its own family of errors.
        log.warning("mail not sent", deposit=deposit.pk, error=type(error).__name__)
        connection.close()  # It may be of no use after an error.
        if deposit.mail_attempts < MOST_ATTEMPTS:
            told.update(mail_due_at=timezone.now() + wait_after(deposit.mail_attempts))
        elif told.update(mail_due_at=None):
            raise_alert(
                cause=_ALERT, text=f"The customer of deposit {deposit.pk} could not be told: the mail is refused."
            )
        return False
    if told.update(mail_due_at=None, mail_attempts=0):
        resolve_alert(cause=_ALERT)
    return True


def write_mail(deposit: Deposit, connection: BaseEmailBackend | None = None) -> EmailMessage:
    """The mail that tells the state of `deposit`."""
    address = f"{settings.SITE_URL}{reverse('deposit_detail', args=[deposit.pk])}"
    context = {"deposit": deposit, "address": address, "panel_name": settings.PANEL_NAME}
    return EmailMessage(
        subject=f"{SUBJECTS[Deposit.State(deposit.state)]} · {settings.PANEL_NAME}",
        body=render_to_string(f"mail/deposit_{deposit.state}.txt", context),
        to=[deposit.customer.email],
        connection=connection,
    )
