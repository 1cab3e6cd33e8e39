"""Which running order the form speaks of, by the link that is typed."""

from __future__ import annotations

import pytest

from orders.models import Order
from orders.states import Status
from orders.web.active_link import running_for_link
from orders.web.filters import OrderFilters, list_orders
from tests import make

POST = "https://www.instagram.com/p/AbC123/?igsh=MzRl"
SIBLINGS = [POST, "https://instagram.com/reel/AbC123", " \u200finstagram.com/p/AbC123/?utm_source=x"]


@pytest.mark.parametrize("typed", SIBLINGS)
def test_running_order_when_its_link_is_the_same_then_found(customer, service, typed):
    order = make.order(customer, service, link=POST)
    assert running_for_link(customer=customer, link=typed) == order
    assert running_for_link(customer=customer, link="https://instagram.com/p/Other") is None


def test_running_order_when_the_release_before_wrote_its_key_then_found(customer, service):
    order = make.order(customer, service, link=POST)
    Order.objects.update(link_key="instagram.com/p/AbC123/?igsh=MzRl")
    assert running_for_link(customer=customer, link=POST) == order


def test_running_order_when_it_has_ended_or_nothing_is_typed_then_none(customer, service):
    make.order(customer, service, link=POST)
    Order.objects.update(status=Status.COMPLETED)
    assert running_for_link(customer=customer, link=POST) is None
    assert running_for_link(customer=customer, link=" \u200f") is None


@pytest.mark.parametrize("typed", [*SIBLINGS, "AbC123", "igsh=MzRl", "instagram.com/p/AbC"])
def test_search_when_typed_like_the_link_or_a_part_then_found(customer, service, typed):
    order = make.order(customer, service, link=POST)
    make.order(customer, service, link="https://instagram.com/p/Other")
    assert list(list_orders(customer=customer, wanted=OrderFilters(text=typed), services=[]).rows) == [order]
