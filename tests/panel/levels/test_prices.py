"""What a move does to prices: never below the floor, at once for API keys, and one of both for an order."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.urls import reverse

from catalog.models import CustomerGroup, Service
from catalog.prices.customer_prices import offer_of
from catalog.prices.rules import lowest_price
from catalog.prices.storage import panel_terms, price_policy
from orders.models import Order
from panel.api.keys.services import make_key
from panel.levels.move import move_customers
from tests import make
from tests.panel.levels.conftest import placed, put, spend
from tests.scenes import at_once

pytestmark = pytest.mark.django_db


def floor_of(service: Service) -> int:
    return lowest_price(cost=service.cost, allow_below_minimum=False, panel=panel_terms(price_policy()))


def test_level_when_its_discount_goes_below_the_floor_then_sold_at_the_floor(customer, levels, service):
    CustomerGroup.objects.filter(name="Gold").update(discount_bp=9_000)
    make.deposit(customer, "1")
    spend(customer, "2000")
    move_customers()
    assert placed(customer) == ("Gold", "levels")
    assert offer_of(customer=customer, service=service).price == floor_of(service) > service.price // 10
    order = make.order(customer, service, quantity=1_000)
    assert order.charge == floor_of(service) >= service.cost


def test_api_when_the_customer_is_moved_then_the_list_has_the_new_prices(client, customer, levels, service):
    secret = make_key(customer=customer, name="Shop").secret

    def rate() -> str:
        response = client.post(reverse("api_v2"), {"key": secret, "action": "services"})
        return json.loads(response.content)[0]["rate"]

    assert rate() == rate() == "2.5"
    spend(customer, "500")
    move_customers()
    assert rate() == "2.425"
    spend(customer, "1500")
    move_customers()
    assert rate() == "2.375"


@pytest.mark.django_db(transaction=True)
def test_order_when_created_during_a_move_then_priced_by_one_level(customer, levels, service):
    spend(customer, "500")
    put(customer, levels["Bronze"], "levels")
    results: list[Any] = at_once(
        2, lambda number: move_customers() if number else make.order(customer, service, quantity=1_000)
    )
    assert results[1] == 1 and isinstance(results[0], Order)
    assert results[0].charge in (2_475_000, 2_425_000)
