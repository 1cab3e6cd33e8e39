"""Mails about accounts that must be sent even if the mail server is down or the process dies: rows are the queue."""

from __future__ import annotations

from django.conf import settings
from django.core.mail import EmailMessage
from django.core.mail.backends.base import BaseEmailBackend
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from panel.accounts.invitations import ends_at, link_of
from panel.accounts.models import AccountMail, ApiKey
from panel.alerts.causes import Cause
from panel.mail_queue import MailQueue, send_due
from panel.site import registry as site
from panel.site.html_mail import dress
from panel.site.names import sender


def send_account_mails() -> int:
    """Send the mails that are due. Return how many were sent."""
    return send_due(QUEUE)


def write_account_mail(mail: AccountMail, connection: BaseEmailBackend | None = None) -> EmailMessage | None:
    """Return the mail for the current state of the account, or None if it is no longer needed."""
    if mail.kind == AccountMail.Kind.NOTICE:
        return _message(mail, mail.subject, mail.body, connection)
    panel = site.PANEL_NAME.value
    context = {
        "mail": mail,
        "user": mail.user,
        "panel_name": panel,
        "support_email": site.SUPPORT_EMAIL.value,
        "support_url": site.SUPPORT_URL.value,
    }
    if mail.kind == AccountMail.Kind.ADDRESS:
        subject = _("The e-mail address of your account was changed · %(panel)s") % {"panel": panel}
        body = render_to_string(
            "mail/address_changed.txt", {**context, "keys": ApiKey.objects.filter(customer=mail.user).in_use()}
        )
    elif mail.kind == AccountMail.Kind.OWNERS:
        subject = f"URGENT · {(mail.facts or {}).get('subject', '')} · {panel}"
        address = f"{settings.SITE_URL}{reverse('admin:index')}"
        body = render_to_string("mail/owner_notice.txt", {**context, "address": address})
    elif (until := ends_at(mail.user)) and until > timezone.now() and mail.user.email == mail.recipient:
        subject = _("You are invited to %(panel)s") % {"panel": panel}
        body = render_to_string("mail/invitation.txt", {**context, "link": link_of(mail.user), "ends_at": until})
    else:
        return None  # The invitation was accepted or ended before the mail was sent.
    return _message(mail, subject, body, connection)


def _message(mail: AccountMail, subject: str, body: str, connection: BaseEmailBackend | None) -> EmailMessage:
    plain = EmailMessage(subject=subject, body=body, from_email=sender(), to=[mail.recipient], connection=connection)
    return dress(plain)


QUEUE = MailQueue(
    rows=lambda: AccountMail.objects.select_related("user"),
    write=write_account_mail,
    unchanged=(),
    alert=Cause.ACCOUNT_MAILS,
    unreachable="The mail server cannot be reached: invitations, news about accounts and news for owners wait.",
    refused=lambda mail: f"“{mail.get_kind_display()}” could not be mailed to {mail.recipient}: it is refused.",
)
