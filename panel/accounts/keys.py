"""Keys of the served API: made, found, held to their limits, revoked.

Of a key only its SHA-256 is stored. That suffices for 32 random bytes: there is no dictionary to try.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any

from django.db import transaction
from django.db.models import Case, F, Q, Sum, Value, When
from django.db.models.functions import Coalesce
from django.utils import timezone

from orders.models import Order
from panel.accounts.addresses import hold_account
from panel.accounts.models import ApiKey

MOST_KEYS = 20
"""Keys in use of one customer."""
MOST_MADE_A_DAY = 40
"""Revoked or not: each key that is made sends a mail to an address that nobody may have confirmed."""
MOST_NETWORKS = 50
ONE_DAY = timedelta(days=1)
USE_NOTED_EVERY = timedelta(minutes=1)
"""Not at each request: a busy key would write its row hundreds of times a second."""


class TooManyKeys(Exception):
    """The customer has as many as there may be; nothing was made. The message is for them."""


class KeyMadeBefore(Exception):
    """This form made `key` already; its secret is not known any more."""

    def __init__(self, key: ApiKey) -> None:
        super().__init__(str(key))
        self.key = key


class BadNetwork(ValueError):
    """This is no address or network. The message is for the person who typed it."""


class LimitReached(Exception):
    """The key would spend more today than it may; nothing was noted. Amounts are micro-units."""


@dataclass(frozen=True, slots=True)
class NewKey:
    """`secret` is known at this moment alone."""

    key: ApiKey
    secret: str


def make_key(
    *,
    customer: Any,
    name: str,
    networks: Sequence[str] = (),
    is_read_only: bool = False,
    daily_limit: int | None = None,
    request_key: str | None = None,
) -> NewKey:
    """A new key: 32 random bytes as 64 hexadecimal digits. `daily_limit` in micro-units.

    One for each `request_key` of a customer. Raises TooManyKeys, KeyMadeBefore, and PermissionDenied where an owner
    changed the address since the customer was read.
    """
    secret = secrets.token_hex(32)
    # Held: of two forms sent at once, one sees the key of the other; and an address that an owner changes meanwhile
    # is told with all the keys there are.
    with hold_account(customer):
        if request_key and (before := ApiKey.objects.filter(customer=customer, request_key=request_key).first()):
            raise KeyMadeBefore(before)
        if keys_in_use(customer=customer).count() >= MOST_KEYS:
            raise TooManyKeys(f"You have {MOST_KEYS} keys, which is the most. Revoke one that you no longer use.")
        if ApiKey.objects.filter(customer=customer, created_at__gt=timezone.now() - ONE_DAY).count() >= MOST_MADE_A_DAY:
            raise TooManyKeys(f"You have made {MOST_MADE_A_DAY} keys within a day, which is the most.")
        key = ApiKey.objects.create(
            customer=customer,
            name=name,
            digest=digest_of(secret),
            ending=secret[-4:],
            networks=list(networks),
            is_read_only=is_read_only,
            daily_limit=daily_limit,
            request_key=request_key or None,
        )
    return NewKey(key, secret)


def change_key(*, key: ApiKey, name: str, networks: Sequence[str], is_read_only: bool, daily_limit: int | None) -> bool:
    """Changes what the key is called and may do, from the next request on; False if it is revoked.

    `daily_limit` in micro-units; what was ordered today counts towards a new one. The secret stays.
    """
    changes: dict[str, Any] = {
        "name": name,
        "networks": list(networks),
        "is_read_only": is_read_only,
        "daily_limit": daily_limit,
    }
    with transaction.atomic():
        held = ApiKey.objects.select_for_update(no_key=True).filter(pk=key.pk, revoked_at=None).first()
        if held is None:
            return False
        if held.daily_limit is None and daily_limit is not None:
            # Without a limit nothing was counted.
            changes |= {"spent": _charged_today(held), "spent_on": timezone.localdate()}
        ApiKey.objects.filter(pk=held.pk).update(**changes)
    return True


def _charged_today(key: ApiKey) -> int:
    """Micro-units of what was ordered with the key since midnight; of drip-feeds, all runs."""
    midnight = timezone.localtime().replace(hour=0, minute=0, second=0, microsecond=0)
    orders = Order.objects.filter(customer=key.customer_id, created_at__gte=midnight, api_key_ref=key.pk)
    return orders.aggregate(charged=Sum(Coalesce("drip_feed__charge", "charge")))["charged"] or 0


def keys_in_use(*, customer: Any) -> Any:
    """The customer's keys that are not revoked, newest first."""
    return ApiKey.objects.filter(customer=customer, revoked_at=None)


