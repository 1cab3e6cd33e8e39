"""How an ended order is told: what came back, and whether what is missing can be ordered again."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from catalog.models import CustomerPrice, Service, ServiceFigures, UpstreamService
from orders.models import Order
from orders.states import Status
from orders.web.missing import Missing, missing_of
from tests import make

pytestmark = pytest.mark.django_db


@pytest.fixture
def order(customer, service) -> Order:
    """An order of 1,000 for $2.50 of which 843 were delivered, and the rest refunded."""
    order = make.accepted_order(customer, service, quantity=1_000)
    return changed(order, status=Status.PARTIAL, remains=157, refunded=392_500, finished_at=timezone.now())


def changed(order: Order, **values: Any) -> Order:
    Order.objects.filter(pk=order.pk).update(**values)
    return Order.objects.select_related("customer").get(pk=order.pk)


def words(client: Client, order: Order, **params: str) -> str:
    html = client.get(reverse("order_detail", args=[order.pk]), params).content.decode()
    main = html[html.index("<main") :]
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", main))


# -- what is missing ---------------------------------------------------------------------------------


def test_missing_when_it_can_be_ordered_then_at_todays_price_of_the_customer(order, customer, service):
    assert missing_of(order=order) == Missing(157, charge=392_500)
    CustomerPrice.objects.create(customer=customer, service=service, price=5_000_000)
    assert missing_of(order=order) == Missing(157, charge=785_000)


def test_missing_when_it_is_below_the_minimum_then_says_so(order, service):
    UpstreamService.objects.filter(pk=service.upstream_id).update(min_quantity=200)
    found = missing_of(order=order)
    assert found.charge is None
    assert found.why_not == "The 157 that are missing are too few to order again: this service takes 200 or more."


@pytest.mark.parametrize("change", [{"is_on_sale": False}, {"upstream__type": "poll"}])
def test_missing_when_the_service_is_gone_or_another_then_says_so(change, order, service):
    if "is_on_sale" in change:
        Service.objects.filter(pk=service.pk).update(**change)
    else:
        UpstreamService.objects.filter(pk=service.upstream_id).update(type="poll")
    assert missing_of(order=order) == Missing(157, why_not="This service is no longer on sale.")


@pytest.mark.parametrize(
    "values",
    [
        {"status": Status.COMPLETED},
        {"status": Status.IN_PROGRESS},
        {"remains": None},
        {"remains": 0},
        {"service_type": "package"},
        {"service_type": "custom_comments"},
        {"service_type": "unknown"},
        {"review_reason": "contradiction"},
    ],
)
def test_missing_when_nobody_can_tell_or_nothing_is_then_none(values, order):
    assert missing_of(order=changed(order, **values)) is None


def test_missing_when_the_customer_withdrew_it_then_none(order):
    values = {"submission": "withdrawn", "status": Status.CANCELED, "refunded": order.charge}
    assert missing_of(order=changed(order, **values)) is None


def test_page_when_partial_then_says_what_came_back_and_leads_to_the_form(signed_in, order):
    text = words(signed_in, order)
    assert "843 of 1,000 delivered" in text
    assert re.search(r"Refunded \$0\.39\d* for 157 not delivered\. It is in your wallet\.", text)
    html = signed_in.get(reverse("order_detail", args=[order.pk])).content.decode()
    [link] = re.findall(r'id="reorder-missing" href="([^"]+)"', html)
    form = signed_in.get(link.replace("&amp;", "&")).content.decode()
    assert 'value="157"' in form


def test_page_when_all_came_back_then_says_so(signed_in, order):
    order = changed(order, status=Status.CANCELED, remains=1_000, refunded=order.charge)
    text = words(signed_in, order)
    assert "All of it came back: $2.50 is in your wallet." in text
    assert "Order it again · $2.50" in text


def test_page_when_the_refund_is_undecided_then_it_is_being_checked(signed_in, order):
    order = changed(order, refunded=0, review_reason="contradiction")
    assert "We are checking what was delivered." in words(signed_in, order)


# -- what is expected --------------------------------------------------------------------------------


def test_page_when_the_service_has_usual_times_then_says_when_it_is_probably_done(signed_in, order, service):
    ServiceFigures.objects.create(service=service, timed=9, typical_seconds=7_200)
    order = changed(order, status=Status.PENDING, remains=None, refunded=0, finished_at=None)
    assert "Probably done around" in words(signed_in, order)
    order = changed(order, created_at=timezone.now() - timedelta(hours=3))
    assert "Probably done around" not in words(signed_in, order)


def test_page_when_the_order_moves_then_says_how_fast(signed_in, order):
    now = timezone.now()
    order = changed(
        order,
        status=Status.IN_PROGRESS,
        refunded=0,
        finished_at=None,
        accepted_at=now - timedelta(minutes=20),
        checked_at=now,
    )
    text = words(signed_in, order)
    assert "About 42 a minute" in text
    assert "Probably done around" in text


# -- messages ----------------------------------------------------------------------------------------


def order_of(client: Client, service: Service) -> Order:
    data = {"service": service.pk, "link": "https://example.com/page", "quantity": "1000", "request_key": "a" * 32}
    client.post(reverse("order_new"), {**data, "seen_charge": 2_500_000})
    return Order.objects.latest("pk")


def test_message_when_the_order_is_open_then_it_says_that_it_was_received(signed_in, service):
    order = order_of(signed_in, service)
    assert f"Order {order.pk} was received." in words(signed_in, order)


def test_message_when_the_order_has_ended_meanwhile_then_it_is_gone(signed_in, service):
    order = changed(order_of(signed_in, service), status=Status.CANCELED, refunded=2_500_000)
    assert "was received" not in words(signed_in, order)
