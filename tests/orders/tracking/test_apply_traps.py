"""Polling: cases in which money was lost, or one order kept others from their refunds."""

from __future__ import annotations

import json
import time
from datetime import timedelta
from typing import Any

import pytest
from django.db.models import F
from django.utils import timezone

from billing import ledger
from catalog.models import Provider, Service, UpstreamService
from catalog.pauses import resume_provider
from catalog.provider_accounts import client_for, leave_polling_lane, take_polling_lane
from catalog.upstream import batch_calls
from orders.models import Order, OrderEvent, OrderPoll
from orders.review.decisions import dismiss_review, refund_part
from orders.review.manual_close import close_accepted
from orders.states import ReviewReason, Status
from orders.tracking import apply, poll
from orders.tracking.apply import apply_answers
from orders.tracking.monitor import watch_polls
from orders.tracking.poll import poll_due_orders
from panel.alerts.models import Alert
from panel.lib.money import EXCHANGE_ONE
from panel.sandbox.http import faults, handler
from panel.sandbox.server import SandboxServer
from tests import make
from tests.make import reprice
from tests.scenes import (
    at_once,
    break_status_calls,
    create_accepted,
    fresh,
    poll_now,
    polls_of,
    refunds_of,
    set_and_poll,
    submit_now,
)

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("invariants_hold")]


# -- bad ids, and providers that are down ------------------------------------------------------------


@pytest.mark.parametrize("answer", ["oops", {"error": "Internal error"}])
def test_ids_when_many_adjacent_are_bad_then_others_are_refunded(upstream, customer, service, monkeypatch, answer):
    """Twelve failures in a row looked like a provider that is down, and no order there was refunded any more."""
    made, count = create_accepted(customer, service, 30), 7
    for one in made:
        upstream.set_order(int(one.upstream_id), status="Partial", remains=50, charge="0.1")
    bad, fine = made[:count], made[count:]
    break_status_calls(upstream, bad, answer, monkeypatch)
    for _ in range(4):
        poll_now()
    assert [refunds_of(one) for one in fine] == [[125_000]] * len(fine)
    assert [(fresh(one).status, refunds_of(one)) for one in bad] == [(Status.PENDING, [])] * count
    # The bad ones get errors in the end, so that they go to review.
    for _ in range(20):
        if all(fresh(one).poll.errors for one in bad):
            return
        poll_now()
    pytest.fail("nobody is blamed")


def test_ids_when_only_bad_ones_are_due_then_smaller_calls_find_them(upstream, customer, service, monkeypatch):
    """Polled together for ever, they look like a provider that is down."""
    bad = create_accepted(customer, service, 3)
    break_status_calls(upstream, bad, "oops", monkeypatch)
    for _ in range(40):
        # Two hours pass, and the order of the queue stays.
        OrderPoll.objects.update(due_at=F("due_at") - timedelta(hours=2))
        Provider.objects.update(polling_until=None)
        poll_due_orders()
        if all(fresh(one).poll.errors for one in bad):
            return
    pytest.fail("not all are blamed")


@pytest.mark.parametrize("status", [500, 502, 504])
def test_id_when_it_crashes_the_provider_then_others_are_refunded(upstream, customer, service, monkeypatch, status):
    made = create_accepted(customer, service, 6)
    for one in made:
        upstream.set_order(int(one.upstream_id), status="Partial", remains=50, charge="0.1")
    break_status_calls(upstream, made[3:4], {"_http": status}, monkeypatch)
    send = handler.Handler._send_json

    def crashes(self: Any, answer: Any, **values: Any) -> None:
        if isinstance(answer, dict) and "_http" in answer:
            self._send(answer["_http"], b"<html>crashed</html>", content_type="text/html", **values)
        else:
            send(self, answer, **values)

    monkeypatch.setattr(handler.Handler, "_send_json", crashes)
    poll_now()
    assert [bool(refunds_of(one)) for one in made] == [True] * 3 + [False] + [True] * 2


def test_answers_when_provider_throttles_then_earlier_ones_applied(upstream, customer, service, monkeypatch):
    made = create_accepted(customer, service, 40)
    for one in made:
        upstream.set_order(int(one.upstream_id), status="Partial", remains=50, charge="0.1")
    answer, bad, calls = upstream.api.answer, made[20], [0]

    def throttles(params: Any) -> Any:
        if params.get("action") != "status":
            return answer(params)
        calls[0] += 1
        if calls[0] > 8:  # Halving forty down to one takes six calls.
            return {"error": "Too many requests"}
        named = (params.get("orders") or params["order"]).split(",")
        return "oops" if bad.upstream_id in named else answer(params)

    monkeypatch.setattr(upstream.api, "answer", throttles)
    poll_now()
    assert 0 < sum(bool(refunds_of(one)) for one in made) < 39
    assert {fresh(one).poll.errors for one in made if one != bad} == {0}
    # It did answer, so the wait does not grow with each such round.
    assert Provider.objects.get().polling_failures == 1


