"""Polling at scale: statements, lanes, the breaker, ids that break a call, reviews that close, the bound, metrics."""

from __future__ import annotations

import json
import threading
from datetime import timedelta
from typing import Any

import pytest
from django.db import DataError
from django.test import Client
from django.utils import timezone

from catalog.models import Provider
from catalog.pauses import resume_provider
from catalog.upstream import batch_calls
from orders.common import transitions
from orders.common.backoff import poll_bound
from orders.models import CancelRequest, Order, OrderEvent, OrderPoll
from orders.states import CancelState, ReviewReason, Status
from orders.tracking import apply as applying
from orders.tracking import poll
from orders.tracking.monitor import poll_backlog, watch_polls
from orders.tracking.poll import poll_due_orders, poll_provider
from panel.alerts.models import Alert
from panel.sandbox.http import faults
from panel.sandbox.server import SandboxServer
from tests import make
from tests.scenes import (
    break_status_calls,
    create_accepted,
    fresh,
    money_of,
    most_in_flight,
    poll_now,
    refunds_of,
    set_and_poll,
    statements,
)

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("invariants_hold")]


def all_due() -> None:
    OrderPoll.objects.update(due_at=timezone.now() - timedelta(seconds=1))


def polled_ids(upstream: SandboxServer) -> list[list[str]]:
    """Return the ids of each `status` call."""
    calls = [request.params for request in upstream.requests_of("status")]
    return [(params.get("orders") or params["order"]).split(",") for params in calls]


# -- statements --------------------------------------------------------------------------------------


def test_batch_when_every_row_changed_then_statements_do_not_grow(upstream, provider, customer, service):
    """A thousand orders took a thousand updates and log lines."""
    make.deposit(customer, "100")
    counts = {}
    for count, more in ((5, 5), (100, 95)):
        made = create_accepted(customer, service, more)
        for number, one in enumerate(Order.objects.order_by("pk")):
            remains = 90 - number % 50 - count % 7
            status = ("In progress", "Processing", "Completed")[number % 3] if one in made else "In progress"
            upstream.set_order(int(one.upstream_id), status=status, remains=0 if status == "Completed" else remains)
        all_due()
        with statements() as found:
            assert poll_provider(provider=provider) == count
        counts[count] = len(found)
    # A batch: claim (2), lock, write, what the orders cost, events, cancel requests of ended orders, polls. A round:
    # lane (2), alert.
    assert counts == {5: 8 + 3, 100: 8 + 3 + 1}
    assert OrderEvent.objects.filter(kind="status").count() == 100 + 2  # Two of the first five moved twice.


def test_batch_when_nothing_changed_then_no_other_column_is_written(upstream, customer, service):
    [one] = create_accepted(customer, service, 1)
    poll_now()
    before = Order.objects.filter(pk=one.pk).values().get()
    poll_now()
    after = Order.objects.filter(pk=one.pk).values().get()
    assert after == before


def test_batch_when_one_row_cannot_be_written_then_the_others_are(upstream, customer, service, monkeypatch):
    """One row that the database refuses undid the whole batch, each time."""
    made = create_accepted(customer, service, 5)
    bad = made[2].pk
    for one in made:
        upstream.set_order(int(one.upstream_id), status="Partial", remains=50, charge="0.1")
    write = transitions.write_answers

    def refuses(*, orders: Any, was: Any) -> None:
        if any(order.pk == bad for order in orders):
            raise DataError("value out of range")
        write(orders=orders, was=was)

    with monkeypatch.context() as patch:
        patch.setattr(applying, "write_answers", refuses)
        poll_now()
    assert [fresh(one).status for one in made] == ["partial", "partial", "pending", "partial", "partial"]
    assert (refunds_of(made[2]), fresh(made[2]).poll.errors) == ([], 1)
    poll_now()
    assert [refunds_of(one) for one in made] == [[125_000]] * 5


def test_row_when_status_changed_under_lock_then_no_row_is_written(customer, service):
    """The last guard of the bulk write is the status from which the change was computed."""
    one = make.accepted_order(customer, service)
    one.status = Status.COMPLETED
    with pytest.raises(transitions.OrderMoved):
        transitions.write_answers(orders=[one], was={one.pk: (Status.IN_PROGRESS, 0)})
    transitions.write_answers(orders=[one], was={one.pk: (Status.PENDING, 0)})
    assert fresh(one).status == Status.COMPLETED


