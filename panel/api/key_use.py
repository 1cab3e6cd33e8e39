"""Look up an API key and enforce its networks and daily limit.

Only the SHA-256 of a key is stored. That suffices for 32 random bytes: there is no dictionary to try.
"""

from __future__ import annotations

import hashlib
from datetime import timedelta
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from django.db.models import Case, F, Q, Value, When

from panel.accounts.models import ApiKey
from panel.lib import clock
from panel.lib.panel_days import panel_day

ONE_DAY = timedelta(days=1)
# Not at each request: a busy key would write its row hundreds of times a second.
USE_NOTED_EVERY = timedelta(minutes=1)


class LimitReached(Exception):
    """The key would exceed its daily limit; nothing was counted. Amounts are micro-units."""


def digest_of(secret: str) -> str:
    """Return what is stored of a secret: its SHA-256, as 64 hexadecimal digits."""
    return hashlib.sha256(secret.encode("utf-8", "replace")).hexdigest()


def find_key(*, secret: str) -> ApiKey | None:
    """Return the key with its customer if it is in use and on and the customer is active, else None. One query."""
    in_use = ApiKey.objects.filter(revoked_at=None, off_since=None, customer__is_active=True).select_related("customer")
    try:
        return in_use.get(digest=digest_of(secret))
    except ApiKey.DoesNotExist:
        return None


def may_be_used_from(*, key: ApiKey, address: str | None) -> bool:
    """Return True if the key's list of networks is empty or contains the address."""
    if not key.networks:
        return True
    found = _plain_address(address)
    return found is not None and any(found in ip_network(one) for one in key.networks)


def _plain_address(address: str | None) -> IPv4Address | IPv6Address | None:
    """Return the address, or None if it cannot be read.

    A server that listens on IPv6 sees IPv4 clients as ::ffff:192.0.2.7, and link-local ones with a network card's
    name.
    """
    try:
        found = ip_address((address or "").partition("%")[0])
    except ValueError:
        return None
    mapped = found.ipv4_mapped if isinstance(found, IPv6Address) else None
    return mapped or found


def note_use(*, key: ApiKey, address: str | None) -> None:
    """Store when and from where the key was used, at most once a minute."""
    now = clock.now()
    if key.last_used_at is not None and now - key.last_used_at < USE_NOTED_EVERY:
        return
    plain = _plain_address(address)
    ApiKey.objects.filter(
        Q(last_used_at=None) | Q(last_used_at__lte=now - USE_NOTED_EVERY), pk=key.pk, revoked_at=None
    ).update(last_used_at=now, last_address=None if plain is None else str(plain))


def spend(*, key: ApiKey, charge: int) -> None:
    """Add `charge` (micro-units) to what the key spent today, in the panel's time zone. Raise LimitReached.

    Joins the caller's transaction. A later refund does not lower the sum.
    """
    today = panel_day()
    # Another server, or a request that waited for the row, may still have yesterday's date: that must not restart a
    # day.
    latest = Case(When(spent_on__range=(today, today + ONE_DAY), then=F("spent_on")), default=Value(today))
    so_far = Case(When(spent_on__range=(today, today + ONE_DAY), then=F("spent")), default=Value(0))
    # The condition is part of the update: two orders at once would both pass a check made before it.
    moved = (
        ApiKey.objects.filter(pk=key.pk)
        .alias(so_far=so_far)
        .filter(Q(daily_limit=None) | Q(daily_limit__gte=F("so_far") + charge))
        .update(spent=so_far + charge, spent_on=latest)
    )
    if not moved:
        raise LimitReached
