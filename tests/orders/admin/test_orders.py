"""Orders in the admin: what is offered beside the review page, and that nothing is done twice."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from orders.models import Order, OrderPoll
from orders.states import ReviewReason, Status, Submission
from panel.lib.admin.base import shown_money
from tests import make
from tests.admin_calls import WHY, action_address
from tests.scenes import nothing_changes

pytestmark = pytest.mark.django_db


def decide(client: Client, address: str, **data: str):
    """Open the form and post it, as a person does."""
    opened = client.get(address)
    return client.post(address, {**WHY, **data, "seen": opened.context["seen"]} if opened.context else data)


def test_dismiss_when_an_order_has_no_review_then_not_offered(staff_client, customer, provider):
    order = make.accepted_order(customer, make.service(provider))
    with nothing_changes():
        assert staff_client.post(action_address("orders.order", order.pk, "dismiss"), {"note": "x"}).status_code == 403


def test_order_when_its_end_is_held_then_staff_see_what_it_waits_for(staff_client, customer, provider):
    order = make.accepted_order(customer, make.service(provider), quantity=100)
    held = {"held_status": Status.CANCELED, "held_refund": order.charge, "held_since": timezone.now()}
    OrderPoll.objects.filter(pk=order.pk).update(**held)
    page = staff_client.get(reverse("admin:orders_order_change", args=[order.pk])).content.decode()
    assert "Held end" in page
    assert f"{shown_money(order.charge)} is refunded once it says so again." in page
    OrderPoll.objects.filter(pk=order.pk).update(held_since=None)
    assert b"Held end" not in staff_client.get(reverse("admin:orders_order_change", args=[order.pk])).content


@pytest.mark.parametrize("name", ["dismiss", "give_back"])
def test_choice_when_in_doubt_then_only_the_review_page_offers_it(name, staff_client, customer, provider):
    order = make.order(customer, make.service(provider), quantity=1_000)
    Order.objects.filter(pk=order.pk).update(
        submission=Submission.IN_DOUBT, doubt_until=timezone.now(), review_reason=ReviewReason.DOUBT
    )
    with nothing_changes():
        address = action_address("orders.order", order.pk, name)
        assert staff_client.post(address, {"note": "x", "amount": "1"}).status_code == 403


def test_partial_refund_when_within_the_charge_then_posted(staff_client, customer, provider):
    order = make.accepted_order(customer, make.service(provider), quantity=1_000)
    address = action_address("orders.order", order.pk, "give_back")
    decide(staff_client, address, amount="0.50", note="Slow delivery")
    assert "what is left" in decide(staff_client, address, amount="2.01", note="x").content.decode()
    order.refresh_from_db()
    assert order.refunded == 500_000
    assert make.wallet(customer).balance == 8_000_000


def test_choice_when_posted_twice_then_done_once(staff_client, customer, provider):
    """A double click on "Refund" posted the partial refund twice."""
    order = make.accepted_order(customer, make.service(provider), quantity=1_000)
    address = action_address("orders.order", order.pk, "give_back")
    form = {**WHY, "amount": "0.50", "note": "Slow delivery", "seen": staff_client.get(address).context["seen"]}
    assert staff_client.post(address, form).status_code == 302
    assert "It changed since you opened this page" in staff_client.post(address, form).content.decode()
    order.refresh_from_db()
    assert order.refunded == 500_000


def test_partial_refund_when_the_page_is_stale_then_nothing_moves(staff_client, customer, provider):
    order = make.accepted_order(customer, make.service(provider), quantity=1_000)
    address = action_address("orders.order", order.pk, "give_back")
    seen = staff_client.get(address).context["seen"]
    Order.objects.filter(pk=order.pk).update(review_reason=ReviewReason.CONTRADICTION)
    with nothing_changes():
        response = staff_client.post(address, {**WHY, "amount": "0.50", "note": "Slow delivery", "seen": seen})
    assert "It changed since" in response.content.decode()
    assert "Slow delivery" in response.content.decode()