def test_write_when_columns_empty_or_large_then_stored_unchanged(customer, service):
    one = make.accepted_order(customer, service)
    moment = timezone.now().replace(microsecond=0)
    for remains, charge, at in ((None, None, None), (-(10**15), 10**15, moment), (5, 0, moment + timedelta(hours=1))):
        one.remains, one.upstream_charge, one.finished_at = remains, charge, at
        transitions.write_answers(orders=[one], was={one.pk: (one.status, 0)})
        stored = fresh(one)
        assert (stored.remains, stored.upstream_charge, stored.finished_at) == (remains, charge, at)
        assert Order.objects.filter(pk=one.pk, finished_at__lte=moment).exists() == (at == moment)


# -- lanes -------------------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("lanes", [1, 3])
def test_provider_when_it_has_lanes_then_that_many_batches_at_once(upstream, customer, service, monkeypatch, lanes):
    monkeypatch.setattr(poll, "BATCH", 2)
    Provider.objects.update(max_parallel_polls=lanes)
    create_accepted(customer, service, 14)
    all_due()
    upstream.clear_requests()
    upstream.inject(faults.delay_before(0.15, "status", times=None))
    assert poll_due_orders() == 14
    calls = polled_ids(upstream)
    assert len(calls) == 7
    assert sorted(sum(calls, [])) == sorted({one.upstream_id for one in Order.objects.all()})
    most = most_in_flight(upstream.requests_of("status"))
    assert most == 1 if lanes == 1 else 1 < most <= lanes


@pytest.mark.django_db(transaction=True)
def test_lanes_when_refunding_one_wallet_then_refunds_posted_once(
    upstream, customer, other, service, monkeypatch, settings
):
    """Lanes that refund the same wallets neither deadlock nor lose a refund."""
    settings.WAVE_ORDERS = 100
    monkeypatch.setattr(poll, "BATCH", 3)
    Provider.objects.update(max_parallel_polls=4)
    made = [
        one
        for pair in zip(create_accepted(customer, service, 12), create_accepted(other, service, 12), strict=True)
        for one in pair
    ]
    for one in made:
        upstream.set_order(int(one.upstream_id), status="Canceled", remains=100, charge="0")
    all_due()
    assert poll_due_orders() == 24
    assert [refunds_of(one) for one in made] == [[250_000]] * 24
    assert money_of(customer)[0] == money_of(other)[0] == 10_000_000


@pytest.mark.django_db(transaction=True)
def test_lane_when_it_fails_then_the_error_is_raised(upstream, customer, service, monkeypatch):
    monkeypatch.setattr(poll, "BATCH", 1)
    Provider.objects.update(max_parallel_polls=2)
    create_accepted(customer, service, 4)
    all_due()
    apply, main, broken = poll.apply_answers, threading.get_ident(), threading.Event()

    def breaks(**values: Any) -> None:
        if threading.get_ident() != main:
            broken.set()
            raise RuntimeError("a bug of ours")
        apply(**values)
        if OrderPoll.objects.filter(checked_at=None).count() < 3:
            broken.wait(60)  # After the first batch there are two lanes: let the other one run.

    monkeypatch.setattr(poll, "apply_answers", breaks)
    with pytest.raises(RuntimeError):
        poll_due_orders()
    assert Provider.objects.get().polling_failures == 1


# -- the breaker -------------------------------------------------------------------------------------


@pytest.mark.usefixtures("frozen_clock")
def test_provider_when_failing_then_waits_double_until_an_answer(upstream, customer, service):
    [one] = create_accepted(customer, service, 1)
    upstream.inject(faults.reply(status=503, action="status", times=None))
    waits = []
    for failures in range(1, 8):
        poll_now()
        stored = Provider.objects.get()
        assert stored.polling_failures == failures
        waits.append(round((stored.polling_until - timezone.now()).total_seconds(), -1))
    assert waits == [30, 60, 120, 240, 480, 600, 600]
    assert Alert.objects.filter(cause=f"provider:{stored.pk}:polling", resolved_at=None).count() == 1
    upstream.clear_faults()
    poll_now()
    stored = Provider.objects.get()
    assert (stored.polling_failures, stored.polling_until) == (0, None)
    assert not Alert.objects.filter(resolved_at=None).exists()
    assert fresh(one).last_checked_at is not None


def test_provider_when_breaker_open_then_not_polled_until_resumed(upstream, provider, customer, service):
    create_accepted(customer, service, 1)
    upstream.inject(faults.reply(status=503, action="status", times=None))
    poll_now()
    all_due()
    upstream.clear_requests()
    assert poll_due_orders() == 0
    assert poll_provider(provider=provider) == 0
    assert upstream.requests == []
    upstream.clear_faults()
    resume_provider(provider=provider)
    assert poll_due_orders() == 1