@pytest.mark.parametrize("words", ["Internal error", "Server is busy, try again later", "Maintenance"])
def test_outage_when_answer_is_maintenance_then_no_order_errors(upstream, customer, service, words):
    """ "Maintenance" in answer to one id was counted as that order's answer, so the outage went unnoticed."""
    made = create_accepted(customer, service, 30)
    poll_now()
    upstream.inject(faults.reply(body=json.dumps({"error": words}).encode(), action="status", times=None))
    upstream.clear_requests()
    poll_now()
    assert len(upstream.requests_of("status")) < 30
    assert {fresh(one).poll.errors for one in made} == {0}
    assert Provider.objects.get().polling_failures == 1
    assert Alert.objects.filter(cause__endswith=":polling", resolved_at=None).exists()


def test_provider_when_only_single_ids_accepted_then_orders_polled(upstream, customer, service, monkeypatch):
    made = create_accepted(customer, service, 7)
    for one in made:
        upstream.set_order(int(one.upstream_id), status="Partial", remains=50, charge="0.1")
    answer = upstream.api.answer

    def singly(params: Any) -> Any:
        asks_many = params.get("action") == "status" and "orders" in params
        return {"error": "Incorrect order ID"} if asks_many else answer(params)

    monkeypatch.setattr(upstream.api, "answer", singly)
    assert poll_now() == 7
    assert [refunds_of(one) for one in made] == [[125_000]] * 7


def test_batch_when_calls_are_slow_then_stops_before_claim_expires(upstream, customer, service, monkeypatch):
    made = create_accepted(customer, service, 16)
    break_status_calls(upstream, made[:8], "oops", monkeypatch)
    monkeypatch.setattr(batch_calls, "MAX_BATCH_SECONDS", 0.0)
    upstream.clear_requests()
    poll_now()
    assert len(upstream.requests_of("status")) == 1
    assert {fresh(one).poll.errors for one in made} == {0}
    assert batch_calls.MAX_BATCH_SECONDS < poll.CLAIM_SECONDS


def test_lane_when_taken_by_another_then_leaving_changes_nothing(provider):
    one, two = Provider.objects.get(), Provider.objects.get()
    assert take_polling_lane(provider=one, seconds=-1)
    assert take_polling_lane(provider=two, seconds=100)
    leave_polling_lane(provider=one, failures=0)
    assert not take_polling_lane(provider=Provider.objects.get(), seconds=100)
    # If staff resume polling during a call, the end of that call does not pause it again.
    resume_provider(provider=provider)
    leave_polling_lane(provider=two, failures=5)
    assert (Provider.objects.get().polling_failures, Provider.objects.get().polling_until) == (0, None)


@pytest.mark.django_db(transaction=True)
def test_lanes_when_raising_the_same_alerts_then_no_deadlock(upstream, customer, other, provider, service, monkeypatch):
    upstream.set_service(2, rate="2", min=10, max=10_000, type="Default")
    second = make.service(provider, external_id="2", name="Likes")
    batches = (
        create_accepted(customer, service, 1) + create_accepted(customer, second, 1),
        create_accepted(other, second, 1) + create_accepted(other, service, 1),
    )
    for one in sum(batches, []):
        upstream.set_order(int(one.upstream_id), status="Completed", remains=0, charge="25.0")
    answers = client_for(provider).statuses([one.upstream_id for one in sum(batches, [])])
    polls = [polls_of(batch) for batch in batches]
    raises = apply.raise_alert

    def slowly(**values: Any) -> None:
        raises(**values)
        time.sleep(0.3)

    monkeypatch.setattr(apply, "raise_alert", slowly)
    results = at_once(2, lambda number: apply_answers(provider=provider, batch=polls[number], answers=answers))
    assert results == [None, None]
    assert Alert.objects.filter(resolved_at=None).count() == 2


# -- packages ----------------------------------------------------------------------------------------


@pytest.fixture
def package(upstream: SandboxServer, provider: Any) -> Service:
    upstream.set_service(7, rate="1", min=1, max=1, type="Package")
    return make.service(provider, external_id="7", rate="1", type="package", low=1, high=1)


