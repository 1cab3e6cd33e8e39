"""One item of each kind, and two of the staff who decide."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from billing.models import BankLine, Deposit, Payment
from catalog.models import CatalogChange, Provider
from catalog.pauses import PauseKind, pause_provider
from orders.models import LateOrders, Order
from orders.states import ReviewReason, Submission
from panel.accounts.models import User
from panel.alerts.causes import Cause
from panel.alerts.services import raise_alert
from panel.staff.models import SecondLook
from tests import make


@pytest.fixture
def sold(provider: Provider) -> Any:
    return make.service(provider)


def doubt(customer: User, service: Any) -> Order:
    """Create an order that may have been accepted, to be decided within the hour."""
    order = make.order(customer, service, quantity=100)
    now = timezone.now()
    values = {"submission": Submission.IN_DOUBT, "doubt_until": now + timedelta(hours=1)}
    Order.objects.filter(pk=order.pk).update(**values)
    return order


def review(customer: User, service: Any) -> Order:
    """Create an accepted order in review."""
    order = make.accepted_order(customer, service, quantity=100, upstream_id=f"{Order.objects.count()}")
    reason = ReviewReason.CONTRADICTION
    Order.objects.filter(pk=order.pk).update(review_reason=reason, review_note="x", review_since=timezone.now())
    return order


def deposit(customer: User, amount: str = "50") -> Any:
    """Create a deposit whose customer says that it was paid."""
    made = make.pending_deposit(customer, amount)
    Deposit.objects.filter(pk=made.pk).update(paid_at=timezone.now())
    return made


def look(customer: User, asked_by: User) -> SecondLook:
    return SecondLook.objects.create(
        act="refund_part",
        kind="refund",
        model="orders.order",
        object_id=1,
        customer=customer,
        amount=1,
        text="Refund it",
        reason="other",
        request_key=f"{asked_by.pk}:{customer.pk}",
        asked_by=asked_by,
        not_before=timezone.now() + timedelta(hours=1),
    )


def late(service: Any) -> LateOrders:
    """Count an order of the service as late."""
    now = timezone.now()
    values = {"open": 3, "late": 1, "charge": 2_500_001, "oldest_at": now, "since": now, "day": timezone.localdate()}
    return LateOrders.objects.create(provider=service.upstream.provider, service=service, **values)


def one_of_each(customer: User, service: Any) -> None:
    """Create an item of each kind."""
    doubt(customer, service)
    review(customer, service)
    method = deposit(customer).method
    look(customer, make.customer("asks@example.org"))
    Payment.objects.create(
        method=method, external_id="p-1", currency="USD", came_in=1, state="held", hold="unknown_reference"
    )
    BankLine.objects.create(method=method, digest="1", day=timezone.localdate(), amount=1, text="From Alice")
    for topic, kind in (("rate", "rate_up"), ("orders", "canceled")):
        CatalogChange.objects.create(
            provider=service.upstream.provider,
            upstream=service.upstream,
            service=service,
            topic=topic,
            kind=kind,
            is_urgent=topic == "rate",
            new={"canceled": 3, "ended": 4} if topic == "orders" else {"rate": 2_000_000},
            old={"rate": 1_000_000},
        )
    pause_provider(provider=service.upstream.provider, kind=PauseKind.FUNDS, text="our balance of $0.27 is too low")
    late(service)
    raise_alert(cause=Cause.NO_PRICE, text="3 services have no valid price any more.")
    raise_alert(cause=Cause.LEDGER, text="The books do not balance.", level="danger")


@pytest.fixture
def signed_in() -> Callable[[User], Client]:
    def make_client(user: User) -> Client:
        client = Client()
        client.force_login(user)
        return client

    return make_client


def url_of(kind: str, obj: Any) -> str:
    """Return the address of the item."""
    return reverse("needs_you_item", args=[kind, obj.pk])