@pytest.mark.django_db(transaction=True)
def test_provider_when_it_fails_then_all_lanes_stop_after_their_call(upstream, customer, service, monkeypatch):
    monkeypatch.setattr(poll, "BATCH", 1)
    Provider.objects.update(max_parallel_polls=3)
    create_accepted(customer, service, 20)
    all_due()
    upstream.clear_requests()
    upstream.inject(faults.reply(body=b'{"error": "Invalid API key"}', action="status", times=None))
    poll_due_orders()
    # The first batch goes alone: a provider that is down gets one call.
    assert len(upstream.requests_of("status")) == 1


# -- one id that breaks the call ---------------------------------------------------------------------


@pytest.mark.parametrize("answer", ["oops", [], {"error": "Internal error"}, {"error": "Incorrect request"}])
def test_id_when_it_breaks_the_call_then_only_the_others_answered(upstream, customer, service, monkeypatch, answer):
    """One order that broke the provider's own page stopped the hundred that were polled with it."""
    made = create_accepted(customer, service, 40)
    for one in made:
        upstream.set_order(int(one.upstream_id), status="Partial", remains=50, charge="0.1")
    bad = [made[11], made[12], made[37]]
    break_status_calls(upstream, bad, answer, monkeypatch)
    if answer == []:
        # An empty list has no answers but is no failed call.
        poll_now()
        assert [fresh(one).poll.errors for one in bad] == [1, 1, 1]
        return
    upstream.clear_requests()
    assert poll_now() == 40
    assert len(polled_ids(upstream)) < 40
    fine = [one for one in made if one not in bad]
    assert {fresh(one).status for one in fine} == {Status.PARTIAL}
    assert [(fresh(one).status, fresh(one).poll.errors, fresh(one).last_checked_at) for one in bad] == [
        (Status.PENDING, 1, None)
    ] * 3
    assert Provider.objects.get().polling_failures == 0


@pytest.mark.parametrize("count", [2, 30])
def test_provider_when_every_call_fails_then_no_order_gets_an_error(upstream, customer, service, count):
    made = create_accepted(customer, service, count)
    upstream.inject(faults.reply(body=b"<html>Just a moment</html>", action="status", times=None))
    upstream.clear_requests()
    assert poll_now() == 0
    assert len(polled_ids(upstream)) <= batch_calls.MAX_FAILURES
    assert {fresh(one).poll.errors for one in made} == {0}
    assert Provider.objects.get().polling_failures == 1


@pytest.mark.usefixtures("frozen_clock")
def test_id_when_it_breaks_the_call_alone_then_its_waits_grow_too(upstream, customer, service):
    [one] = create_accepted(customer, service, 1)
    upstream.inject(faults.reply(body=b"<html>oops</html>", action="status", times=None))
    for _ in range(12):
        poll_now()
    assert fresh(one).poll.errors == 12
    assert fresh(one).next_check_at > timezone.now() + timedelta(minutes=10)
    # It is not polled for ever: in the end it goes to review.
    Order.objects.update(accepted_at=timezone.now() - timedelta(days=2))
    poll_now()
    assert (fresh(one).review_reason, refunds_of(one)) == (ReviewReason.LOST_UPSTREAM, [])


# -- reviews that a later answer closes --------------------------------------------------------------


UNCLEAR: dict[str, dict[str, Any]] = {
    "contradiction": {"status": "Partial", "remains": 40, "charge": "0.02"},
    "unknown status": {"status": "Error", "remains": 100, "charge": "0.2"},
}


@pytest.mark.parametrize("unclear", UNCLEAR.values(), ids=UNCLEAR.keys())
def test_review_when_a_later_answer_is_clear_then_it_is_closed(upstream, customer, service, unclear):
    [one] = create_accepted(customer, service, 1)
    stored = set_and_poll(upstream, one, **unclear)
    assert (stored.review_reason != "", refunds_of(one)) == (True, [])
    stored = set_and_poll(upstream, one, status="Partial", remains=40, charge="0.12")
    assert (stored.status, stored.review_reason, stored.review_since) == (Status.PARTIAL, "", None)
    assert refunds_of(one) == [100_000]
    # The same answer later opens a review again.
    assert (
        set_and_poll(upstream, one, status="Partial", remains=40, charge="0.02").review_reason
        == ReviewReason.CONTRADICTION
    )


def test_review_when_provider_knows_the_order_again_then_closed(upstream, customer, service):
    """After an outage with "Incorrect order ID", staff would have to close hundreds of reviews."""
    [one] = create_accepted(customer, service, 1)
    upstream.set_order(int(one.upstream_id), answer={"error": "Incorrect order ID"})
    Order.objects.update(accepted_at=timezone.now() - timedelta(hours=2))
    for _ in range(11):
        poll_now()
    assert fresh(one).review_reason == ReviewReason.LOST_UPSTREAM
    row = {"status": "In progress", "remains": "70", "charge": "0.2"}
    stored = set_and_poll(upstream, one, answer=row)
    assert (stored.status, stored.review_reason) == (Status.IN_PROGRESS, "")


