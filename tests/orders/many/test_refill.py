"""Asking for refills of many orders: by the rules of one, and without moving money."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.utils import timezone

from catalog.models import Service, UpstreamService
from orders.many.actions import StaffReason, carry_out, orders_with, plan_for
from orders.many.refill import REFILL, WORDS
from orders.models import Order, Refill
from orders.requests.refill import RefillRefusal, request_refill
from orders.states import RefillState, Status
from tests import make
from tests.admin_calls import do_to_many, preview_many
from tests.scenes import money_of, nothing_changes, statements

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("invariants_hold")]


@pytest.fixture
def offer(provider):
    offer = make.service(provider)
    UpstreamService.objects.update(refill=True)
    return Service.objects.get(pk=offer.pk)


def completed(customer: Any, offer: Service, number: int) -> Order:
    order = make.accepted_order(customer, offer, upstream_id=f"u{number}")
    Order.objects.filter(pk=order.pk).update(status=Status.COMPLETED, remains=0, finished_at=timezone.now())
    return Order.objects.get(pk=order.pk)


def read(*orders: Order) -> list[Order]:
    return list(orders_with(one.pk for one in orders))


def test_words_when_a_refusal_is_added_then_staff_have_words_for_it():
    assert set(WORDS) == set(RefillRefusal)


def test_plan_when_orders_are_mixed_then_each_reason_in_few_statements(customer, offer, staff, provider):
    without = make.service(provider, external_id="2")
    UpstreamService.objects.filter(external_id="2").update(refill=False)
    due, open_one, refused, running, none = (
        completed(customer, offer, 1),
        make.accepted_order(customer, offer, upstream_id="u2"),
        completed(customer, offer, 3),
        completed(customer, offer, 4),
        completed(customer, without, 5),
    )
    request_refill(order=running, actor=customer)
    Refill.objects.create(
        order=refused, provider=provider, state=RefillState.REFUSED, finished_at=timezone.now(), next_action_at=None
    )
    orders = read(due, open_one, refused, running, none)
    with statements() as made:
        plan = plan_for(REFILL, orders=orders, actor=staff)
    assert len(made) == 1
    assert [one.order.pk for one in plan.able] == [due.pk]
    expected = ("NOT_COMPLETED", "REFUSED_LATELY", "UNDER_WAY", "NO_REFILL")
    assert plan.left == {WORDS[RefillRefusal[name]]: 1 for name in expected}
    assert plan_for(REFILL, orders=orders, actor=customer).left == {StaffReason.OWN: 5}


def test_act_when_repeated_then_one_refill_and_no_money_moves(customer, offer, staff):
    orders = [completed(customer, offer, number) for number in range(2)]
    before = money_of(customer)
    assert len(carry_out(REFILL, orders=read(*orders), actor=staff).able) == 2
    with nothing_changes():
        again = carry_out(REFILL, orders=read(*orders), actor=staff)
    assert again.left == {WORDS[RefillRefusal.UNDER_WAY]: 2}
    assert (Refill.objects.count(), money_of(customer)) == (2, before)
    assert LogEntry.objects.filter(change_message__startswith="The provider is asked to refill it").count() == 2


def test_page_when_confirmed_then_asked_and_the_rest_told(staff_client, customer, offer):
    due, late = completed(customer, offer, 1), completed(customer, offer, 2)
    page = preview_many(staff_client, "refill", [due, late]).content.decode()
    assert "Ask for refills of 2 orders" in page
    selection = preview_many(staff_client, "refill", [due, late]).context["selection"]
    request_refill(order=late, actor=customer)
    answer = staff_client.post("/admin/orders/order/refill/", {"orders": selection, "query": "view=ended"}, follow=True)
    text = answer.content.decode()
    assert "Providers are asked to refill 1 in the next seconds" in text
    assert f"changed since you looked, and now with a refill under way ({late.pk})" in text
    assert answer.redirect_chain[-1][0].endswith("?view=ended")


def test_list_when_refill_chosen_then_the_way_back_keeps_its_filters(staff_client, customer, offer):
    order = completed(customer, offer, 1)
    data = {"action": "refill_many", "_selected_action": [order.pk]}
    page = staff_client.post("/admin/orders/order/?view=ended", data).content.decode()
    assert 'href="/admin/orders/order/?view=ended"' in page and 'name="query" value="view=ended"' in page
    assert do_to_many(staff_client, "refill", [order]).status_code == 200
