"""The start page: what a visitor sees of the shop, and figures only where enough orders stand behind them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from billing.models import PaymentMethod
from catalog.models import Service, ServiceFigures
from catalog.shop.shelf import forget_shelf
from orders.models import Order
from tests import make
from tests.scenes import statements

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def public(settings: Any) -> None:
    settings.PUBLIC_SHOP = True


@pytest.fixture
def shop(provider: Any) -> dict[str, Service]:
    """Services for Instagram (two), TikTok, Spotify (a package), and one that names no platform."""
    rows = (
        ("Instagram followers", "1", "default"),
        ("Instagram likes", "2", "default"),
        ("TikTok views", "3", "default"),
        ("Spotify premium", "0.5", "package"),
        ("Website traffic", "5", "default"),
    )
    return {
        name: make.service(provider, external_id=name, name=name, rate=rate, type=kind) for name, rate, kind in rows
    }


def start(client: Client | None = None) -> Any:
    return (client or Client()).get(reverse("home"))


def test_start_page_when_shop_is_public_then_platforms_and_lowest_prices(shop):
    response = start()
    page = response.context["start"]
    assert [(tile.name, tile.count, tile.cheapest) for tile in page.platforms] == [
        ("instagram", 2, 1_250_000),
        ("spotify", 1, None),
        ("tiktok", 1, 3_750_000),
    ]
    text = response.content.decode()
    assert "5 services from" in text and "?platform=tiktok" in text
    assert "Some of the services" in text and "Most ordered" not in text


def test_start_page_when_services_were_ordered_then_the_best_of_each_platform(shop):
    for name, orders in (("Instagram likes", 9), ("Instagram followers", 8), ("TikTok views", 30)):
        ServiceFigures.objects.create(service=shop[name], orders=orders)
    response = start()
    names = [offer.service.name for offer in response.context["start"].offers]
    assert names == ["TikTok views", "Instagram likes", "Spotify premium", "Website traffic"]
    assert "Most ordered" in response.content.decode()


def test_start_page_when_shop_is_not_public_then_nothing_of_it(settings, shop):
    settings.PUBLIC_SHOP = False
    make.payment_method()
    text = start().content.decode()
    assert "TikTok" not in text and "Ways to pay" not in text and "$2.50" not in text
    assert reverse("account_signup") in text and reverse("services") not in text


def test_start_page_when_nothing_is_on_sale_then_ways_in_and_no_empty_parts(shop):
    Service.objects.update(is_on_sale=False)
    text = start().content.decode()
    assert "Every platform" not in text and "Most ordered" not in text and 'name="q"' not in text
    assert "Create an account" in text


def test_start_page_when_signed_in_then_order_form(signed_in):
    assert start(signed_in).url == reverse("order_new")


def sold(service: Service, **figures: int) -> None:
    ServiceFigures.objects.update_or_create(service=service, defaults=figures)
    forget_shelf()


def first_order(customer: Any, service: Service, days: float) -> None:
    order = make.order(customer, service)
    Order.objects.filter(pk=order.pk).update(created_at=timezone.now() - timedelta(days=days))


def figures() -> list[str]:
    return [f"{one.value} {one.label}" for one in start().context["start"].figures]


def test_figures_when_many_orders_and_a_month_then_shown(customer, service):
    first_order(customer, service, days=30)
    sold(service, orders=1_204, ended=1_000, completed=999, timed=900, typical_seconds=240)
    assert figures() == [
        "1,204 orders in the last 30 days",
        "4 min until half of them are complete",
        "99.9% delivered in full",
        "1 ended early, and the rest was refunded",
    ]


@pytest.mark.parametrize(
    ("days", "counts"),
    [
        (29, {"orders": 5_000, "ended": 5_000, "completed": 5_000}),
        (40, {"orders": 999, "ended": 999, "completed": 999}),
    ],
)
def test_figures_when_too_few_orders_or_too_young_then_hidden(customer, service, days, counts):
    first_order(customer, service, days=days)
    sold(service, timed=900, typical_seconds=240, **counts)
    assert figures() == []


def test_figures_when_few_have_ended_then_only_those_that_count(customer, service):
    first_order(customer, service, days=40)
    sold(service, orders=1_000, ended=999, completed=999)
    assert figures() == ["1,000 orders in the last 30 days"]


def test_figures_when_nearly_all_were_delivered_then_never_all(customer, service):
    first_order(customer, service, days=40)
    sold(service, orders=1_000, ended=100_000, completed=99_999)
    assert "99.9% delivered in full" in figures()


def test_ways_to_pay_when_some_are_not_offered_then_left_out(shop):
    make.payment_method(name="Bank transfer")
    make.payment_method(name="Old way")
    PaymentMethod.objects.filter(name="Old way").update(is_active=False)
    PaymentMethod.objects.filter(name="Bank transfer").update(bonus_bp=250, minimum=5_000_000)
    text = start().content.decode()
    assert "Bank transfer" in text and "Old way" not in text
    assert "Up to 2.5% bonus" in text and "$5.00" in text


def test_start_page_when_opened_then_few_queries_and_none_about_customers(shop, customer, service):
    first_order(customer, service, days=40)
    start()
    with statements() as found:
        start()
    assert len(found) <= 4
    assert not [
        sql for sql in found if any(name in sql for name in ("wallet", "session", "favourite", "customerprice"))
    ]


def test_link_box_when_used_then_shop_of_that_link(shop):
    text = start().content.decode()
    assert f'action="{reverse("services")}"' in text
    found = Client().get(reverse("services"), {"q": "https://www.tiktok.com/@natgeo/video/7"})
    assert [offer.service.name for offer in found.context["listing"].page.rows] == ["TikTok views"]
