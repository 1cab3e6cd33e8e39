"""Offering canceled orders again: the customer orders anew or not, and nothing is charged before."""

from __future__ import annotations

from typing import Any

import pytest
from django.urls import reverse
from django.utils import timezone

from catalog.models import Service
from orders.common import reorder_offers
from orders.many import offer
from orders.many.actions import StaffReason, carry_out, orders_with, plan_for
from orders.many.offer import OFFER
from orders.models import Order, OrderEvent
from orders.requests.cancel import withdraw_order
from orders.states import EventKind, ReviewReason, Status
from panel.accounts.models import User
from tests import make
from tests.admin_calls import do_to_many, preview_many
from tests.scenes import at_once, money_of, nothing_changes, statements

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("invariants_hold")]


@pytest.fixture
def sold(provider):
    return make.service(provider)


def canceled(customer: Any, sold: Service) -> Order:
    order = make.order(customer, sold)
    withdraw_order(order=order, actor=None)
    return Order.objects.get(pk=order.pk)


def read(*orders: Order) -> list[Order]:
    return list(orders_with(one.pk for one in orders))


def test_plan_when_it_cannot_be_ordered_anew_then_left(customer, sold, provider, staff):
    gone = make.service(provider, external_id="2")
    fits, unsold = canceled(customer, sold), canceled(customer, gone)
    open_one = make.accepted_order(customer, sold, link="https://example.org/another")
    Service.objects.filter(pk=gone.pk).update(is_on_sale=False)
    orders = read(fits, open_one, unsold)
    plan = plan_for(OFFER, orders=orders, actor=staff)
    assert [one.order.pk for one in plan.able] == [fits.pk]
    assert plan.left == {offer.NOT_CANCELED: 1, offer.NOT_ON_SALE: 1}
    assert plan_for(OFFER, orders=orders, actor=customer).left == {StaffReason.OWN: 3}


def test_offer_when_made_then_the_customer_reads_it_and_pays_on_click(client, staff_client, customer, sold):
    order, before = canceled(customer, sold), money_of(customer)
    client.force_login(customer)
    address = reverse("order_detail", args=[order.pk])
    assert "reorder-missing" not in client.get(address).content.decode()
    assert "Offer 1 order again" in preview_many(staff_client, "offer", [order]).content.decode()
    assert "1 offered to their customers again." in do_to_many(staff_client, "offer", [order]).content.decode()
    page = client.get(address).content.decode()
    assert "Our team offers to order this again for you." in page and "Order it again" in page
    form = client.get(reverse("order_new"), {"again": order.pk})
    assert order.link in form.content.decode()
    assert (money_of(customer), Order.objects.count()) == (before, 1)


def test_offer_when_repeated_or_old_then_once_in_its_time(customer, sold, staff, client):
    order = canceled(customer, sold)
    carry_out(OFFER, orders=read(order), actor=staff)
    with nothing_changes():
        assert carry_out(OFFER, orders=read(order), actor=staff).left == {offer.OFFERED: 1}
    OrderEvent.objects.filter(kind=EventKind.OFFER).update(created_at=timezone.now() - reorder_offers.OFFER_LASTS)
    client.force_login(customer)
    assert "to order this again for you" not in client.get(reverse("order_detail", args=[order.pk])).content.decode()
    assert len(carry_out(OFFER, orders=read(order), actor=staff).able) == 1


def test_offer_when_ordered_anew_then_taken_and_not_repeated(client, customer, sold, staff):
    order, same = canceled(customer, sold), canceled(customer, sold)
    carry_out(OFFER, orders=read(order), actor=staff)
    make.order(customer, sold, link="https://example.org/another")
    client.force_login(customer)
    address = reverse("order_detail", args=[order.pk])
    assert "to order this again for you" in client.get(address).content.decode()
    make.order(customer, sold, link=order.link)
    assert "reorder-missing" not in client.get(address).content.decode()
    assert plan_for(OFFER, orders=read(order, same), actor=staff).left == {offer.ORDERED_ANEW: 2}


@pytest.mark.parametrize(
    ("values", "reason"),
    [({}, offer.NOT_REFUNDED), ({"review_reason": ReviewReason.CONTRADICTION}, StaffReason.IN_REVIEW)],
)
def test_offer_when_its_money_is_open_then_neither_made_nor_shown(values, reason, client, customer, sold, staff):
    order = canceled(customer, sold) if values else make.accepted_order(customer, sold)
    Order.objects.filter(pk=order.pk).update(status=Status.CANCELED, finished_at=timezone.now(), **values)
    OrderEvent.objects.create(order=order, kind=EventKind.OFFER)
    client.force_login(customer)
    assert "to order this again for you" not in client.get(reverse("order_detail", args=[order.pk])).content.decode()
    assert plan_for(OFFER, orders=read(order), actor=staff).left == {reason: 1}


def test_offer_when_the_account_is_off_then_left(customer, sold, staff):
    order = canceled(customer, sold)
    User.objects.filter(pk=customer.pk).update(is_active=False)
    assert plan_for(OFFER, orders=read(order), actor=staff).left == {offer.SWITCHED_OFF: 1}


def test_plan_when_there_are_more_orders_then_no_more_statements(customer, sold, staff):
    orders = [canceled(customer, sold) for _ in range(4)]
    with statements() as few:
        plan_for(OFFER, orders=read(orders[0]), actor=staff)
    with statements() as many:
        plan_for(OFFER, orders=read(*orders), actor=staff)
    assert len(few) == len(many)


@pytest.mark.django_db(transaction=True)
def test_offer_when_two_offer_at_once_then_one_offer(customer, sold, staff):
    order = canceled(customer, sold)
    results = at_once(2, lambda number: carry_out(OFFER, orders=read(order), actor=staff))
    assert sum(len(one.able) for one in results) == 1
    assert order.events.filter(kind=EventKind.OFFER).count() == 1
