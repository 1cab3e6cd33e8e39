"""Ends that a provider takes back: which answers do so, and that they move no money but reach staff.

The order is 100 for 0.25 at an expected cost of 0.20.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from orders.models import Order, OrderEvent, OrderPoll
from orders.review.decisions import dismiss_review, refund_part
from orders.review.manual_close import close_accepted
from orders.states import ReviewReason, Status
from orders.tracking.recanted import LateAnswer, confirms_end, recants
from panel.alerts.models import Alert
from tests import make
from tests.scenes import create_accepted, fresh, money_of, poll_now, refunds_of, set_and_poll

# -- the decision ------------------------------------------------------------------------------------

FULL, PART = 250_000, 100_000
CANCELED, COMPLETED, PARTIAL = Status.CANCELED, Status.COMPLETED, Status.PARTIAL
RUNNING, PENDING = Status.IN_PROGRESS, Status.PENDING


def ended(status: Status, *, service_type: str = "default") -> Order:
    return Order(quantity=100, charge=250_000, expected_cost=200_000, status=status, service_type=service_type)


@pytest.mark.parametrize(
    ("was", "refunded", "answer", "recanted", "confirmed"),
    [
        # Nothing was delivered, and all was refunded.
        (CANCELED, FULL, (COMPLETED, 0, 200_000, 0), True, False),
        (CANCELED, FULL, (COMPLETED, None, None, 0), True, False),
        (CANCELED, FULL, (PARTIAL, 40, 120_000, 0), True, False),
        (CANCELED, FULL, (PARTIAL, 100, 0, 0), False, True),
        (CANCELED, FULL, (RUNNING, 100, 0, 0), True, False),
        (CANCELED, FULL, (PENDING, None, None, 0), True, False),
        (CANCELED, FULL, (CANCELED, 100, 0, 0), False, True),
        (CANCELED, FULL, (CANCELED, 0, 0, 0), False, True),
        (CANCELED, FULL, (CANCELED, None, None, 0), False, False),
        # The charge rose: to any sum if nothing was delivered.
        (CANCELED, FULL, (CANCELED, 100, 200_000, 0), True, False),
        (CANCELED, FULL, (CANCELED, 100, 1, 0), True, False),
        (CANCELED, FULL, (CANCELED, 100, 200_000, None), True, False),
        # It was known at the end: many providers leave it on canceled orders.
        (CANCELED, FULL, (CANCELED, 100, 200_000, 200_000), False, False),
        (CANCELED, FULL, (CANCELED, 100, 100_000, 200_000), False, False),
        # 40 were refunded, so 60 cost 0.12.
        (PARTIAL, PART, (PARTIAL, 40, 120_000, 120_000), False, True),
        (PARTIAL, PART, (PARTIAL, 38, 124_000, 120_000), False, True),
        (PARTIAL, PART, (PARTIAL, 10, 180_000, 120_000), True, False),
        (PARTIAL, PART, (PARTIAL, -5, None, 120_000), True, False),
        (PARTIAL, PART, (PARTIAL, 70, 60_000, 120_000), False, True),
        (PARTIAL, PART, (COMPLETED, 0, 200_000, 120_000), True, False),
        (PARTIAL, PART, (RUNNING, 40, 120_000, 120_000), False, True),
        (PARTIAL, PART, (RUNNING, 20, None, 120_000), True, False),
        (PARTIAL, PART, (RUNNING, 40, 200_000, 120_000), True, False),
        (PARTIAL, PART, (PENDING, 0, None, 120_000), False, False),
        (PARTIAL, PART, (PARTIAL, None, 130_000, 120_000), False, True),
        (PARTIAL, PART, (PARTIAL, None, 131_000, 120_000), True, False),
        # Completed here, with an earlier refund.
        (COMPLETED, PART, (COMPLETED, 0, 200_000, 200_000), True, False),
        # Nothing was refunded by an answer.
        (COMPLETED, 0, (COMPLETED, 0, 200_000, 200_000), False, True),
        (CANCELED, 0, (COMPLETED, 0, 200_000, 200_000), False, True),
        (CANCELED, 0, (RUNNING, 100, 200_000, 0), False, False),
    ],
)
def test_answer_when_it_comes_after_a_refund_then_as_listed(was, refunded, answer, recanted, confirmed):
    order = ended(was)
    assert recants(order, LateAnswer(*answer), refunded=refunded) is recanted
    assert confirms_end(order, LateAnswer(*answer), refunded=refunded) is confirmed


def test_package_when_contents_remain_then_only_its_end_counts():
    package = ended(PARTIAL, service_type="package")
    package.quantity = 1
    assert not recants(package, LateAnswer(PARTIAL, 0, None, None), refunded=FULL)
    assert recants(package, LateAnswer(COMPLETED, None, None, None), refunded=FULL)


# -- what comes of it --------------------------------------------------------------------------------

scenes = [pytest.mark.django_db, pytest.mark.usefixtures("invariants_hold")]


def in_scenes(test: Any) -> Any:
    for mark in scenes:
        test = mark(test)
    return test


def canceled(upstream: Any, order: Order) -> Order:
    return set_and_poll(upstream, order, status="Canceled", remains=100, charge="0")


@in_scenes
def test_orders_when_canceled_then_completed_then_sum_is_shown(upstream, customer, service):
    """Twenty orders were refunded, then delivered and charged, and nobody heard of it."""
    made = create_accepted(customer, service, 3)
    for one in made:
        canceled(upstream, one)
    paid = money_of(customer)
    for one in made:
        upstream.set_order(int(one.upstream_id), status="Completed", remains=0, charge="0.2")
    poll_now()
    assert [(fresh(one).status, fresh(one).review_reason) for one in made] == [("canceled", "recanted")] * 3
    assert money_of(customer) == paid
    alert = Alert.objects.get(cause__endswith=":recanted")
    assert (alert.level, "3 orders" in alert.text) == ("danger", True)
    assert "$0.75 was refunded" in alert.text and "charges $0.60" in alert.text


@in_scenes
def test_charge_when_it_returns_after_a_full_refund_then_in_review(upstream, customer, service):
    [one] = create_accepted(customer, service)
    canceled(upstream, one)
    stored = set_and_poll(upstream, one, status="Canceled", remains=100, charge="0.2")
    assert (stored.review_reason, stored.upstream_charge) == (ReviewReason.RECANTED, 200_000)
    poll_now()
    assert fresh(one).review_reason == ReviewReason.RECANTED
    assert OrderEvent.objects.filter(order=one, kind="review").count() == 1


@in_scenes
def test_charge_when_it_contradicts_a_full_refund_then_recanted(upstream, customer, service):
    """All is refunded, so that remains and charge contradict each other decides nothing more."""
    [one] = create_accepted(customer, service)
    canceled(upstream, one)
    assert set_and_poll(upstream, one, status="Canceled", remains=0, charge="0.2").review_reason == "recanted"


@in_scenes
def test_finding_when_dismissed_then_only_another_opens_a_review(upstream, customer, service, staff):
    [one] = create_accepted(customer, service)
    canceled(upstream, one)
    stored = set_and_poll(upstream, one, status="In progress", remains=90, charge="0.2")
    assert stored.review_reason == ReviewReason.RECANTED
    dismiss_review(order=stored, note="They owe us", actor=staff)
    assert set_and_poll(upstream, one, status="In progress", remains=50, charge="0.2").review_reason == ""
    assert set_and_poll(upstream, one, status="Completed", remains=0, charge="0.2").review_reason == "recanted"


@in_scenes
def test_review_when_the_provider_confirms_the_end_then_it_closes(upstream, customer, service):
    [one] = create_accepted(customer, service)
    canceled(upstream, one)
    assert set_and_poll(upstream, one, status="Pending", remains=100, charge="0").review_reason == "recanted"
    assert canceled(upstream, one).review_reason == ""
    assert refunds_of(one) == [250_000]


@in_scenes
def test_end_when_recanted_in_another_review_then_it_replaces_it(upstream, customer, service):
    """The answer closed the other review, and the charge was no news at the next one."""
    [one] = create_accepted(customer, service)
    canceled(upstream, one)
    set_and_poll(upstream, one, status="Odd", charge="0")
    OrderPoll.objects.update(unknown_since=timezone.now() - timedelta(days=2))
    assert set_and_poll(upstream, one, status="Odd", charge="0").review_reason == ReviewReason.UNKNOWN_STATUS
    assert set_and_poll(upstream, one, status="Canceled", charge="0.2").review_reason == ReviewReason.RECANTED


@in_scenes
def test_refund_when_staff_gave_it_then_no_answer_recants_it(upstream, customer, service, staff):
    first, second, third = create_accepted(customer, service, 3)
    set_and_poll(upstream, first, status="Completed", remains=0, charge="0.2")
    refund_part(order=fresh(first), amount=50_000, note="Sorry", actor=staff)
    close_accepted(order=fresh(second), status="canceled", note="It is stuck", actor=staff)
    upstream.set_order(int(second.upstream_id), status="Completed", remains=0, charge="0.2")
    set_and_poll(upstream, third, status="Partial", remains=40, charge="0.12")
    refund_part(order=fresh(third), amount=50_000, note="Sorry", actor=staff)
    poll_now()
    assert [fresh(one).review_reason for one in (first, second, third)] == ["", "", ""]
    # What the provider granted of it, it can still take back.
    assert set_and_poll(upstream, third, status="Completed", remains=0, charge="0.2").review_reason == "recanted"


@in_scenes
def test_order_when_its_end_is_recanted_then_page_is_unchanged(upstream, customer, service, signed_in):
    [one] = create_accepted(customer, service)
    canceled(upstream, one)
    set_and_poll(upstream, one, status="Completed", remains=0, charge="0.2")
    page = signed_in.get(f"/orders/{one.pk}/").content.decode()
    assert "Canceled" in page and "recant" not in page.lower()
    assert make.wallet(customer).balance == 10_000_000
