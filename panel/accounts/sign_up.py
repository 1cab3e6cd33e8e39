"""What an account may do before its address is confirmed, and what a new password by mail confirms and ends."""

from __future__ import annotations

from allauth.account.models import EmailAddress
from django.db import IntegrityError, transaction

from panel.accounts.models import ApiKey, User
from panel.lib import clock
from panel.site.mail_setup import asks_for_codes


def waits_for_code(user: User) -> bool:
    """Return True if the account signed up, never got in, and no address of it is confirmed."""
    if user.last_login is not None or not asks_for_codes():
        return False
    known = set(EmailAddress.objects.filter(user=user).values_list("verified", flat=True))
    return known == {False}


def lacks_confirmed_address(user: User) -> bool:
    """Return True if mail is set up, and the address by which `user` signs in is not confirmed."""
    return (
        asks_for_codes()
        and not EmailAddress.objects.filter(user=user, email=user.email.lower(), verified=True).exists()
    )


def confirm_only_address(*, user: User) -> None:
    """Confirm the address of an account without a confirmed one: a link came to it by mail, and nowhere else."""
    known = EmailAddress.objects.filter(user=user)
    if known.filter(verified=True).exists():
        return
    try:
        with transaction.atomic():
            known.filter(email=user.email.lower()).update(verified=True, primary=True)
    except IntegrityError:
        return  # Another account confirmed the same address. It stays as it is.


def switch_keys_off(*, customer: User) -> int:
    """Switch off the API keys of `customer` that are in use, until they confirm each. Return how many."""
    return ApiKey.objects.filter(customer=customer, off_since=None).in_use().update(off_since=clock.now())
