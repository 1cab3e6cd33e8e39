"""The poll queue: which orders have a row, and when they are polled."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from catalog.upstream.client import UpstreamClient
from orders.common.backoff import LATE_CHANGES
from orders.common.poll_queue import adopt_unfollowed, follow, poll_soon, unfollow
from orders.models import Order, OrderPoll
from orders.review.decisions import bind_upstream_id
from orders.review.manual_close import close_accepted
from orders.states import Status, Submission
from orders.tracking.monitor import watch_polls
from tests import make
from tests.scenes import at_once, create_accepted, create_in_doubt, fresh, poll_now, set_and_poll, true_id

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("invariants_hold")]

NOW = timezone.now()
LATER = NOW + timedelta(hours=3)


@pytest.fixture
def order(customer, service):
    return make.accepted_order(customer, service)


def forget(order: Order, **values: object) -> None:
    """Leave the order as the release before leaves one that it accepted: without a poll."""
    OrderPoll.objects.filter(order=order).delete()
    Order.objects.filter(pk=order.pk).update(next_poll_at=NOW, **values)


# -- rows are made and removed -----------------------------------------------------------------------


def test_order_when_accepted_then_it_is_followed(upstream, customer, service):
    [order] = create_accepted(customer, service)
    poll = order.poll
    assert (poll.provider_id, poll.checked_at, poll.unchanged, poll.errors) == (order.provider_id, None, 0, 0)
    assert poll.due_at == order.next_poll_at == order.next_check_at


def test_order_when_in_doubt_then_followed_once_it_is_bound(upstream, customer, service):
    order = create_in_doubt(upstream, customer, service)
    assert not OrderPoll.objects.exists()
    bind_upstream_id(order=order, upstream_id=true_id(upstream, order))
    assert fresh(order).poll.due_at == fresh(order).next_poll_at


def test_follow_when_repeated_then_rescheduled_and_counts_reset(order):
    OrderPoll.objects.update(unchanged=7, errors=3, checked_at=NOW)
    follow(order_id=order.pk, provider_id=order.provider_id, due_at=LATER)
    poll = OrderPoll.objects.get()
    assert (poll.due_at, poll.unchanged, poll.errors, poll.checked_at) == (LATER, 0, 0, NOW)


def test_order_when_late_changes_are_over_then_followed_no_more(upstream, customer, service):
    [order] = create_accepted(customer, service)
    assert set_and_poll(upstream, order, status="Completed", remains=0).next_check_at is not None
    Order.objects.update(finished_at=timezone.now() - LATE_CHANGES - timedelta(hours=1))
    poll_now()
    ended = fresh(order)
    assert not OrderPoll.objects.exists()
    assert (ended.next_poll_at, ended.next_check_at) == (None, None)
    assert ended.last_checked_at is not None
    assert adopt_unfollowed() == 0


def test_order_when_staff_close_it_after_that_then_followed_again(customer, service, staff, order):
    unfollow(polls=[order.poll])
    close_accepted(order=fresh(order), status=Status.COMPLETED, note="Counted", actor=staff)
    assert fresh(order).poll.due_at > timezone.now() + timedelta(hours=23)


# -- sooner -------------------------------------------------------------------------------------------


def test_orders_when_they_shall_be_polled_soon_then_only_open_ones(customer, service, order):
    ended = make.accepted_order(customer, service, upstream_id="2")
    Order.objects.filter(pk=ended.pk).update(status=Status.COMPLETED, finished_at=NOW)
    OrderPoll.objects.update(due_at=LATER, unchanged=9)
    poll_soon(order_ids=[order.pk, ended.pk], due_at=NOW)
    assert [(one.due_at, one.unchanged) for one in OrderPoll.objects.order_by("pk")] == [(NOW, 0), (LATER, 9)]


def test_poll_when_due_sooner_during_its_call_then_it_stays_so(upstream, customer, service, monkeypatch):
    """A cancel that the provider accepted meanwhile waited for up to an hour."""
    [order] = create_accepted(customer, service)
    call = UpstreamClient.clear_statuses

    def meanwhile(self: UpstreamClient, ids: list[str]) -> object:
        poll_soon(order_ids=[order.pk], due_at=NOW)
        return call(self, ids)

    monkeypatch.setattr(UpstreamClient, "clear_statuses", meanwhile)
    poll_now()
    assert fresh(order).poll.due_at == NOW


# -- orders of the release before ---------------------------------------------------------------------


def test_order_when_accepted_by_prior_release_then_sweep_adopts_it(upstream, customer, service):
    [order] = create_accepted(customer, service)
    forget(order, checked_at=LATER, still_polls=4, poll_errors=2)
    watch_polls()
    poll = OrderPoll.objects.get()
    assert (poll.order_id, poll.provider_id, poll.due_at) == (order.pk, order.provider_id, NOW)
    assert (poll.checked_at, poll.unchanged, poll.errors) == (LATER, 4, 2)
    assert set_and_poll(upstream, order, status="Partial", remains=40).refunded == 100_000


@pytest.mark.parametrize(
    "values",
    [
        {"submission": Submission.QUEUED},
        {"submission": Submission.IN_DOUBT, "doubt_until": LATER},
        {"next_poll_at": None},
    ],
    ids=["queued", "in doubt", "followed no more"],
)
def test_order_when_there_is_nothing_to_follow_then_not_adopted(order, values):
    forget(order)
    Order.objects.filter(pk=order.pk).update(**values)
    assert adopt_unfollowed() == 0


def test_sweep_when_an_order_has_its_poll_then_that_stays(order):
    OrderPoll.objects.update(due_at=LATER, unchanged=5)
    assert adopt_unfollowed() == 0
    assert (OrderPoll.objects.get().due_at, OrderPoll.objects.get().unchanged) == (LATER, 5)


@pytest.mark.django_db(transaction=True)
def test_sweep_when_many_run_at_once_then_each_order_has_one_poll(customer, service):
    orders = [make.accepted_order(customer, service, upstream_id=f"{number}") for number in range(8)]
    for order in orders:
        forget(order)
    assert all(isinstance(found, int) for found in at_once(5, lambda number: adopt_unfollowed()))
    assert OrderPoll.objects.count() == 8
