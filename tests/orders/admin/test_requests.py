"""The staff's lists of refills and cancel requests, and what is done to several of them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.urls import reverse
from django.utils import timezone

from catalog.models import UpstreamService
from orders.admin import request_list
from orders.many import push
from orders.many.actions import StaffReason, carry_out, orders_with, plan_for
from orders.many.push import PUSH_CANCELS, PUSH_REFILLS
from orders.models import CancelRequest, Order, Refill
from orders.requests.cancel import request_cancel
from orders.requests.hurry import send_at_once
from orders.requests.refill import request_refill
from orders.states import CancelState, RefillState, Status
from panel.accounts.roles import SUPPORT
from tests import make
from tests.scenes import at_once, nothing_changes, statements

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("invariants_hold")]

REFILLS, CANCELS = "admin:orders_refill_changelist", "admin:orders_cancelrequest_changelist"
LATER = timedelta(hours=1)


@pytest.fixture
def offer(provider):
    offer = make.service(provider, name="Instagram followers")
    UpstreamService.objects.update(refill=True, cancel=True)
    return offer


def completed(customer: Any, offer: Any, number: int) -> Order:
    order = make.accepted_order(customer, offer, upstream_id=f"u{number}")
    Order.objects.filter(pk=order.pk).update(status=Status.COMPLETED, remains=0, finished_at=timezone.now())
    return Order.objects.get(pk=order.pk)


def refill_of(order: Order, **values: Any) -> Refill:
    refill = request_refill(order=order, actor=order.customer)
    Refill.objects.filter(pk=refill.pk).update(**values)
    return refill


def cancel_of(order: Order, **values: Any) -> CancelRequest:
    request_cancel(order=order, actor=order.customer)
    CancelRequest.objects.filter(order=order).update(**values)
    return CancelRequest.objects.get(order=order)


def listed(client: Any, name: str, **query: Any) -> list[int]:
    answer = client.get(reverse(name), query)
    assert answer.status_code == 200, answer
    return [one.pk for one in answer.context["cl"].result_list]


def read(*orders: Order) -> list[Order]:
    return list(orders_with(one.pk for one in orders))


# -- the lists ---------------------------------------------------------------------------------------


def test_list_when_filtered_or_searched_then_exact_keys_alone(staff_client, customer, offer, provider):
    done, under_way = completed(customer, offer, 1), completed(customer, offer, 2)
    first = refill_of(done, state=RefillState.REJECTED, upstream_id="r-1", finished_at=timezone.now())
    second = refill_of(under_way, state=RefillState.PENDING, upstream_id="r-2")
    for query, expected in (
        ({}, [second.pk, first.pk]),
        ({"state": "open"}, [second.pk]),
        ({"state": RefillState.REJECTED}, [first.pk]),
        ({"state": "x"}, []),
        ({"provider": provider.pk}, [second.pk, first.pk]),
        ({"provider": "x"}, []),
        ({"provider": provider.pk, "state": "open"}, [second.pk]),
        ({"q": done.pk}, [first.pk]),
        ({"q": "u2"}, [second.pk]),
        ({"q": "r-1"}, [first.pk]),
        ({"q": "r-"}, []),
        ({"q": " ".join(["1"] * 201)}, []),
    ):
        assert listed(staff_client, REFILLS, **query) == expected, query
    request = cancel_of(make.accepted_order(customer, offer, upstream_id="u3"))
    assert listed(staff_client, CANCELS, q="u3") == listed(staff_client, CANCELS, state="open") == [request.pk]
    assert listed(staff_client, CANCELS, q="r-1") == []


def test_list_when_read_page_by_page_then_each_once_in_few_statements(staff_client, customer, offer, monkeypatch):
    monkeypatch.setattr(request_list, "ROWS", 2)
    pks = [refill_of(completed(customer, offer, number)).pk for number in range(3)]
    with statements() as made:
        page = staff_client.get(reverse(REFILLS)).context["cl"]
    assert len(made) <= 20
    [(word, _, address)] = page.pages
    following = staff_client.get(f"{reverse(REFILLS)}{address}").context["cl"]
    assert ([one.pk for one in page.result_list], word) == ([pks[2], pks[1]], "Older")
    assert [one.pk for one in following.result_list] == [pks[0]]


def test_line_when_staff_may_not_see_costs_then_note_without_money(client, staff_client, customer, offer):
    refill_of(completed(customer, offer, 1), note="It costs $0.20 more.")
    assert "$0.20" in staff_client.get(reverse(REFILLS)).content.decode()
    client.force_login(make.staff_member(SUPPORT))
    page = client.get(reverse(REFILLS)).content.decode()
    assert "Instagram followers" in page and "$0.20" not in page


def test_page_of_a_request_when_opened_then_its_order(staff_client, customer, offer):
    refill = refill_of(completed(customer, offer, 1))
    answer = staff_client.get(reverse("admin:orders_refill_change", args=[refill.pk]))
    assert answer.url == reverse("admin:orders_order_change", args=[refill.order_id])


# -- several of them ---------------------------------------------------------------------------------


def test_refills_when_pushed_then_sent_polled_or_requested_anew(customer, offer, staff):
    later = timezone.now() + LATER
    waiting, running, refused, rejected, sending, none = (completed(customer, offer, number) for number in range(6))
    refill_of(waiting, next_action_at=later)
    refill_of(running, state=RefillState.IN_PROGRESS, upstream_id="r1", next_action_at=later)
    refill_of(refused, state=RefillState.REFUSED, finished_at=timezone.now() - 2 * LATER, next_action_at=None)
    refill_of(rejected, state=RefillState.REJECTED, asked_at=timezone.now(), next_action_at=None)
    refill_of(sending, state=RefillState.ASKING, next_action_at=later, claim_token="held")
    orders = read(waiting, running, refused, rejected, sending, none)
    plan = plan_for(PUSH_REFILLS, orders=orders, actor=staff)
    ways = {one.order.pk: one.way for one in plan.able}
    assert ways == {waiting.pk: push.SENT, running.pk: push.POLLED, refused.pk: push.ANEW}
    assert set(plan.left) == {"asked for a refill within the last 24 hours", push.BEING_SENT, push.NO_REFILL}
    assert plan_for(PUSH_REFILLS, orders=orders, actor=customer).left == {StaffReason.OWN: 6}
    assert len(carry_out(PUSH_REFILLS, orders=orders, actor=staff).able) == 3
    assert Refill.objects.get(order=waiting).next_action_at < later > Refill.objects.get(order=running).next_action_at
    assert Refill.objects.filter(order=refused).count() == 2
    with nothing_changes():
        carry_out(PUSH_REFILLS, orders=orders, actor=staff)


def test_cancels_when_pushed_then_sent_polled_or_requested_anew(customer, offer, staff):
    later = timezone.now() + LATER
    waiting, taken, refused, ended = (make.accepted_order(customer, offer, upstream_id=f"u{n}") for n in range(4))
    cancel_of(waiting, next_action_at=later)
    cancel_of(taken, state=CancelState.ACCEPTED, asked_at=timezone.now(), next_action_at=None)
    cancel_of(refused, state=CancelState.REFUSED, finished_at=timezone.now(), next_action_at=None)
    cancel_of(ended, state=CancelState.ENDED, finished_at=timezone.now(), next_action_at=None)
    Order.objects.filter(pk=ended.pk).update(status=Status.COMPLETED, finished_at=timezone.now())
    orders = read(waiting, taken, refused, ended)
    plan = plan_for(PUSH_CANCELS, orders=orders, actor=staff)
    ways = {one.order.pk: one.way for one in plan.able}
    assert ways == {waiting.pk: push.SENT, taken.pk: push.POLLED, refused.pk: push.ANEW}
    assert plan.left == {StaffReason.ENDED: 1}
    carry_out(PUSH_CANCELS, orders=orders, actor=staff)
    assert CancelRequest.objects.get(order=waiting).next_action_at < later
    assert CancelRequest.objects.filter(order=refused).count() == 2


def test_refill_when_a_worker_holds_it_then_not_hurried(customer, offer, staff):
    order = completed(customer, offer, 1)
    refill_of(order, state=RefillState.ASKING, claim_token="held", next_action_at=timezone.now() + LATER)
    with nothing_changes():
        assert not send_at_once(waiting=Refill.objects.all(), order=order, actor=staff)


@pytest.mark.django_db(transaction=True)
def test_refills_when_two_push_at_once_then_one_is_requested(customer, offer, staff):
    order = completed(customer, offer, 1)
    refill_of(order, state=RefillState.REFUSED, finished_at=timezone.now() - 2 * LATER, next_action_at=None)
    results = at_once(2, lambda number: carry_out(PUSH_REFILLS, orders=read(order), actor=staff))
    assert sum(len(one.able) for one in results) == 1
    assert Refill.objects.count() == 2


def test_list_when_pushed_then_previewed_done_and_told(staff_client, customer, offer):
    refill = refill_of(completed(customer, offer, 1), next_action_at=timezone.now() + LATER)
    data = {"action": "push_many", "_selected_action": [refill.pk]}
    with nothing_changes():
        seen = staff_client.post(f"{reverse(REFILLS)}?state=open", data)
    assert "Ask about 1 order" in seen.content.decode()
    form = {"orders": seen.context["selection"], "query": "state=open"}
    answer = staff_client.post(reverse("admin:orders_refill_push_selected"), form, follow=True)
    assert "1 are sent in the next seconds." in answer.content.decode()
    assert Refill.objects.get().next_action_at <= timezone.now()
