"""What counts for levels: charges less refunds of orders that have ended, in all or in a period."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from billing.models import Entry
from orders.checkout.drip_feeds import begin_due_runs, stop_drip_feed
from orders.models import DripFeed, Order
from orders.requests.cancel import cancel_order
from panel.levels.spent import Spending, spending_by_customer
from tests import make
from tests.panel.levels.conftest import post, spend, spent_past
from tests.scenes import statements

pytestmark = pytest.mark.django_db


def spending(customer: Any, days: int | None = None) -> Spending:
    since = None if days is None else timezone.now() - timedelta(days=days)
    return spending_by_customer(customers=[customer.pk], since=since)[customer.pk]


def test_spent_when_money_comes_in_and_goes_otherwise_then_not_counted(customer):
    spend(customer, "30")
    post(customer, 5_000_000, Entry.Kind.BONUS)
    post(customer, -2_000_000, Entry.Kind.ADJUSTMENT)
    post(customer, 4_000_000, Entry.Kind.REFUND)
    assert spending(customer) == Spending(26_000_000, 0)


def test_spent_when_nothing_was_paid_in_then_nothing(customer, other):
    assert spending_by_customer(customers=[customer.pk, other.pk], since=None) == {
        customer.pk: Spending(0, 0),
        other.pk: Spending(0, 0),
    }


def test_spent_in_a_period_when_older_charges_then_left_out():
    customer = make.customer()
    spent_past(customer, (100, "300"), (80, "-20"), (20, "50"), (10, "-10"), (1, "7"))
    assert spending(customer).counts == 327_000_000
    assert [spending(customer, days).counts for days in (90, 30, 15, 5)] == [27_000_000, 47_000_000, 0, 7_000_000]
    assert spending(customer, 15).charged == -3_000_000


def test_spent_when_orders_run_then_they_count_once_they_ended(customer, service):
    order = make.order(customer, service, quantity=1_000)
    assert spending(customer) == Spending(2_500_000, 2_500_000) and spending(customer).counts == 0
    Order.objects.filter(pk=order.pk).update(status="completed")
    assert spending(customer) == Spending(2_500_000, 0)


def test_spent_when_an_ended_order_is_in_review_then_it_counts_after(customer, service):
    order = make.order(customer, service, quantity=1_000)
    in_review = {"review_reason": "contradiction", "review_since": timezone.now()}
    Order.objects.filter(pk=order.pk).update(status="canceled", **in_review)
    assert spending(customer) == Spending(2_500_000, 2_500_000)
    Order.objects.filter(pk=order.pk).update(review_reason="", review_since=None)
    assert spending(customer).counts == 2_500_000


def test_spent_when_an_order_is_canceled_then_it_never_counted(customer, service):
    order = make.order(customer, service, quantity=1_000)
    cancel_order(order=order, actor=customer)
    assert spending(customer) == Spending(0, 0)


def test_spent_on_a_drip_feed_when_runs_end_then_each_counts(customer, service):
    drip = make.drip(customer, service, quantity=1_000, runs=3)
    assert spending(customer) == Spending(7_500_000, 7_500_000)
    Order.objects.filter(drip_feed=drip).update(status="completed")
    assert spending(customer).counts == spending(customer, 1).counts == 2_500_000
    DripFeed.objects.update(next_run_at=timezone.now())
    begin_due_runs()
    assert spending(customer) == Spending(7_500_000, 5_000_000)
    stop_drip_feed(drip=DripFeed.objects.get(), actor=customer)
    assert spending(customer) == Spending(5_000_000, 2_500_000)


def test_spending_when_customers_are_many_then_one_statement(customer, other, service):
    make.order(customer, service)
    spend(other, "3")
    with statements() as sent:
        found = spending_by_customer(customers=[customer.pk, other.pk], since=timezone.now() - timedelta(days=9))
    assert len(sent) == 1 and found[other.pk].counts == 3_000_000
