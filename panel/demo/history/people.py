"""The customers of the demo: who they are, what they order, and the terms that some of them have."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256

from allauth.account.models import EmailAddress

from billing.models import Wallet
from billing.wallets import wallet_of
from catalog.models import CustomerGroup, CustomerPrice, Favourite, GroupMember, Service
from panel.accounts.models import ApiKey, User
from panel.demo.history.goods import DAY, HOUR
from panel.lib.money import MICRO

BUYER = "customer@example.com"
RESELLER = "reseller@example.com"
STUDIO = "studio@example.com"
BAND = "band@example.com"
QUIET = "quiet@example.com"
NEWCOMER = "newcomer@example.com"
DISCOUNT_BP = 800


@dataclass(frozen=True, slots=True)
class Person:
    """A customer who joined `joined` seconds ago. `share` is how often they order, `deposits` what they pay in.

    Amounts are micro-units; `handles` are the accounts that they order for.
    """

    email: str
    name: str
    share: int
    handles: tuple[str, ...]
    deposits: tuple[int, ...]
    joined: int


PEOPLE = (
    Person(BUYER, "Demo", 27, ("example_bakery", "example_coffee"), (25 * MICRO, 40 * MICRO, 50 * MICRO), 33 * DAY),
    Person(
        RESELLER,
        "Reseller",
        43,
        ("example_gym", "example_hotel", "example_shoes", "example_tours"),
        (150 * MICRO, 200 * MICRO, 250 * MICRO),
        41 * DAY,
    ),
    Person(STUDIO, "Studio", 21, ("example_studio", "example_prints"), (60 * MICRO, 80 * MICRO), 36 * DAY),
    Person(BAND, "Band", 9, ("example_band",), (20 * MICRO, 30 * MICRO), 24 * DAY),
    Person(QUIET, "Quiet", 0, ("example_poems",), (10 * MICRO,), 19 * DAY),
    Person(NEWCOMER, "Newcomer", 0, ("example_flowers",), (), 2 * HOUR),
)
BY_EMAIL = {one.email: one for one in PEOPLE}

_FAVORITES = {
    BUYER: ("Instagram followers, standard", "Instagram likes, standard", "Instagram reel views", "TikTok likes"),
    RESELLER: ("Instagram likes, standard", "YouTube views, standard", "Telegram members, standard"),
    STUDIO: ("Spotify playlist followers", "YouTube views, standard"),
}


@dataclass(frozen=True, slots=True)
class Accounts:
    """The customers by address, their wallets, and the API key that the reseller orders with."""

    users: dict[str, User]
    wallets: dict[str, Wallet]
    api_key_id: int


def write_people(*, owner: User, buyer: User, services: dict[str, Service], now: datetime) -> Accounts:
    """Create the customers besides `buyer`, with the buyer's password, and what each of them has."""
    for one in PEOPLE:
        if one.email != buyer.email:
            User.objects.bulk_create([User(email=one.email, first_name=one.name, password=buyer.password)])
    users = {user.email: user for user in User.objects.filter(email__in=BY_EMAIL)}
    for email, user in users.items():
        user.date_joined = now - timedelta(seconds=BY_EMAIL[email].joined)
        EmailAddress.objects.get_or_create(user=user, email=email, defaults={"verified": True, "primary": True})
    User.objects.bulk_update(users.values(), ["date_joined"])
    User.objects.filter(pk=owner.pk).update(date_joined=now - timedelta(days=45))
    wallets = {email: wallet_of(customer=user) for email, user in users.items()}
    group = CustomerGroup.objects.create(name="Resellers", discount_bp=DISCOUNT_BP)
    GroupMember.objects.create(customer=users[RESELLER], group=group)
    agreed = services["YouTube views, standard"]
    CustomerPrice.objects.create(customer=users[STUDIO], service=agreed, price=agreed.price * 19 // 20)
    Favourite.objects.bulk_create(
        Favourite(customer=users[email], service=services[name], created_at=now - timedelta(days=20 - place))
        for email, names in _FAVORITES.items()
        for place, name in enumerate(names)
    )
    return Accounts(users, wallets, _write_api_keys(users[RESELLER], now))


def _write_api_keys(reseller: User, now: datetime) -> int:
    """Write two keys, whose secrets nobody knows. Return the one that orders: a person makes a key of their own."""
    keys = [
        ApiKey(
            customer=reseller,
            name=name,
            digest=sha256(secrets.token_bytes(32)).hexdigest(),
            ending=ending,
            created_at=now - timedelta(days=age),
            revoked_at=now - timedelta(days=revoked) if revoked else None,
            last_used_at=now - timedelta(seconds=used),
            last_address="192.0.2.44",
        )
        for name, ending, age, revoked, used in (
            ("First try", "9c1e", 40, 31, 32 * DAY),
            ("Webshop", "4f7a", 31, None, 95),
        )
    ]
    return ApiKey.objects.bulk_create(keys)[-1].pk
