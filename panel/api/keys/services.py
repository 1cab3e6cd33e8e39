"""API keys of the served API: create, change, list and revoke them."""

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
from django.utils.translation import gettext as _

from orders.models import Order
from panel.accounts.addresses import hold_account
from panel.accounts.models import ApiKey, User
from panel.accounts.sign_up import lacks_confirmed_address
from panel.api.key_use import digest_of
from panel.lib import clock
from panel.lib.panel_days import panel_day, panel_moment

# Keys in use per customer.
MAX_KEYS = 20
# Revoked ones count too: each new key sends a mail to an address that may be unconfirmed.
MAX_MADE_A_DAY = 40
MAX_NETWORKS = 50
ONE_DAY = timedelta(days=1)


class TooManyKeys(Exception):
    """The customer has reached the limit; no key was created. The message is for them."""


class AddressNotConfirmed(Exception):
    """The customer's address is not confirmed; nothing was changed. The message is for them."""

    def __init__(self) -> None:
        super().__init__(_("Confirm your e-mail address first: we mail you when a key is made or changed."))


class KeyMadeBefore(Exception):
    """This form created `key` already; its secret can no longer be shown."""

    def __init__(self, key: ApiKey) -> None:
        super().__init__(str(key))
        self.key = key


class BadNetwork(ValueError):
    """The text is not an address or a network. The message is for the person who typed it."""


@dataclass(frozen=True, slots=True)
class NewKey:
    """A new key with its secret, which is not stored."""

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
    """Create a key: 32 random bytes as 64 hexadecimal digits. `daily_limit` is in micro-units.

    One for each `request_key` of a customer. Raise TooManyKeys, KeyMadeBefore, AddressNotConfirmed, or
    PermissionDenied if an owner changed the address since the customer was read.
    """
    if lacks_confirmed_address(customer):
        raise AddressNotConfirmed
    secret = secrets.token_hex(32)
    # Locked: of two forms sent at once, the second sees the first one's key, and the mail about a changed address lists
    # every key.
    with hold_account(customer):
        if request_key and (before := ApiKey.objects.filter(customer=customer, request_key=request_key).first()):
            raise KeyMadeBefore(before)
        if keys_in_use(customer=customer).count() >= MAX_KEYS:
            text = _("You have %(count)s keys, which is the most. Revoke one that you no longer use.")
            raise TooManyKeys(text % {"count": MAX_KEYS})
        if ApiKey.objects.filter(customer=customer, created_at__gt=clock.now() - ONE_DAY).count() >= MAX_MADE_A_DAY:
            text = _("You have made %(count)s keys within a day, which is the most. Try again tomorrow.")
            raise TooManyKeys(text % {"count": MAX_MADE_A_DAY})
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
    """Change the name and the limits, from the next request on. Return False if the key is revoked.

    `daily_limit` is in micro-units; a new one counts what was ordered earlier today. The secret stays.
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
            # Nothing is counted without a limit.
            changes |= {"spent": _charged_today(held), "spent_on": panel_day()}
        ApiKey.objects.filter(pk=held.pk).update(**changes)
    return True


def _charged_today(key: ApiKey) -> int:
    """Return what was ordered with the key since midnight, in micro-units; drip-feeds with all runs."""
    midnight = panel_moment(panel_day())
    orders = Order.objects.filter(customer=key.customer_id, created_at__gte=midnight, api_key_ref=key.pk)
    return orders.aggregate(charged=Sum(Coalesce("drip_feed__charge", "charge")))["charged"] or 0


def keys_in_use(*, customer: User) -> QuerySet[ApiKey]:
    """Return the customer's keys that are not revoked, newest first."""
    return ApiKey.objects.filter(customer=customer).in_use()


def keys_revoked(*, customer: User) -> QuerySet[ApiKey]:
    """Return the customer's revoked keys, latest revoked first."""
    return ApiKey.objects.filter(customer=customer, revoked_at__isnull=False).order_by("-revoked_at", "-pk")


def revoke_key(*, key: ApiKey) -> bool:
    """Revoke the key for good, from the next request on. Return False if it was revoked before."""
    return bool(ApiKey.objects.filter(pk=key.pk, revoked_at=None).update(revoked_at=clock.now()))


def switch_key_on(*, key: ApiKey) -> bool:
    """Switch on a key that a new password switched off. Return False if it was on or revoked before.

    Raise AddressNotConfirmed.
    """
    if lacks_confirmed_address(key.customer):
        raise AddressNotConfirmed
    return bool(ApiKey.objects.filter(pk=key.pk, revoked_at=None, off_since__isnull=False).update(off_since=None))


def read_networks(text: str) -> list[str]:
    """Return addresses and networks ("192.0.2.7", "2001:db8::/32") in canonical form, each once. Raise BadNetwork.

    Lines, spaces or commas separate them.
    """
    found: list[str] = []
    for word in text.replace(",", " ").split():
        try:
            network = str(_unmapped(ip_network(word, strict=False)))
        except ValueError:
            raise BadNetwork(
                _("“%(word)s” is no address or network. Write them as 192.0.2.7 or 192.0.2.0/24.") % {"word": word[:60]}
            ) from None
        found.append(network)
    unique = list(dict.fromkeys(found))
    if len(unique) > MAX_NETWORKS:
        text = _("These are %(count)s networks; at most %(most)s are possible.")
        raise BadNetwork(text % {"count": len(unique), "most": MAX_NETWORKS})
    return unique


def _unmapped(network: IPv4Network | IPv6Network) -> IPv4Network | IPv6Network:
    """Return ::ffff:192.0.2.7 as 192.0.2.7, as clients are seen. Raise ValueError for a network card's name."""
    if isinstance(network, IPv4Network):
        return network
    if network.network_address.scope_id:
        raise ValueError
    mapped = network.network_address.ipv4_mapped
    return network if mapped is None or network.prefixlen < 96 else IPv4Network((mapped, network.prefixlen - 96))
