"""The e-mail address of an account, changed by an owner: the old one opens nothing any more, and both are told."""

from __future__ import annotations

from allauth.account.models import EmailAddress
from django.conf import settings
from django.core.mail import EmailMessage
from django.core.mail.backends.base import BaseEmailBackend
from django.db import IntegrityError, transaction
from django.db.models import F
from django.template.loader import render_to_string
from django.utils.translation import gettext as _

from panel.accounts.keys import keys_in_use
from panel.accounts.models import AddressNotice, User
from panel.hints import hint_after_commit
from panel.mail_queue import MailQueue, send_due


class AddressRefused(Exception):
    """Nothing was changed. The message is for staff."""


def is_taken(*, address: str, by_others_than: User | None = None) -> bool:
    """Return True if another account signs in with `address`, or has confirmed it as a further one."""
    others = User.objects.filter(email__iexact=address)
    confirmed = EmailAddress.objects.filter(email__iexact=address, verified=True)
    if by_others_than is not None:
        others = others.exclude(pk=by_others_than.pk)
        confirmed = confirmed.exclude(user=by_others_than)
    return others.exists() or confirmed.exists()


def change_address(*, user: User, address: str) -> None:
    """Move `user`, as it was seen, to another address, and end all that the old one opened.

    Sessions end; so do links to set a password, which are made of the address; addresses to sign in or to get such
    links with are gone, but for the new one, which is not confirmed yet. Both addresses are told by mail. The password
    and the API keys stay. Raises AddressRefused.
    """
    old, new = user.email, address.lower()
    if old.lower() == new:
        raise AddressRefused(_("This is the address that the account has."))
    if is_taken(address=new, by_others_than=user):
        raise AddressRefused(_("Another account has this address."))
    try:
        with transaction.atomic():
            moved = User.objects.filter(pk=user.pk, email=old).update(
                email=new, session_generation=F("session_generation") + 1
            )
            if not moved:
                raise AddressRefused(_("The address changed since you opened this page. Look at it again."))
            EmailAddress.objects.filter(user=user).delete()
            EmailAddress.objects.create(user=user, email=new, primary=True, verified=False)
            AddressNotice.objects.bulk_create(
                [AddressNotice(user=user, old=old, new=new, recipient=recipient) for recipient in (old, new)]
            )
            hint_after_commit("panel.accounts.tasks.send_account_mails")
    except IntegrityError as error:
        raise AddressRefused(_("Another account took this address just now.")) from error


def send_address_notices() -> int:
    """Run one round over the notices that are due; return how many were sent."""
    return send_due(QUEUE)


def write_notice(notice: AddressNotice, connection: BaseEmailBackend | None = None) -> EmailMessage:
    """Return the mail to one of the two addresses, with the API keys that go on working."""
    context = {
        "notice": notice,
        "keys": keys_in_use(customer=notice.user),
        "panel_name": settings.PANEL_NAME,
        "support_email": settings.SUPPORT_EMAIL,
    }
    return EmailMessage(
        subject=_("The e-mail address of your account was changed · %(panel)s") % {"panel": settings.PANEL_NAME},
        body=render_to_string("mail/address_changed.txt", context),
        to=[notice.recipient],
        connection=connection,
    )


QUEUE = MailQueue(
    rows=lambda: AddressNotice.objects.select_related("user"),
    write=write_notice,
    told=(),
    alert="address-notices",
    unreachable="The mail server cannot be reached: customers are not told that their address was changed.",
    refused=lambda notice: (
        f"{notice.recipient} could not be told that the address of account {notice.user_id} was changed: "
        "the mail is refused."
    ),
)