@pytest.mark.parametrize("later", [{"answer": 5}, {"omitted": True}, {"status": "Partial", "remains": 90}])
def test_review_when_the_next_answer_is_unclear_then_it_stays(upstream, customer, service, later):
    [one] = create_accepted(customer, service, 1)
    before = set_and_poll(upstream, one, status="Partial", remains=40, charge="0.02")
    stored = set_and_poll(upstream, one, charge="0.15", **later)
    assert (stored.review_reason, stored.review_since) == (ReviewReason.CONTRADICTION, before.review_since)
    assert refunds_of(one) == []


# -- the bound ---------------------------------------------------------------------------------------


def test_bound_when_intervals_are_the_usual_ones_then_87_minutes(settings):
    settings.POLL_INTERVALS = [60, 300, 900, 3600]
    assert poll_bound() == timedelta(minutes=87)
    settings.POLL_SPARE_MINUTES = 5
    assert poll_bound() == timedelta(minutes=77)


def test_order_when_not_polled_within_bound_then_alert_until_poll(upstream, customer, service):
    [one] = create_accepted(customer, service, 1)
    poll_now()
    watch_polls()
    assert not Alert.objects.exists()
    OrderPoll.objects.update(checked_at=timezone.now() - poll_bound() - timedelta(minutes=3))
    watch_polls()
    watch_polls()
    alert = Alert.objects.get(resolved_at=None)
    assert (alert.cause, alert.count) == (f"provider:{one.provider_id}:unchecked", 2)
    assert "90 min" in alert.text and "87 min" in alert.text
    # A failed call does not count as a poll.
    upstream.inject(faults.reply(status=503, action="status", times=None))
    poll_now()
    watch_polls()
    assert Alert.objects.filter(cause=alert.cause, resolved_at=None).exists()
    upstream.clear_faults()
    poll_now()
    watch_polls()
    assert not Alert.objects.filter(resolved_at=None).exists()


def test_following_when_orders_ended_or_in_review_then_left_out(upstream, customer, service):
    ended, waiting, still = create_accepted(customer, service, 3)
    upstream.set_order(int(ended.upstream_id), status="Completed", remains=0)
    upstream.set_order(int(waiting.upstream_id), **UNCLEAR["contradiction"])
    poll_now()
    make.order(customer, service)
    [one] = poll_backlog()
    assert (one.provider_id, one.open) == (still.provider_id, 1)
    assert one.oldest < timedelta(minutes=1)


# -- metrics -----------------------------------------------------------------------------------------


def test_metrics_when_requested_with_token_then_open_orders_shown(upstream, customer, service, settings, client):
    settings.METRICS_TOKEN = "a-long-token"
    Provider.objects.update(name='Up "stream"\\n')
    create_accepted(customer, service, 2)
    poll_now()
    OrderPoll.objects.update(checked_at=timezone.now() - timedelta(minutes=10))
    response = client.get("/metrics", headers={"Authorization": "Bearer a-long-token"})
    assert response.status_code == 200
    assert response["Content-Type"].startswith("text/plain")
    lines = response.content.decode().splitlines()
    values = {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in lines if not line.startswith("#")}
    label = json.dumps('Up "stream"\\n')
    assert values["upmark_open_orders{provider=" + label + "}"] == 2
    assert 600 <= values["upmark_oldest_unchecked_seconds{provider=" + label + "}"] < 700
    assert values["upmark_poll_bound_seconds"] == 87 * 60
    assert values['upmark_unsettled_orders{placement="queued"}'] == 0
    assert values["upmark_orders_in_review"] == 0


@pytest.mark.parametrize("token", ["", "wrong", "a-long-toke", "Bearer"])
def test_metrics_when_requested_without_token_then_not_found(db, client, settings, signed_in, token):
    for configured in ("a-long-token", ""):
        settings.METRICS_TOKEN = configured
        for who in (client, signed_in):
            assert who.get("/metrics", headers={"Authorization": f"Bearer {token}"}).status_code == 404


def test_metrics_when_requested_by_staff_then_they_are_shown(staff_client: Client):
    assert b"upmark_open_alerts 0.0" in staff_client.get("/metrics").content


def test_cancel_request_when_the_order_ends_then_it_is_closed(upstream, customer, service):
    one, two = create_accepted(customer, service, 2)
    for order in (one, two):
        CancelRequest.objects.create(order=order, provider=order.provider, state=CancelState.ACCEPTED)
    set_and_poll(upstream, one, status="Canceled", remains=100, charge="0")
    assert [request.state for request in CancelRequest.objects.order_by("order_id")] == ["ended", "accepted"]
