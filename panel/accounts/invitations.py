"""Invite colleagues and customers by a mailed link, with which they choose a password.

    invited → active      the link was used in time
            → withdrawn   staff withdrew it: `invited_at` is null, and the account stays inactive

An inactive account without a password can be invited again at any time; the new link replaces the one before.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from hashlib import sha256

from allauth.account.models import EmailAddress
from django.conf import settings
from django.contrib.auth.hashers import make_password
from django.core import signing
from django.db import IntegrityError, transaction
from django.urls import reverse
from django.utils import timezone

from panel.accounts.models import AccountMail, User
from panel.lib import clock
from panel.lib.task_hints import hint_after_commit

MAX_AGE = timedelta(hours=48)
_SALT = "panel.accounts.invitations"


class InvitationOver(Exception):
    """The invitation was used, withdrawn or renewed, or has expired. Nothing was changed."""


def ends_at(user: User) -> datetime | None:
    """Return when the invitation of `user` ends or ended, or None if there is none."""
    return user.invited_at + MAX_AGE if user.invited_at else None


def can_be_invited(user: User) -> bool:
    """Return True for an inactive account that never had a password, and was not closed by its holder."""
    return not user.is_active and not user.has_usable_password() and user.closed_at is None


def invite(*, user: User) -> None:
    """Save a new account as inactive and invited, and queue the mail with its link. Raise IntegrityError."""
    user.set_unusable_password()
    user.is_active, user.invited_at = False, timezone.now()
    with transaction.atomic():
        user.save()
        _queue_mail(user)


def renew_invitation(*, user: User) -> bool:
    """Restart the 48 hours with a new link; earlier links stop working. Return False if `user` accepted meanwhile."""
    with transaction.atomic():
        same = User.objects.filter(pk=user.pk, email=user.email, password=user.password)
        renewed = same.filter(is_active=False, closed_at=None)
        if not renewed.update(invited_at=timezone.now()):
            return False
        _queue_mail(user)
    return True


def remind_invited(*, email: str) -> bool:
    """Queue the mail of an open invitation again, with the same end. Return False if there is none."""
    invited = User.objects.filter(email=email.lower(), is_active=False, invited_at__gt=timezone.now() - MAX_AGE)
    for user in invited:
        _queue_mail(user)
    return bool(invited)


def withdraw_invitation(*, user: User) -> bool:
    """Withdraw the invitation. Return False if `user` accepted meanwhile or has none."""
    return bool(User.objects.filter(pk=user.pk, is_active=False, invited_at__isnull=False).update(invited_at=None))


def link_of(user: User) -> str:
    """Return the link of the invitation. Whoever holds it may choose the password."""
    token = signing.dumps([user.pk, _stamp(user)], salt=_SALT)
    return f"{settings.SITE_URL}{reverse('invitation', args=[token])}"


def find_invited(token: str) -> User:
    """Return the account that this link invites, while it is valid. Raise InvitationOver."""
    try:
        pk, stamp = signing.loads(token, salt=_SALT)
    except signing.BadSignature as error:
        raise InvitationOver from error
    user = User.objects.filter(pk=pk, is_active=False, invited_at__gt=timezone.now() - MAX_AGE).first()
    if user is None or _stamp(user) != stamp:
        raise InvitationOver
    return user


def accept_invitation(*, user: User, password: str) -> None:
    """Open the account of `user`, as `find_invited` returned it, with this password, once. Raise InvitationOver.

    Confirm the address too: the link came by mail.
    """
    hashed = make_password(password)
    try:
        with transaction.atomic():
            opened = User.objects.filter(
                pk=user.pk, email=user.email, is_active=False, invited_at=user.invited_at
            ).update(password=hashed, is_active=True, invited_at=None)
            if not opened:
                raise InvitationOver
            EmailAddress.objects.filter(user=user).delete()
            EmailAddress.objects.create(user=user, email=user.email, primary=True, verified=True)
    except IntegrityError as error:  # Another account confirmed the address meanwhile.
        raise InvitationOver from error
    user.refresh_from_db()


def _queue_mail(user: User) -> None:
    kind, now = AccountMail.Kind.INVITATION, clock.now()
    AccountMail.objects.create(user=user, kind=kind, recipient=user.email, created_at=now, mail_due_at=now)
    hint_after_commit("panel.accounts.tasks.send_account_mails")


def _stamp(user: User) -> str:
    """Return a digest that changes with a new invitation or address, and so invalidates the links before."""
    return sha256(f"{user.invited_at} {user.email}".encode()).hexdigest()[:32]
