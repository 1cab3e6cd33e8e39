"""Answers that are applied while others change the same orders and polls: nothing is undone, and nobody deadlocks."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from catalog.provider_accounts import client_for
from orders.common.backoff import LATE_CHANGES
from orders.common.poll_queue import follow, poll_soon
from orders.models import Order, OrderPoll
from orders.review import manual_close
from orders.review.decisions import dismiss_review
from orders.states import ReviewReason, Status
from orders.tracking import apply
from orders.tracking.apply import apply_answers
from orders.tracking.poll import claim_batch
from tests.scenes import create_accepted, fresh, poll_now, refunds_of
from tests.threads import in_threads

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("invariants_hold")]

# Long enough for the other thread to reach its lock.
REACHED_SECONDS = 0.3


def claim_all(**values: Any) -> list[OrderPoll]:
    OrderPoll.objects.update(due_at=timezone.now() - timedelta(minutes=1), **values)
    [provider] = {poll.provider for poll in OrderPoll.objects.select_related("provider")}
    return claim_batch(provider_id=provider.pk)


@pytest.fixture
def silent(upstream, customer, service) -> Order:
    """An order about which the provider has been silent for so long that the next silence asks staff."""
    [order] = create_accepted(customer, service)
    Order.objects.update(accepted_at=timezone.now() - timedelta(days=2))
    return order


@pytest.mark.parametrize("status", [Status.CANCELED, Status.COMPLETED])
def test_silence_when_staff_closed_order_meanwhile_then_no_review(silent, service, status):
    """The order as it was claimed was still open: an API client saw it canceled, then in progress again."""
    batch = claim_all(errors=9)
    manual_close.close_accepted(order=fresh(silent), status=status, note="Ended", actor=None)
    apply_answers(provider=service.upstream.provider, batch=batch, answers={})
    assert (fresh(silent).review_reason, fresh(silent).status) == ("", status)


def test_silence_when_staff_dismissed_it_then_no_second_review(silent, service, staff):
    provider = service.upstream.provider
    apply_answers(provider=provider, batch=claim_all(errors=9), answers={})
    assert fresh(silent).review_reason == ReviewReason.LOST_UPSTREAM
    batch = claim_all(errors=9)
    dismiss_review(order=fresh(silent), note="It is known", actor=staff)
    apply_answers(provider=provider, batch=batch, answers={})
    assert fresh(silent).review_reason == ""


def test_following_when_ended_unanswered_then_last_check_unchanged(silent, service):
    checked_at = timezone.now() - timedelta(days=3)
    Order.objects.update(status=Status.COMPLETED, finished_at=timezone.now() - LATE_CHANGES - timedelta(hours=1))
    apply_answers(provider=service.upstream.provider, batch=claim_all(checked_at=checked_at), answers={})
    assert not OrderPoll.objects.exists()
    assert fresh(silent).last_checked_at == checked_at


def test_following_when_begun_anew_meanwhile_then_it_does_not_end(silent, service):
    Order.objects.update(status=Status.COMPLETED, finished_at=timezone.now() - LATE_CHANGES - timedelta(hours=1))
    batch = claim_all()
    due_at = timezone.now() + timedelta(days=1)
    follow(order_id=silent.pk, provider_id=silent.provider_id, due_at=due_at)
    apply_answers(provider=service.upstream.provider, batch=batch, answers={})
    assert OrderPoll.objects.get().due_at == due_at


def test_errors_when_batch_reapplied_one_by_one_then_counted_once(silent, service, monkeypatch):
    watch = apply._watch_costs
    failures = [apply.IntegrityError("once")]

    def fail_once(*args: Any) -> None:
        if failures:
            raise failures.pop()
        watch(*args)

    monkeypatch.setattr(apply, "_watch_costs", fail_once)
    create_accepted(silent.customer, service)
    apply_answers(provider=service.upstream.provider, batch=claim_all(errors=0), answers={})
    assert [poll.errors for poll in OrderPoll.objects.all()] == [1, 1]


@pytest.mark.postgresql
def test_batch_when_staff_close_one_of_its_orders_then_no_deadlock(upstream, customer, service, monkeypatch):
    """The batch held the wallet and wanted the poll; staff held the poll and wanted the wallet."""
    refunded, closed = create_accepted(customer, service, 2)
    poll_now()
    upstream.set_order(int(refunded.upstream_id or 0), status="Partial", remains=50, charge="0.1")
    batch = claim_all()
    provider = service.upstream.provider
    answers = client_for(provider).statuses([str(poll.order.upstream_id) for poll in batch])
    has_orders, has_poll = threading.Event(), threading.Event()
    write_polls, post_refunds, follow_again = apply._write_polls, apply.post_refunds, manual_close.follow

    def write_late(*args: Any) -> None:
        has_orders.set()
        has_poll.wait(REACHED_SECONDS)
        write_polls(*args)

    def post_late(**values: Any) -> None:
        has_orders.set()
        has_poll.wait(REACHED_SECONDS)
        post_refunds(**values)

    def follow_late(**values: Any) -> None:
        has_orders.wait(REACHED_SECONDS)
        follow_again(**values)
        has_poll.set()

    monkeypatch.setattr(apply, "_write_polls", write_late)
    monkeypatch.setattr(apply, "post_refunds", post_late)
    monkeypatch.setattr(manual_close, "follow", follow_late)
    results = in_threads(
        lambda: apply_answers(provider=provider, batch=batch, answers=answers),
        lambda: manual_close.close_accepted(order=fresh(closed), status=Status.CANCELED, note="n", actor=None),
    )
    assert not [one for one in results if isinstance(one, BaseException)], results
    assert (refunds_of(refunded), refunds_of(closed)) == ([125_000], [250_000])


@pytest.mark.postgresql
def test_polls_when_written_and_made_due_at_once_then_no_deadlock(upstream, customer, service):
    """Two statements that write the same polls in other orders: two of twelve rounds ended in a deadlock."""
    made = [order.pk for order in create_accepted(customer, service, 30)]
    poll_now()
    provider = service.upstream.provider
    for _ in range(12):
        for number, pk in enumerate(reversed(made)):
            OrderPoll.objects.filter(pk=pk).update(due_at=timezone.now() - timedelta(minutes=200 - number))
        batch = claim_batch(provider_id=provider.pk)
        results = in_threads(
            lambda batch=batch: apply_answers(provider=provider, batch=batch, answers={}),
            lambda: poll_soon(order_ids=made, due_at=timezone.now()),
        )
        assert not [one for one in results if isinstance(one, BaseException)], results
