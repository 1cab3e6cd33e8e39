"""Staff close an accepted order manually: the refund, what stays open, and who may."""

from __future__ import annotations

from typing import Any

import pytest
from django.urls import reverse

from orders.common.transitions import OrderMoved
from orders.models import CancelRequest, Order, OrderEvent
from orders.review.decisions import ReviewError
from orders.review.manual_close import close_accepted, may_end
from orders.states import CancelState, ReviewReason, Status
from tests import make
from tests.admin_calls import WHY
from tests.scenes import fresh, money_of, nothing_changes, poll_now, refunds_of, set_and_poll, submit_now

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("invariants_hold")]


@pytest.fixture
def order(upstream: Any, customer: Any, service: Any) -> Order:
    """An accepted order of 100 for $0.25."""
    made = make.order(customer, service)
    submit_now()
    return fresh(made)


@pytest.mark.parametrize(
    ("status", "delivered", "refunds"),
    [("completed", None, []), ("canceled", None, [250_000]), ("partial", 60, [100_000]), ("partial", 99, [2_500])],
)
def test_close_when_staff_decide_then_refunded_in_one_transaction(order, customer, staff, status, delivered, refunds):
    returned = close_accepted(
        order=order, status=status, delivered=delivered, note="Stuck there for a week", actor=staff
    )
    stored = fresh(order)
    assert (stored.status, stored.refunded, returned) == (status, sum(refunds), sum(refunds))
    assert (refunds_of(order), stored.finished_at is not None) == (refunds, True)
    assert stored.delivered == {"completed": 100, "partial": delivered}.get(status, stored.delivered)
    event = OrderEvent.objects.get(order=order, kind="status")
    assert (event.actor, event.old, event.new) == (staff, "pending", status)


@pytest.mark.parametrize(
    ("status", "delivered"),
    [
        ("partial", None),
        ("partial", 0),
        ("partial", 100),
        ("partial", -5),
        ("partial", 101),
        ("pending", None),
        ("x", 1),
    ],
)
def test_close_when_it_does_not_fit_the_order_then_nothing_changes(order, staff, status, delivered):
    with nothing_changes(), pytest.raises(ReviewError):
        close_accepted(order=order, status=status, delivered=delivered, note="x", actor=staff)


def test_close_when_partly_refunded_before_then_only_rest_refunded(upstream, order, customer, staff):
    order = set_and_poll(upstream, order, status="Partial", remains=40, charge="0.12")
    order = set_and_poll(upstream, order, status="Partial", remains=80, charge="0.15")
    assert (order.review_reason, refunds_of(order)) == (ReviewReason.CONTRADICTION, [100_000])
    close_accepted(order=order, status="partial", delivered=20, note="80 are missing", actor=staff)
    assert (refunds_of(order), fresh(order).review_reason) == ([100_000, 100_000], "")
    # The same contradiction in a later answer opens no new review.
    poll_now()
    assert (fresh(order).review_reason, refunds_of(order)) == ("", [100_000, 100_000])


def test_close_when_more_was_refunded_then_nothing_is_taken_back(upstream, order, staff):
    order = set_and_poll(upstream, order, status="Partial", remains=40, charge="0.12")
    order = set_and_poll(upstream, order, status="Partial", remains=90, charge="0.15")
    close_accepted(order=order, status="partial", delivered=95, note="They delivered after all", actor=staff)
    assert (refunds_of(order), fresh(order).refunded) == ([100_000], 100_000)


def test_close_when_the_order_changed_meanwhile_then_nothing_changes(upstream, order, staff):
    seen = fresh(order)
    set_and_poll(upstream, order, status="Canceled", remains=100, charge="0")
    with nothing_changes(), pytest.raises(OrderMoved):
        close_accepted(order=seen, status="canceled", note="x", actor=staff)


def test_closed_when_provider_grants_more_later_then_also_refunded(upstream, order, staff):
    close_accepted(order=order, status="partial", delivered=60, note="x", actor=staff)
    stored = set_and_poll(upstream, order, status="Canceled", remains=100, charge="0")
    assert (stored.status, refunds_of(order)) == (Status.CANCELED, [100_000, 150_000])


@pytest.mark.parametrize("later", ["Pending", "In progress", "Processing"])
def test_closed_when_the_provider_reports_progress_then_stays_closed(upstream, order, staff, later):
    close_accepted(order=order, status="canceled", note="x", actor=staff)
    stored = set_and_poll(upstream, order, status=later, remains=10, charge="0.2")
    assert (stored.status, stored.refunded) == (Status.CANCELED, 250_000)


def test_close_when_a_cancel_is_open_then_it_ends_too(order, staff):
    CancelRequest.objects.create(order=order, provider=order.provider, state=CancelState.ACCEPTED)
    close_accepted(order=order, status="canceled", note="x", actor=staff)
    assert CancelRequest.objects.get().state == CancelState.ENDED


def test_close_when_not_accepted_or_ended_then_not_offered(upstream, order, customer, service):
    assert may_end(order)
    assert not may_end(make.order(customer, service))
    assert not may_end(set_and_poll(upstream, order, status="Completed", remains=0, charge="0.2"))
    assert not may_end(set_and_poll(upstream, order, status="Canceled", remains=100, charge="0"))


def test_page_when_staff_close_an_order_then_confirmed_and_reported(staff_client, order, customer):
    url = reverse("admin:orders_order_end", args=[order.pk])
    assert url in staff_client.get(reverse("admin:orders_order_change", args=[order.pk])).content.decode()
    page = staff_client.get(url)
    assert b"The customer paid $0.25" in page.content
    seen = page.context["seen"]
    with nothing_changes():
        response = staff_client.post(url, {"status": "partial", "note": "x", "seen": seen})
    assert b"Say how many" in response.content
    data = {"status": "partial", "delivered": "60", "note": "Found <b>60</b> there", "seen": seen, **WHY}
    response = staff_client.post(url, data, follow=True)
    assert b"Ended as Partial; $0.10 refunded." in response.content
    assert money_of(customer)[0] == 9_850_000
    # A double click: the second post has an outdated state.
    with nothing_changes():
        staff_client.post(url, data)


def test_page_when_a_customer_opens_it_then_denied(signed_in, order):
    with nothing_changes():
        response = signed_in.post(reverse("admin:orders_order_end", args=[order.pk]), {"status": "canceled"})
    assert response.status_code in (302, 403)
