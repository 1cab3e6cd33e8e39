"""Ending many orders by hand: each with the refund that is known, within the limits of staff."""

from __future__ import annotations

from typing import Any

import pytest

from orders.many import close
from orders.many.actions import StaffReason, carry_out, orders_with, plan_for
from orders.many.close import CLOSE
from orders.models import Order
from orders.second_looks import CLOSE_MANY
from orders.states import ReviewReason, Status, Submission
from panel.accounts.roles import OWNER, SUPPORT
from panel.staff.looks import LookRefused, confirm_look
from panel.staff.models import SecondLook, StaffDeed, StaffLimit
from tests import make
from tests.admin_calls import WHY, do_to_many, preview_many
from tests.scenes import at_once, fresh, nothing_changes, refunds_of

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("invariants_hold")]

FORM = {"how": close.BY_DELIVERED, "note": "Its provider stopped", **WHY}


@pytest.fixture
def offer(provider):
    return make.service(provider)


def running(customer: Any, offer: Any, number: int, *, remains: int | None, **values: Any) -> Order:
    order = make.accepted_order(customer, offer, upstream_id=f"u{number}", **values)
    Order.objects.filter(pk=order.pk).update(status=Status.IN_PROGRESS, remains=remains)
    return fresh(order)


def read(*orders: Order) -> list[Order]:
    return list(orders_with(one.pk for one in orders))


def test_plan_when_ended_by_what_is_known_then_each_its_refund(customer, offer, staff):
    half, none, all_of_it, unknown = (
        running(customer, offer, number, remains=remains) for number, remains in enumerate((40, 100, 0, None))
    )
    early = running(customer, offer, 5, remains=0)
    Order.objects.filter(pk=early.pk).update(status=Status.PENDING)
    queued = make.order(customer, offer)
    orders = read(half, none, all_of_it, unknown, early, queued)
    data = {"how": close.BY_DELIVERED}
    plan = plan_for(CLOSE, orders=orders, actor=staff, data=data)
    assert {one.order.pk: (one.way, one.back) for one in plan.able} == {
        half.pk: (Status.PARTIAL, 100_000),
        none.pk: (Status.CANCELED, 250_000),
        all_of_it.pk: (Status.COMPLETED, 0),
    }
    assert plan.left == {close.UNKNOWN: 2, close.NOT_ACCEPTED: 1}
    canceled = plan_for(CLOSE, orders=orders, actor=staff, data={"how": "canceled"})
    assert (len(canceled.able), canceled.refunded) == (5, 1_250_000)
    assert plan_for(CLOSE, orders=orders, actor=customer, data=data).left == {StaffReason.OWN: 6}


def test_page_when_confirmed_then_each_is_refunded_and_counted_once(staff_client, customer, offer):
    half, unknown = running(customer, offer, 1, remains=40), running(customer, offer, 2, remains=None)
    with nothing_changes():
        seen = preview_many(staff_client, "close", [half, unknown])
    page = seen.content.decode()
    for text in ("By what was delivered", "All as canceled", "$0.10 is refunded", "$0.50 is refunded", close.UNKNOWN):
        assert text in page, text
    address, form = "/admin/orders/order/close/", {"orders": seen.context["selection"], **FORM}
    with nothing_changes():
        assert "This field is required." in staff_client.post(address, {**form, "note": ""}).content.decode()
    answer = staff_client.post(address, form, follow=True).content.decode()
    assert "1 ended as partial and $0.10 refunded; 1 left alone: not known how much of them was delivered" in answer
    assert (fresh(half).status, fresh(half).status_note) == (Status.PARTIAL, "Its provider stopped")
    with nothing_changes():
        assert "2 left alone: changed since" not in staff_client.post(address, form, follow=True).content.decode()
    assert (refunds_of(half), StaffDeed.objects.get().amount) == ([100_000], 100_000)


