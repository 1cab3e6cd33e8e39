"""Create the rows that tests need, through the product's services where money moves."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import uuid4

from allauth.account.models import EmailAddress
from django.contrib.auth.models import Group
from django.db import transaction
from django.db.models import QuerySet
from django.test import Client
from django.utils import timezone

from billing import ledger
from billing.deposits import request_deposit
from billing.models import Deposit, Entry, PaymentMethod, Wallet
from billing.wallets import wallet_of
from catalog.models import Category, Provider, Service, UpstreamService
from catalog.prices.rules import priced
from catalog.prices.storage import alert_hidden, load_priced_services, lock_prices, read_terms, write_prices
from catalog.provider_accounts import set_api_key
from orders.checkout.create import create_order
from orders.checkout.drip_feeds import start_drip_feed
from orders.checkout.validation import OrderInput
from orders.common.transitions import id_columns
from orders.models import DripFeed, Order, OrderPoll
from orders.states import Submission
from panel.accounts.models import User
from panel.accounts.roles import set_up_roles
from panel.lib.money import EXCHANGE_ONE, exact_micros


def micros(amount: str) -> int:
    """Return a decimal amount such as "2.50" in micro-units."""
    return exact_micros(Decimal(amount))


def reprice(*, services: QuerySet[Service]) -> int:
    """Recompute cost and price of `services`, as after a change of rates or margins; return how many changed."""
    with transaction.atomic():
        lock_prices()
        terms = read_terms()
        pairs = [(sold, priced(sold, terms)) for sold in load_priced_services(services)]
        changed = [(before, after) for before, after in pairs if before != after]
        write_prices(after for _, after in changed)
        alert_hidden(sum(before.is_on_sale and not after.is_on_sale for before, after in changed))
    return len(changed)


def customer(email: str = "alice@example.org", *, funds: str = "0") -> User:
    """Create a customer with `funds` dollars in the wallet."""
    user = User.objects.create_user(email, "correct horse battery")
    if Decimal(funds):
        deposit(user, funds)
    return user


def confirm_address(user: User) -> User:
    """Confirm the address of an account, which making an API key needs where mail is set up."""
    EmailAddress.objects.update_or_create(user=user, email=user.email, defaults={"verified": True, "primary": True})
    return user


def invited(email: str, **values: Any) -> User:
    """Create an account that was invited just now and has not accepted yet."""
    created = User(**{"email": email, "is_active": False, "invited_at": timezone.now(), **values})
    created.set_unusable_password()
    created.save()
    return created


def owner(email: str = "owner@example.org") -> User:
    """Create the owner, who has all rights."""
    return User.objects.create_superuser(email, "correct horse battery")


def deposit(user: User, amount: str) -> Entry:
    """Post a deposit in the customer's wallet, without a request."""
    return ledger.post(
        wallet_id=wallet_of(customer=user).pk,
        amount=micros(amount),
        kind=Entry.Kind.DEPOSIT,
        key=f"test:{uuid4().hex}",
        memo="Deposit",
    ).entry


def wallet(user: User) -> Wallet:
    return Wallet.objects.get(customer=user)


def provider(
    *, url: str = "http://127.0.0.1:9/api/v2", api_key: str = "k", name: str = "Upstream", **values: Any
) -> Provider:
    """Create a connected provider, by default at an address where no server listens."""
    created = Provider(name=name, api_url=url, **{"exchange_rate": EXCHANGE_ONE, **values})
    set_api_key(provider=created, api_key=api_key)
    created.save()
    return created


def service(
    of: Provider,
    *,
    external_id: str = "1",
    rate: str = "2",
    type: str = "default",
    low: int = 10,
    high: int = 10_000,
    margin_bp: int | None = None,
    name: str = "Followers",
) -> Service:
    """Create a service on sale; by default the panel's margin of 25% makes a price of $2.50 from a rate of $2."""
    upstream = UpstreamService.objects.create(
        provider=of,
        external_id=external_id,
        name=name,
        category="Social",
        type=type,
        rate=micros(rate),
        min_quantity=low,
        max_quantity=high,
        refill=True,
        cancel=True,
    )
    category, _ = Category.objects.get_or_create(name="Social")
    created = Service.objects.create(upstream=upstream, category=category, name=name, margin_bp=margin_bp)
    reprice(services=Service.objects.filter(pk=created.pk))
    Service.objects.filter(pk=created.pk).update(is_on_sale=True)
    created.refresh_from_db()
    return created


@dataclass(frozen=True, slots=True)
class SoldOrder:
    """The values of an order that its refund depends on. Amounts are micro-units."""

    quantity: int
    charge: int
    expected_cost: int
    is_package: bool = False


def order(
    user: User, of: Service, *, quantity: int | None = 100, link: str = "https://example.com/a", comments: str = ""
) -> Order:
    """Create an order through checkout, which debits the wallet and queues it."""
    order_input = OrderInput(of.pk, link, quantity, {"comments": comments})
    return create_order(customer=user, order_input=order_input, request_key=uuid4().hex, seen_charge=None).order


def accepted_order(user: User, of: Service, *, upstream_id: str = "9001", **values: Any) -> Order:
    """Create an order as if its provider had accepted it, due to be polled."""
    created = order(user, of, **values)
    Order.objects.filter(pk=created.pk).update(
        submission=Submission.ACCEPTED,
        **id_columns(upstream_id),
        accepted_at=created.created_at,
        next_poll_at=created.created_at,
        next_action_at=None,
    )
    OrderPoll.objects.create(order=created, provider=created.provider, due_at=created.created_at)
    created.refresh_from_db()
    return created


def drip(user: User, of: Service, *, quantity: int = 100, runs: int = 3, interval: int = 60) -> DripFeed:
    """Create a drip-feed through checkout, with its first run; `interval` is minutes."""
    order_input = OrderInput(of.pk, "https://example.com/a", quantity, {}, runs, interval)
    first = start_drip_feed(customer=user, order_input=order_input, request_key=uuid4().hex, seen_charge=None).order
    return DripFeed.objects.get(pk=first.drip_feed_id)


def payment_method(**values: Any) -> PaymentMethod:
    """Create a payment method: by default $5 to $1,000 by bank transfer, without a bonus."""
    return PaymentMethod.objects.create(
        **{
            "name": "Bank transfer",
            "instructions": "Pay to account 1.",
            "minimum": micros("5"),
            "maximum": micros("1000"),
            **values,
        }
    )


def pending_deposit(user: User, amount: str = "100", *, method: PaymentMethod | None = None, **values: Any) -> Deposit:
    """Create a deposit that waits for staff, by the first payment method if none is given."""
    payment = method or PaymentMethod.objects.first() or payment_method()
    return request_deposit(
        customer=user, method=payment, amount=micros(amount), request_key=uuid4().hex, **values
    ).deposit


def form_owner(user: User, address: str) -> str:
    """Return the `owner` field of the form at `address`, which ties a kept draft to the customer."""
    client = Client()
    client.force_login(user)
    match = re.search(r'name="owner" value="([^"]+)"', client.get(address).content.decode())
    assert match
    return match[1]


def staff_member(role: str, email: str = "") -> User:
    """Create a member of staff with this role."""
    set_up_roles()  # A test with real transactions has deleted them.
    user = customer(email or f"{role.lower()}@example.org")
    user.groups.add(Group.objects.get(name=role))
    user.is_staff = True
    user.save(update_fields=["is_staff"])
    return user