def keys_revoked(*, customer: Any) -> Any:
    """The customer's other keys, latest revoked first."""
    return ApiKey.objects.filter(customer=customer, revoked_at__isnull=False).order_by("-revoked_at", "-pk")


def revoke_key(*, key: ApiKey) -> bool:
    """Ends the key for good, from the next request on; False if it was revoked before."""
    return bool(ApiKey.objects.filter(pk=key.pk, revoked_at=None).update(revoked_at=timezone.now()))


def digest_of(secret: str) -> str:
    """What is stored of a secret: its SHA-256, as 64 hexadecimal digits."""
    return hashlib.sha256(secret.encode("utf-8", "replace")).hexdigest()


def find_key(*, secret: str) -> ApiKey | None:
    """The key with its customer, if it is in use and its customer is active. One query, whichever it is."""
    in_use = ApiKey.objects.filter(revoked_at=None, customer__is_active=True).select_related("customer")
    try:
        return in_use.get(digest=digest_of(secret))
    except ApiKey.DoesNotExist:
        return None


def read_networks(text: str) -> list[str]:
    """Addresses and networks ("192.0.2.7", "2001:db8::/32"), separated by lines, spaces or commas, in their plain
    form, each once. Raises BadNetwork."""
    found: list[str] = []
    for word in text.replace(",", " ").split():
        try:
            network = str(_unmapped(ip_network(word, strict=False)))
        except ValueError:
            raise BadNetwork(
                f"“{word[:60]}” is no address or network. Write them as 192.0.2.7 or 192.0.2.0/24."
            ) from None
        found.append(network)
    unique = list(dict.fromkeys(found))
    if len(unique) > MOST_NETWORKS:
        raise BadNetwork(f"These are {len(unique)} networks; at most {MOST_NETWORKS} are possible.")
    return unique


def _unmapped(network: IPv4Network | IPv6Network) -> IPv4Network | IPv6Network:
    """::ffff:192.0.2.7 as 192.0.2.7: as the former no client is ever seen. Raises ValueError for a network card."""
    if isinstance(network, IPv4Network):
        return network
    if network.network_address.scope_id:
        raise ValueError
    mapped = network.network_address.ipv4_mapped
    return network if mapped is None or network.prefixlen < 96 else IPv4Network((mapped, network.prefixlen - 96))


def may_be_used_from(*, key: ApiKey, address: str | None) -> bool:
    """Whether the key's list has the address, or is empty."""
    if not key.networks:
        return True
    found = _plain_address(address)
    return found is not None and any(found in ip_network(one) for one in key.networks)


def _plain_address(address: str | None) -> IPv4Address | IPv6Address | None:
    """None for what is none. A server that listens on IPv6 sees IPv4 clients as ::ffff:192.0.2.7, and neighbours
    with the name of a network card behind."""
    try:
        found = ip_address((address or "").partition("%")[0])
    except ValueError:
        return None
    mapped = found.ipv4_mapped if isinstance(found, IPv6Address) else None
    return mapped or found


def note_use(*, key: ApiKey, address: str | None) -> None:
    """Remembers when and from where it was used, at most once a minute."""
    now = timezone.now()
    if key.last_used_at is not None and now - key.last_used_at < USE_NOTED_EVERY:
        return
    plain = _plain_address(address)
    ApiKey.objects.filter(
        Q(last_used_at=None) | Q(last_used_at__lte=now - USE_NOTED_EVERY), pk=key.pk, revoked_at=None
    ).update(last_used_at=now, last_address=None if plain is None else str(plain))


def spend(*, key: ApiKey, charge: int) -> None:
    """Adds `charge` (micro-units) to what the key spent today, in the panel's time zone; joins the caller's
    transaction. What is refunded later frees nothing. Raises LimitReached."""
    today = timezone.localdate()
    # Another server, or whoever had to wait for the row, may be a day behind: that must not begin a day anew.
    latest = Case(When(spent_on__range=(today, today + ONE_DAY), then=F("spent_on")), default=Value(today))
    so_far = Case(When(spent_on__range=(today, today + ONE_DAY), then=F("spent")), default=Value(0))
    # The condition stands in the update: of two orders at once, both would pass a check before it.
    moved = (
        ApiKey.objects.filter(pk=key.pk)
        .alias(so_far=so_far)
        .filter(Q(daily_limit=None) | Q(daily_limit__gte=F("so_far") + charge))
        .update(spent=so_far + charge, spent_on=latest)
    )
    if not moved:
        raise LimitReached
