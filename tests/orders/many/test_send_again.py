"""Sending many orders again: only those that their providers surely do not have, and none at a loss."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.utils import timezone

from catalog.models import Provider, Service
from orders.common.transitions import OrderMoved
from orders.dispatch.submit import claim_next
from orders.many import send_again
from orders.many.actions import StaffReason, carry_out, orders_with, plan_for
from orders.many.send_again import SEND_AGAIN
from orders.models import Order, PlacementAttempt
from orders.review import decisions
from orders.states import AttemptOutcome, ReviewReason, Submission
from panel.accounts.roles import OWNER, SUPPORT
from tests import make
from tests.admin_calls import do_to_many, preview_many
from tests.scenes import at_once, fresh, nothing_changes

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("invariants_hold")]

LATER = timedelta(hours=1)


@pytest.fixture
def offer(provider):
    return make.service(provider)


def held(customer: Any, offer: Service, reason: str = ReviewReason.WOULD_LOSE, **values: Any) -> Order:
    order = make.order(customer, offer)
    Order.objects.filter(pk=order.pk).update(review_reason=reason, review_since=timezone.now(), **values)
    return fresh(order)


def waiting(customer: Any, offer: Service) -> Order:
    order = make.order(customer, offer)
    Order.objects.filter(pk=order.pk).update(next_action_at=timezone.now() + LATER)
    return fresh(order)


def attempt_of(order: Order, outcome: AttemptOutcome) -> PlacementAttempt:
    return PlacementAttempt.objects.create(order=order, token=f"t{order.pk}{outcome}", outcome=outcome)


def read(*orders: Order) -> list[Order]:
    return list(orders_with(one.pk for one in orders))


def test_plan_when_maybe_taken_then_left_and_nothing_sent(customer, offer, staff, monkeypatch):
    # Attempts that no worker made are in no mark.
    monkeypatch.setattr(send_again, "may_lack_orders", lambda **of: False)
    doubt, taken, tried, unclear, accepted = (
        held(customer, offer, ReviewReason.DOUBT, submission=Submission.IN_DOUBT, doubt_until=timezone.now()),
        held(customer, offer),
        waiting(customer, offer),
        held(customer, offer, ReviewReason.UNKNOWN_ERROR),
        make.accepted_order(customer, offer),
    )
    for outcome in (AttemptOutcome.REFUSED, AttemptOutcome.NOT_SENT):
        attempt_of(tried, outcome)
    attempt_of(taken, AttemptOutcome.UNKNOWN)
    orders = read(doubt, taken, tried, unclear, accepted)
    plan = plan_for(SEND_AGAIN, orders=orders, actor=staff)
    assert [one.order.pk for one in plan.able] == [tried.pk]
    assert set(plan.left) == {
        StaffReason.IN_DOUBT,
        send_again.MAYBE_TAKEN,
        StaffReason.IN_REVIEW,
        StaffReason.ACCEPTED,
    }
    carry_out(SEND_AGAIN, orders=orders, actor=staff)
    states = {order.pk: (order.submission, order.review_reason) for order in orders}
    changed = [one for one in Order.objects.all() if (one.submission, one.review_reason) != states[one.pk]]
    assert changed == []
    assert fresh(tried).next_action_at <= timezone.now() < fresh(tried).next_action_at + LATER


def test_act_when_in_review_unsent_then_queued_with_its_profit(customer, offer, staff):
    order = held(customer, offer)
    plan = plan_for(SEND_AGAIN, orders=read(order), actor=staff)
    assert [(one.way, one.profit) for one in plan.able] == [(send_again.REQUEUED, 50_000)]
    carry_out(SEND_AGAIN, orders=read(order), actor=staff)
    again = fresh(order)
    assert (again.submission, again.review_reason) == (Submission.QUEUED, "")
    assert again.events.filter(actor=staff).count() == 1
    assert LogEntry.objects.get(object_id=str(order.pk)).change_message == "Sent again with others."


def test_plan_when_it_would_lose_or_exceed_the_limit_then_left(customer, offer, provider, staff):
    dear = make.service(provider, external_id="2")
    first, second = held(customer, offer), held(customer, dear)
    Service.objects.filter(pk=dear.pk).update(cost=10_000_000)
    assert plan_for(SEND_AGAIN, orders=read(first, second), actor=staff).left == {send_again.WOULD_LOSE: 1}
    Provider.objects.update(daily_limit=1)
    left = plan_for(SEND_AGAIN, orders=read(first), actor=staff).left
    assert left == {send_again.OVER_LIMIT: 1}


def test_plan_when_due_own_or_of_an_unsure_database_then_left(customer, offer, staff, monkeypatch):
    due, own = make.order(customer, offer), held(customer, offer)
    left = plan_for(SEND_AGAIN, orders=read(due, own), actor=customer).left
    assert left == {StaffReason.OWN: 2}
    assert plan_for(SEND_AGAIN, orders=read(due), actor=staff).left == {send_again.NEXT_ANYWAY: 1}
    monkeypatch.setattr(send_again, "may_lack_orders", lambda **of: True)
    assert plan_for(SEND_AGAIN, orders=read(own), actor=staff).left == {send_again.RESTORED: 1}


def test_act_when_claimed_since_the_plan_then_left(customer, offer, provider, staff, monkeypatch):
    order = waiting(customer, offer)
    [read_before] = read(order)
    Order.objects.update(next_action_at=timezone.now())
    assert claim_next(provider_id=provider.pk)
    with pytest.raises(OrderMoved):
        decisions.send_at_once(order=read_before, actor=staff)
    assert fresh(order).submission == Submission.SUBMITTING


@pytest.mark.django_db(transaction=True)
def test_act_when_two_send_again_at_once_then_each_order_once(customer, offer, staff):
    made = [held(customer, offer) for _ in range(5)]
    results = at_once(2, lambda number: carry_out(SEND_AGAIN, orders=read(*made), actor=staff))
    assert sum(len(one.able) for one in results) == 5
    assert [one.events.filter(actor=staff).count() for one in made] == [1] * 5


# -- the page ----------------------------------------------------------------------------------------


def test_page_when_two_staff_looked_then_the_second_is_told(client, customer, offer):
    first, second = held(customer, offer), held(customer, offer)
    owner, support = make.staff_member(OWNER), make.staff_member(SUPPORT)
    client.force_login(owner)
    with nothing_changes():
        seen = preview_many(client, "send_again", [first, second])
    page = seen.content.decode()
    assert "Send 2 orders again" in page and "$0.50" in page and "Expected profit" in page and "$0.10" in page
    client.force_login(support)
    assert "Expected profit" not in preview_many(client, "send_again", [first]).content.decode()
    assert "1 went back into the queue." in do_to_many(client, "send_again", [first]).content.decode()
    client.force_login(owner)
    address, form = "/admin/orders/order/send_again/", {"orders": seen.context["selection"]}
    answer = client.post(address, form, follow=True).content.decode()
    changed = f"changed since you looked, and now next to be sent already ({first.pk})"
    assert f"1 went back into the queue; 1 left alone: {changed}" in answer
    with nothing_changes():
        again = client.post(address, form, follow=True).content.decode()
    assert "Nothing was sent; 2 left alone: changed since you looked" in again


def test_page_when_none_fits_then_it_says_so_and_offers_nothing(staff_client, customer, offer):
    order = make.accepted_order(customer, offer)
    page = preview_many(staff_client, "send_again", [order], kind="orders_order").content.decode()
    assert "None of the selected orders fits." in page and "left alone: with the provider already" in page
    assert 'type="submit"' not in page.partition('name="selection"')[2]


def test_review_list_when_sent_again_then_back_in_the_queue(staff_client, customer, offer):
    order = held(customer, offer)
    do_to_many(staff_client, "send_again", [order], kind="orders_orderinreview")
    assert fresh(order).review_reason == ""
