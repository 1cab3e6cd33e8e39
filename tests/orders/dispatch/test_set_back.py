"""After the clock was a day ahead, nothing waits for that day to come round again."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db.models import F
from django.utils import timezone

from catalog.models import Provider
from orders.dispatch.set_back import bring_back_due_times
from orders.dispatch.submit import claim_next, submit_due_orders
from orders.dispatch.timeouts import meet_deadlines
from orders.models import DripFeed, Order, OrderPoll
from orders.states import Submission
from panel.alerts.models import RunningTime
from tests import make
from tests.scenes import create_accepted, fresh

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("invariants_hold")]

DAY = timedelta(days=1)


@pytest.mark.usefixtures("real_running")
@pytest.mark.usefixtures("frozen_clock")
def test_queue_when_the_clock_was_a_day_ahead_then_sent_and_polled_now(upstream, customer, service):
    [sent] = create_accepted(customer, service, 1)
    meet_deadlines()
    # What a worker has left that was a day ahead.
    order = make.order(customer, service)
    Order.objects.filter(pk=order.pk).update(next_action_at=F("next_action_at") + DAY)
    OrderPoll.objects.update(due_at=F("due_at") + DAY)
    Provider.objects.update(paused_until=timezone.now() + DAY, polling_until=timezone.now() + DAY)
    RunningTime.objects.update(seen_at=F("seen_at") + DAY)
    assert submit_due_orders() == 1
    assert (fresh(order).submission, len(upstream.orders())) == (Submission.ACCEPTED, 2)
    assert fresh(sent).next_check_at - timezone.now() < timedelta(minutes=5)
    assert Provider.objects.get().polling_until <= timezone.now()


def test_lease_when_it_ends_a_day_late_then_brought_back(customer, service):
    order = make.order(customer, service)
    assert claim_next(provider_id=service.upstream.provider_id)
    held_until = fresh(order).lease_until
    bring_back_due_times(DAY)
    assert fresh(order).lease_until == held_until
    Order.objects.update(lease_until=held_until + DAY)
    bring_back_due_times(DAY)
    assert fresh(order).lease_until == held_until


def test_due_times_when_near_or_of_drip_feeds_then_they_stay(customer, service):
    drip: Any = make.drip(customer, service, runs=2)
    order = make.order(customer, service)
    soon = timezone.now() + timedelta(minutes=50)
    Order.objects.filter(pk=order.pk).update(next_action_at=soon)
    DripFeed.objects.filter(pk=drip.pk).update(next_run_at=timezone.now() + timedelta(hours=20))
    before = DripFeed.objects.get(pk=drip.pk).next_run_at
    bring_back_due_times(DAY)
    assert (fresh(order).next_action_at, DripFeed.objects.get(pk=drip.pk).next_run_at) == (soon, before)
