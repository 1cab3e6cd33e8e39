"""The log of sign-ins, for owners: who, when, from where, with which browser, and what failed.

Failures are bounded: those that are the same within an hour are one row that counts, and of an account, or of all
addresses that no account has, only so many rows an hour are kept.
"""

from __future__ import annotations

from datetime import timedelta

from allauth.account.models import EmailAddress
from django.db.models import F
from django.http import HttpRequest

from panel.accounts.client_address import client_address
from panel.accounts.models import SignIn, User
from panel.lib import clock

MAX_AGENT = 200
MAX_FAILURES = 50
_HOUR = timedelta(hours=1)


def record_sign_in(request: HttpRequest, *, user: User, is_new_device: bool) -> SignIn:
    """Record that `user` signed in."""
    now = clock.now()
    return SignIn.objects.create(
        user=user,
        outcome=SignIn.Outcome.SIGNED_IN,
        address=client_address(request),
        agent=client_agent(request),
        is_new_device=is_new_device,
        created_at=now,
        last_at=now,
    )


def record_failure(request: HttpRequest, *, outcome: SignIn.Outcome, typed: str = "", user: User | None = None) -> None:
    """Record that a sign-in failed: of `user`, or with the address `typed`, whoever has it."""
    now = clock.now()
    user = user or _account_of(typed)
    failures = SignIn.objects.filter(user=user, created_at__gt=now - _HOUR).exclude(outcome=SignIn.Outcome.SIGNED_IN)
    what = {"typed": typed[:254], "outcome": outcome, "address": client_address(request)}
    again = {"times": F("times") + 1, "last_at": now}
    if (same := failures.filter(**what).first()) is not None:
        SignIn.objects.filter(pk=same.pk).update(**again)
    elif failures.count() < MAX_FAILURES:
        SignIn.objects.create(user=user, agent=client_agent(request), created_at=now, last_at=now, **what)
    elif not failures.filter(outcome=SignIn.Outcome.FURTHER).update(**again):
        SignIn.objects.create(user=user, outcome=SignIn.Outcome.FURTHER, created_at=now, last_at=now)


def client_agent(request: HttpRequest) -> str:
    """Return what the browser calls itself, cut to what a row holds."""
    return "".join(letter for letter in request.headers.get("User-Agent", "") if letter.isprintable())[:MAX_AGENT]


def _account_of(typed: str) -> User | None:
    user = User.objects.filter(email__iexact=typed).first()
    if user is None:
        confirmed = EmailAddress.objects.filter(email=typed.lower(), verified=True).select_related("user").first()
        user = confirmed.user if confirmed else None
    return user