PACKAGES = [
    ({"status": "Partial", "remains": 400, "charge": None}, None),
    ({"status": "Partial", "remains": 1, "charge": "0.6"}, None),
    ({"status": "Canceled", "remains": 400, "charge": "0.6"}, None),
    ({"status": "Canceled", "remains": 1, "charge": "1"}, None),
    ({"status": "Canceled", "remains": 400, "charge": "0"}, 1_250_000),
    ({"status": "Canceled", "remains": 1, "charge": None}, 1_250_000),
    ({"status": "Completed", "remains": 0, "charge": "1"}, 0),
    ({"status": "Partial", "remains": 0, "charge": "1"}, 0),
]


@pytest.mark.parametrize(("row", "refund"), PACKAGES)
def test_package_when_partial_with_remains_then_it_goes_to_review(upstream, customer, package, row, refund):
    """ "400 remain" of the provider's thousand was taken as the whole package, and all was refunded."""
    order = make.order(customer, package, quantity=None)
    submit_now()
    stored = set_and_poll(upstream, fresh(order), **row)
    assert sum(refunds_of(order)) == (refund or 0)
    assert stored.review_reason == (ReviewReason.CONTRADICTION if refund is None else "")


# -- contradictions, and what staff decided ----------------------------------------------------------

LEFT_OUT = [
    ({"status": "Canceled", "remains": 0, "charge": "0.2"}, {"charge": None}),
    ({"status": "Canceled", "remains": 0, "charge": "0.2"}, {"remains": None}),
    ({"status": "Partial", "remains": 90, "charge": "0.2"}, {"charge": ""}),
    ({"status": "Partial", "remains": 90, "charge": "0.2"}, {"status": "Canceled", "charge": None}),
]


@pytest.mark.parametrize(("first", "later"), LEFT_OUT)
def test_contradiction_when_later_incomplete_then_still_in_review(upstream, customer, service, first, later):
    """The next answer lacked a figure, so the other one contradicted nothing and was refunded for good."""
    [one] = create_accepted(customer, service, 1)
    assert set_and_poll(upstream, one, **first).review_reason == ReviewReason.CONTRADICTION
    stored = set_and_poll(upstream, one, **later)
    assert (refunds_of(one), stored.review_reason) == ([], ReviewReason.CONTRADICTION)


def test_contradiction_when_dismissed_and_incomplete_then_reviewed(upstream, customer, service, staff):
    [one] = create_accepted(customer, service, 1)
    stored = set_and_poll(upstream, one, status="Canceled", remains=0, charge="0.2")
    dismiss_review(order=stored, note="It was delivered in full", actor=staff)
    stored = set_and_poll(upstream, one, status="Canceled", remains=0, charge=None)
    assert (refunds_of(one), stored.review_reason) == ([], ReviewReason.CONTRADICTION)


def test_manual_close_when_provider_repeats_answer_then_unchanged(upstream, customer, service, staff):
    [one] = create_accepted(customer, service, 1)
    stored = set_and_poll(upstream, one, status="Partial", remains=90, charge="0.2")
    close_accepted(order=stored, status="completed", note="They delivered all", actor=staff)
    poll_now()
    assert (fresh(one).status, fresh(one).review_reason, refunds_of(one)) == (Status.COMPLETED, "", [])


def test_manual_close_when_provider_reopens_order_then_unchanged(upstream, customer, service, staff):
    [one] = create_accepted(customer, service, 1)
    stored = set_and_poll(upstream, one, status="In progress", remains=90, charge="0.2")
    close_accepted(order=stored, status="partial", delivered=60, note="It is stuck", actor=staff)
    poll_now()
    assert (fresh(one).status, fresh(one).delivered) == (Status.PARTIAL, 60)


def test_dismissed_review_when_staff_refund_part_then_stays_closed(upstream, customer, service, staff):
    [one] = create_accepted(customer, service, 1)
    stored = set_and_poll(upstream, one, status="Partial", remains=90, charge="0.2")
    dismiss_review(order=stored, note="fine", actor=staff)
    refund_part(order=fresh(one), amount=10_000, note="Goodwill", actor=staff)
    poll_now()
    assert (fresh(one).review_reason, refunds_of(one)) == ("", [10_000])


def test_manual_close_when_status_unchanged_then_shown_in_timeline(upstream, customer, service, staff):
    [one] = create_accepted(customer, service, 1)
    set_and_poll(upstream, one, status="Partial", remains=40, charge="0.12")
    stored = set_and_poll(upstream, one, status="Partial", remains=90, charge="0.15")
    before = OrderEvent.objects.count()
    close_accepted(order=stored, status="partial", delivered=95, note="They delivered after all", actor=staff)
    assert OrderEvent.objects.count() == before + 1


