"""Mails about second looks, to those who may confirm them. The looks are the queue."""

from __future__ import annotations

from django.conf import settings
from django.core.mail import EmailMessage
from django.core.mail.backends.base import BaseEmailBackend
from django.template.loader import render_to_string
from django.urls import reverse

from panel.alerts.causes import Cause
from panel.lib.money import format_money
from panel.mail_queue import MailQueue, send_due
from panel.site import registry as site
from panel.site.html_mail import dress
from panel.site.names import sender
from panel.staff.looks import confirmers_of, lapse_looks
from panel.staff.models import SecondLook


def send_look_mails() -> int:
    """Close the looks that nobody decided about, and send the mails that are due. Return how many were sent."""
    lapse_looks()
    return send_due(QUEUE)


def write_look_mail(look: SecondLook, connection: BaseEmailBackend | None = None) -> EmailMessage | None:
    """Return the mail to the people who may confirm, else to the sole owner who asked; None once it is decided."""
    if look.state != SecondLook.State.WAITING:
        return None
    others = confirmers_of(look)
    panel = site.PANEL_NAME.value
    context = {
        "look": look,
        "amount": format_money(look.amount, settings.PANEL_CURRENCY, exact=True),
        "is_alone": not others,
        "address": f"{settings.SITE_URL}{reverse('admin:staff_secondlook_change', args=[look.pk])}",
        "panel_name": panel,
    }
    plain = EmailMessage(
        from_email=sender(),
        subject=f"{look.asked_by.email} asks for a second look · {panel}",
        body=render_to_string("mail/second_look.txt", context),
        # The person who asked, too: a thief of their session may have named the second person.
        to=sorted({look.asked_by.email, *(one.email for one in others)}),
        connection=connection,
    )
    return dress(plain)


QUEUE = MailQueue(
    rows=lambda: SecondLook.objects.select_related("asked_by", "customer"),
    write=write_look_mail,
    unchanged=("state",),
    alert=Cause.LOOK_MAILS,
    unreachable="The mail server cannot be reached: nobody gets a mail about second looks.",
    refused=lambda look: f"The mail about second look {look.pk} could not be sent: the server refuses it.",
)