def test_page_when_delivery_went_on_since_then_left_alone(staff_client, customer, offer):
    order = running(customer, offer, 1, remains=40)
    form = {"orders": preview_many(staff_client, "close", [order]).context["selection"], **FORM}
    Order.objects.filter(pk=order.pk).update(remains=10)
    answer = staff_client.post("/admin/orders/order/close/", form, follow=True).content.decode()
    assert f"1 left alone: changed since you looked ({order.pk})" in answer
    assert (fresh(order).status, refunds_of(order)) == (Status.IN_PROGRESS, [])


@pytest.mark.django_db(transaction=True)
def test_act_when_two_end_at_once_then_each_order_is_refunded_once(customer, offer, staff):
    made = [running(customer, offer, number, remains=100) for number in range(5)]
    data = {"how": "canceled", "note": "Stopped"}
    results = at_once(2, lambda number: carry_out(CLOSE, orders=read(*made), actor=staff, data=data))
    assert sum(one.refunded for one in results) == 1_250_000
    assert [refunds_of(one) for one in made] == [[250_000]] * 5


def test_page_when_above_the_limit_then_the_rest_waits_and_is_done(client, customer, provider, offer):
    StaffLimit.objects.create(role=SUPPORT, kind="close", at_once=300_000, a_day=300_000)
    second = make.staff_member(OWNER)
    orders = [running(customer, offer, number, remains=100) for number in range(3)]
    client.force_login(make.staff_member(SUPPORT))
    answer = do_to_many(client, "close", orders, **FORM).content.decode()
    assert "1 ended as canceled and $0.25 refunded; 2 left alone: above your limit" in answer
    assert "2 orders for $0.50 wait for a second person" in answer
    look = SecondLook.objects.get()
    assert (look.act, look.amount, look.kind) == (CLOSE_MANY, 500_000, "close")
    moved = fresh(orders[2])
    Order.objects.filter(pk=moved.pk).update(refunded=1)
    assert "Ended: 1, and $0.25 refunded. 1 left alone" in confirm_look(look=look, actor=second)
    Order.objects.filter(pk=moved.pk).update(refunded=0)
    states = set(Order.objects.exclude(pk=moved.pk).values_list("status", "submission"))
    assert states == {(Status.CANCELED, Submission.ACCEPTED)}


# -- what goes on meanwhile ----------------------------------------------------------------------------


def test_close_when_delivery_goes_on_meanwhile_then_left_alone(customer, offer, staff, monkeypatch):
    first, second = (running(customer, offer, number, remains=100) for number in (1, 2))
    close_one = close.close_accepted

    def closing(*, order: Order, **rest: Any) -> int:
        # A poll writes what it found while the other waits for its turn.
        Order.objects.filter(pk=second.pk).update(remains=0)
        return close_one(order=order, **rest)

    monkeypatch.setattr(close, "close_accepted", closing)
    result = carry_out(
        CLOSE, orders=read(first, second), actor=staff, data={"how": close.BY_DELIVERED, "note": "Stopped"}
    )
    assert result.left == {StaffReason.CHANGED: 1}
    assert (refunds_of(second), fresh(second).status) == ([], Status.IN_PROGRESS)


def test_second_look_when_delivered_since_then_refused(client, customer, offer):
    StaffLimit.objects.create(role=SUPPORT, kind="close", at_once=1, a_day=1)
    order = running(customer, offer, 1, remains=100)
    client.force_login(make.staff_member(SUPPORT))
    do_to_many(client, "close", [order], **FORM)
    look = SecondLook.objects.get()
    assert "End (1 Canceled) 1 order" in look.text
    Order.objects.filter(pk=order.pk).update(remains=0)
    with pytest.raises(LookRefused):
        confirm_look(look=look, actor=make.staff_member(OWNER))
    assert refunds_of(order) == []


def test_plan_when_in_review_then_left_to_be_decided_alone(customer, offer, staff):
    order = running(customer, offer, 1, remains=90)
    Order.objects.filter(pk=order.pk).update(review_reason=ReviewReason.CONTRADICTION)
    plan = plan_for(CLOSE, orders=read(order), actor=staff, data={"how": close.BY_DELIVERED})
    assert plan.left == {StaffReason.IN_REVIEW: 1}