# -- other currencies --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("row", "refunds", "reviewed"),
    [
        ({"status": "Canceled", "remains": "40", "charge": "12"}, [], True),
        ({"status": "Canceled", "remains": "0", "charge": "20"}, [], True),
        ({"status": "Canceled", "remains": "100", "charge": "20"}, [250_000], False),
        ({"status": "Canceled", "remains": "40", "charge": "0"}, [250_000], False),
        ({"status": "Partial", "remains": "90", "charge": "20"}, [225_000], False),
        ({"status": "Partial", "charge": "0.19"}, [], True),
    ],
)
def test_charge_when_in_another_currency_then_not_counted_as_zero(upstream, customer, service, row, refunds, reviewed):
    """Twelve rupees are not twelve dollars, but not nothing: a part was delivered, and all was refunded."""
    [one] = create_accepted(customer, service, 1)
    stored = set_and_poll(upstream, one, answer={**row, "currency": "INR"})
    assert (refunds_of(one), bool(stored.review_reason)) == (refunds, reviewed)


def test_provider_when_currency_changes_then_sent_orders_unchanged(upstream, customer, service):
    Provider.objects.update(currency="INR", exchange_rate=EXCHANGE_ONE // 100)
    UpstreamService.objects.update(rate=make.micros("200"))
    reprice(services=Service.objects.all())
    [one] = create_accepted(customer, service, 1)
    assert (one.currency, one.expected_cost) == ("INR", 200_000)
    Provider.objects.update(currency="USD", exchange_rate=EXCHANGE_ONE)
    # $0.19 of $0.20: 5 of 100 are undelivered, not 99.
    stored = set_and_poll(upstream, one, answer={"status": "Partial", "charge": "0.19", "currency": "USD"})
    assert (refunds_of(one), stored.review_reason) == ([], ReviewReason.CONTRADICTION)


# -- alerts ------------------------------------------------------------------------------------------


def test_refund_when_it_cannot_be_posted_then_an_alert_is_raised(upstream, customer, service, monkeypatch):
    """It was tried again for ever, visible only in the log."""
    [one] = create_accepted(customer, service, 1)
    upstream.set_order(int(one.upstream_id), status="Partial", remains=50, charge="0.1")

    def refuses(**values: Any) -> None:
        raise ledger.InvalidPosting("no")

    with monkeypatch.context() as patch:
        patch.setattr(ledger, "post_all", refuses)
        poll_now()
        poll_now()
    alert = Alert.objects.get(cause=f"order:{one.pk}:not-applied")
    assert (alert.level, alert.count) == ("danger", 2)


def test_bound_when_answers_omit_one_order_then_no_alert_is_raised(upstream, customer, service, staff):
    one, _ = create_accepted(customer, service, 2)
    upstream.set_order(int(one.upstream_id), omitted=True)
    for _ in range(3):
        poll_now()
    Order.objects.update(accepted_at=timezone.now() - timedelta(hours=3))
    watch_polls()
    assert not Alert.objects.filter(resolved_at=None).exists()


@pytest.mark.parametrize(
    ("row", "alerts"),
    [
        # All is refunded, and the provider keeps its charge.
        ({"status": "Canceled", "remains": 100, "charge": "0.2"}, 1),
        ({"status": "Canceled", "remains": 100, "charge": "0"}, 0),
        # Within the tolerance of the expected cost, and below the net charge.
        ({"status": "Partial", "remains": 40, "charge": "0.125"}, 0),
        ({"status": "Completed", "remains": 0, "charge": "0.2"}, 0),
    ],
)
def test_order_when_it_ended_at_a_loss_then_an_alert_is_raised(upstream, customer, service, row, alerts):
    [one] = create_accepted(customer, service, 1)
    set_and_poll(upstream, one, **row)
    poll_now()
    assert Alert.objects.filter(cause=f"service:{service.pk}:overcharge").count() == alerts


@pytest.mark.parametrize(("percent", "alerts"), [(5, 1), (40, 0)])
def test_order_when_overcharged_beyond_limit_then_alert_is_raised(
    upstream, customer, service, settings, percent, alerts
):
    settings.OVERCHARGE_PERCENT = percent
    [one] = create_accepted(customer, service, 1)
    set_and_poll(upstream, one, status="Completed", remains=0, charge="0.24")
    assert Alert.objects.filter(cause=f"service:{service.pk}:overcharge").count() == alerts
