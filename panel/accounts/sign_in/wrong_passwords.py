"""Limits of wrong passwords. A password that is right gives its attempt back.

    an address        however many accounts it tries
    both              one account from one address
    an account        from everywhere, so high that only many addresses reach it
    a known device    counts for itself alone: nobody locks out whoever signed in with it before

The numbers are in settings (ACCOUNT_RATE_LIMITS); the cache counts.
"""

from __future__ import annotations

from allauth.core.internal import ratelimit
from django.http import HttpRequest

from panel.accounts.sign_in.devices import device_for

_APP = "allauth.account"


def count_attempt(request: HttpRequest, *, typed: str) -> ratelimit.RateLimitUsage | None:
    """Count an attempt to sign in with the address `typed`. Return its usage to roll back, or None beyond a limit."""
    if device := device_for(request, typed=typed):
        return _count(request, "sign_in_device", device)
    counted = ratelimit.RateLimitUsage(usage=[])
    # What only the attacker uses up comes first: an attempt that it refuses does not count for the account.
    for action, key in _keys(request, typed):
        usage = _count(request, action, key)
        if usage is None:
            return None
        counted.usage.extend(usage.usage)
    return counted


def forget_attempts(request: HttpRequest, *, typed: str) -> None:
    """Forget the wrong passwords for the account: its owner set a new one, with a link that came by mail."""
    for action, key in _keys(request, typed)[1:]:
        ratelimit.clear(request, app=_APP, action=action, key=key)


def _count(request: HttpRequest, action: str, key: str) -> ratelimit.RateLimitUsage | None:
    return ratelimit.consume(request, app=_APP, action=action, key=key)


def _keys(request: HttpRequest, typed: str) -> tuple[tuple[str, str], ...]:
    """Return the limits in the order in which they are counted, with what each counts by."""
    account = typed.lower()
    return (
        ("sign_in_address", ""),
        ("sign_in_pair", f"{ratelimit.get_ip(request)} {account}"),
        ("sign_in_account", account),
    )
