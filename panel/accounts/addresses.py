"""Change the e-mail address of an account, by an owner: the old one stops working, and both get a mail."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from allauth.account.models import EmailAddress
from django.core.exceptions import PermissionDenied
from django.db import IntegrityError, transaction
from django.db.models import F
from django.utils.translation import gettext as _

from panel.accounts.models import AccountMail, User
from panel.accounts.visits import end_visits_of
from panel.lib import clock
from panel.lib.task_hints import hint_after_commit


class AddressRefused(Exception):
    """The address was not changed. The message is for staff."""


def is_taken(*, address: str, by_others_than: User | None = None) -> bool:
    """Return True if another account signs in with `address` or has confirmed it as an additional one."""
    others = User.objects.filter(email__iexact=address)
    confirmed = EmailAddress.objects.filter(email=address.lower(), verified=True)
    if by_others_than is not None:
        others = others.exclude(pk=by_others_than.pk)
        confirmed = confirmed.exclude(user=by_others_than)
    return others.exists() or confirmed.exists()


def change_address(*, user: User, address: str) -> None:
    """Move `user`, as it was read, to another address, and end everything that the old one opened.

    End the sessions, an open invitation, and password links, which are made from the address. Keep only the new
    address for signing in, not confirmed yet. Queue a mail to both addresses. The password and the API keys stay.
    Raise AddressRefused if the address is taken or unchanged.
    """
    old, new = user.email, address.lower()
    if old.lower() == new:
        raise AddressRefused(_("This is the address that the account has."))
    if is_taken(address=new, by_others_than=user):
        raise AddressRefused(_("Another account has this address."))
    try:
        with transaction.atomic():
            moved = User.objects.filter(pk=user.pk, email=old).update(
                email=new, session_generation=F("session_generation") + 1, invited_at=None
            )
            if not moved:
                raise AddressRefused(_("The address changed since you opened this page. Look at it again."))
            if user.is_staff:
                end_visits_of(staff_id=user.pk)
            EmailAddress.objects.filter(user=user).delete()
            EmailAddress.objects.create(user=user, email=new, primary=True, verified=False)
            kind, now = AccountMail.Kind.ADDRESS, clock.now()
            AccountMail.objects.bulk_create(
                AccountMail(
                    user=user, kind=kind, recipient=recipient, old=old, new=new, created_at=now, mail_due_at=now
                )
                for recipient in (old, new)
            )
            hint_after_commit("panel.accounts.tasks.send_account_mails")
    except IntegrityError as error:
        raise AddressRefused(_("Another account took this address just now.")) from error


def was_moved_from(*, user: User, address: str) -> bool:
    """Return True if an owner moved the account away from `address` and not back to it.

    An earlier request may have added the old address again, for its holder to confirm later. It must open nothing.
    """
    moved = AccountMail.objects.filter(user=user, kind=AccountMail.Kind.ADDRESS, old__iexact=address)
    return moved.exists() and not User.objects.filter(pk=user.pk, email__iexact=address).exists()


@contextmanager
def hold_account(user: User) -> Iterator[None]:
    """Lock the account as it was read while allauth writes its addresses. Raise PermissionDenied if it was moved.

    allauth saves a row that it read earlier. If `change_address` deleted that row meanwhile, saving inserts it
    again, and the old mailbox would become a confirmed address of the account once more.
    """
    with transaction.atomic():
        same = User.objects.filter(pk=user.pk, email=user.email, session_generation=user.session_generation)
        if same.select_for_update(no_key=True).first() is None:
            raise PermissionDenied
        yield
