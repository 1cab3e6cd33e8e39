"""Times that a provider states in its list: shown to customers as its words, where too few orders were timed."""

from __future__ import annotations

import pytest
from django.urls import reverse

from catalog.models import ServiceFigures, UpstreamService
from tests import make

pytestmark = pytest.mark.django_db


def test_times_when_stated_then_shown_as_the_providers(client, customer, service):
    client.force_login(customer)
    UpstreamService.objects.update(average_time="1 <b>hour</b>", start_time="0-1 hour", speed="10K/day")
    page = client.get(reverse("order_new"), {"service": service.pk}).content.decode()
    assert "The provider says that it takes <bdi>1 &lt;b&gt;hour&lt;/b&gt;</bdi>" in page
    assert "The provider says that it starts in <bdi>0-1 hour</bdi>" in page
    assert "The provider names a speed of <bdi>10K/day</bdi>" in page
    assert "Not enough data yet" not in page
    assert (
        "takes <bdi>1 &lt;b&gt;hour&lt;/b&gt;</bdi>"
        in client.get(reverse("service_page", args=[service.pk])).content.decode()
    )
    order = make.order(customer, service)
    shown = client.get(reverse("order_detail", args=[order.pk])).content.decode()
    assert "<bdi>1 &lt;b&gt;hour&lt;/b&gt;</bdi>, as the provider says" in shown


def test_times_when_enough_orders_were_timed_then_ours_come_first(client, customer, service):
    client.force_login(customer)
    UpstreamService.objects.update(average_time="9 hours")
    figures = {"timed": 20, "fast_seconds": 7_200, "typical_seconds": 10_800, "slow_seconds": 18_000}
    ServiceFigures.objects.create(service=service, **figures)
    page = client.get(reverse("order_new"), {"service": service.pk}).content.decode()
    assert page.index("Usually about 3 h") < page.index("The provider says that it takes <bdi>9 hours</bdi>")
    shop = client.get(reverse("services")).content.decode()
    assert "9 hours" not in shop


def test_times_when_nothing_is_stated_then_no_word(client, customer, service):
    client.force_login(customer)
    page = client.get(reverse("order_new"), {"service": service.pk}).content.decode()
    assert "says" not in page and "service-time" not in page
