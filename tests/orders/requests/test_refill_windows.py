"""Refills only within the time that staff accepted; what a list merely proposes limits nothing."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.urls import reverse

from catalog.models import Service, UpstreamService
from catalog.refill_windows import LIFETIME
from orders.models import Order, Refill
from orders.requests.refill import RefillRefusal, RefillRefused, may_refill, request_refill, why_not_refilled
from panel.lib import clock
from tests.api_calls import call_api, new_key
from tests.orders.requests.test_refill import completed

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("invariants_hold")]


@pytest.fixture
def order(upstream, customer, service):
    """A completed order that ended 40 days ago."""
    order = completed(upstream, customer, service)[0]
    Order.objects.filter(pk=order.pk).update(finished_at=clock.now() - timedelta(days=40))
    return order


def fresh(order):
    return Order.objects.select_related("service__upstream").get(pk=order.pk)


@pytest.mark.parametrize(
    ("days", "refusal"),
    [
        (None, None),
        (41, None),
        (LIFETIME, None),
        (39, RefillRefusal.OVER),
        (0, RefillRefusal.NO_REFILL),
    ],
)
def test_refill_when_days_are_accepted_then_only_within(order, days, refusal):
    Service.objects.update(refill_days=days)
    assert why_not_refilled(fresh(order)) == refusal
    assert may_refill(fresh(order)) is (refusal is None)


def test_refill_when_only_proposed_then_not_limited(order):
    UpstreamService.objects.update(refill_days=30)
    assert may_refill(fresh(order))


def test_refill_when_over_then_nothing_is_requested(order, customer):
    Service.objects.update(refill_days=30)
    with pytest.raises(RefillRefused, match="is over"):
        request_refill(order=fresh(order), actor=customer)
    assert not Refill.objects.exists()
    answer = call_api(new_key(customer), "refill", order=order.pk)
    assert answer == {"error": "Order is not eligible for refill: the time for refills is over"}


def test_pages_when_accepted_then_customers_see_the_days(client, customer, service):
    client.force_login(customer)
    Service.objects.update(refill_days=30)
    assert "Refill for 30 days" in client.get(reverse("services")).content.decode()
    page = client.get(reverse("order_new"), {"service": service.pk}).content.decode()
    assert "<bdi>Refill 30 days</bdi>" in page
    assert call_api(new_key(customer), "services")[0]["refill"] is True


def test_pages_when_never_then_no_refill_is_offered(client, customer, service):
    client.force_login(customer)
    Service.objects.update(refill_days=0)
    page = client.get(reverse("order_new"), {"service": service.pk}).content.decode()
    assert "<bdi>Refill" not in page
    assert call_api(new_key(customer), "services")[0]["refill"] is False
    assert service.name not in client.get(reverse("services"), {"refill": "1"}).content.decode()


def test_pages_when_lifetime_then_as_without_a_limit(client, customer, service):
    client.force_login(customer)
    Service.objects.update(refill_days=LIFETIME)
    page = client.get(reverse("order_new"), {"service": service.pk}).content.decode()
    assert "<bdi>Refill</bdi>" in page
