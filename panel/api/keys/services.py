"""Keys of the served API: made, changed, listed, revoked."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Any

from django.db import transaction
from django.db.models import QuerySet, Sum
from django.db.models.functions import Coalesce
from django.utils import timezone

from orders.models import Order
from panel.accounts.addresses import hold_account
from panel.accounts.models import ApiKey, User
from panel.api.key_use import digest_of

# Keys in use of one customer.
MAX_KEYS = 20
# Revoked or not: each key that is made sends a mail to an address that nobody may have confirmed.
MAX_MADE_A_DAY = 40
MAX_NETWORKS = 50
ONE_DAY = timedelta(days=1)


class TooManyKeys(Exception):
    """The customer has as many as there may be; nothing was made. The message is for them."""


class KeyMadeBefore(Exception):
    """This form made `key` already; its secret is not known any more."""

    def __init__(self, key: ApiKey) -> None:
        super().__init__(str(key))
        self.key = key


class BadNetwork(ValueError):
    """This is no address or network. The message is for the person who typed it."""


@dataclass(frozen=True, slots=True)
class NewKey:
    """`secret` is known at this moment alone."""

    key: ApiKey
    secret: str


def make_key(
    *,
    customer: User,
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
        if keys_in_use(customer=customer).count() >= MAX_KEYS:
            raise TooManyKeys(f"You have {MAX_KEYS} keys, which is the most. Revoke one that you no longer use.")
        if ApiKey.objects.filter(customer=customer, created_at__gt=timezone.now() - ONE_DAY).count() >= MAX_MADE_A_DAY:
            raise TooManyKeys(f"You have made {MAX_MADE_A_DAY} keys within a day, which is the most.")
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


def keys_in_use(*, customer: User) -> QuerySet[ApiKey]:
    """The customer's keys that are not revoked, newest first."""
    return ApiKey.objects.filter(customer=customer).in_use()


def keys_revoked(*, customer: User) -> QuerySet[ApiKey]:
    """The customer's other keys, latest revoked first."""
    return ApiKey.objects.filter(customer=customer, revoked_at__isnull=False).order_by("-revoked_at", "-pk")


def revoke_key(*, key: ApiKey) -> bool:
    """Ends the key for good, from the next request on; False if it was revoked before."""
    return bool(ApiKey.objects.filter(pk=key.pk, revoked_at=None).update(revoked_at=timezone.now()))


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
    if len(unique) > MAX_NETWORKS:
        raise BadNetwork(f"These are {len(unique)} networks; at most {MAX_NETWORKS} are possible.")
    return unique


def _unmapped(network: IPv4Network | IPv6Network) -> IPv4Network | IPv6Network:
    """::ffff:192.0.2.7 as 192.0.2.7: as the former no client is ever seen. Raises ValueError for a network card."""
    if isinstance(network, IPv4Network):
        return network
    if network.network_address.scope_id:
        raise ValueError
    mapped = network.network_address.ipv4_mapped
    return network if mapped is None or network.prefixlen < 96 else IPv4Network((mapped, network.prefixlen - 96))
