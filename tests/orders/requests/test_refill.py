"""Refills: offered where they fit, sent once, and followed to their end."""

from __future__ import annotations

import json
import threading
from datetime import timedelta
from typing import Any

import pytest
from django.core.management import call_command
from django.utils import timezone

import orders.requests.refill
import orders.requests.refill_poll
from catalog.models import Provider, UpstreamService
from catalog.upstream.client import UpstreamClient
from orders import tasks
from orders.models import Order, OrderEvent, Refill
from orders.requests.cancel import cancel_order
from orders.requests.refill import UNSURE, RefillRefused, may_refill, request_refill
from orders.requests.refill_poll import next_refill_poll_after, poll_due_refills, poll_provider_refills
from orders.requests.send import send_due_requests, send_to_provider
from orders.states import RefillState, Status
from panel.alerts.models import Alert
from panel.ops.facts import tasks_late
from panel.sandbox.http import faults
from panel.sandbox.server import SandboxServer
from tests import make
from tests.scenes import (
    Killed,
    at_once,
    fresh,
    money_of,
    nothing_changes,
    poll_now,
    statements,
    submit_now,
    use_short_timeouts,
)
from tests.threads import in_background

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("invariants_hold")]


def completed(upstream: SandboxServer, user: Any, service: Any, count: int = 1) -> list[Order]:
    """Orders of 100 that the sandbox completed and the panel polled."""
    upstream.set_service(1, refill=True, cancel=True)
    made = [make.order(user, service, link="https://example.com/sandbox-completed") for _ in range(count)]
    submit_now()
    for one in made:
        upstream.set_order(int(fresh(one).upstream_id or 0), status="Completed")
    poll_now()
    assert {fresh(one).status for one in made} == {Status.COMPLETED}
    upstream.clear_requests()
    return [fresh(one) for one in made]


@pytest.fixture
def order(upstream: SandboxServer, customer: Any, service: Any) -> Order:
    return completed(upstream, customer, service)[0]


@pytest.fixture
def refill(order: Order, customer: Any) -> Refill:
    """A refill that is not sent yet."""
    return request_refill(order=order, actor=customer)


@pytest.fixture
def accepted(refill: Refill) -> Refill:
    """A refill that the provider accepted under an id."""
    send_now()
    assert read(refill).state == RefillState.PENDING
    return read(refill)


def read(refill: Refill) -> Refill:
    return Refill.objects.get(pk=refill.pk)


def send_now() -> int:
    """Let every wait and lease run out."""
    waiting = Refill.objects.filter(state=RefillState.WAITING)
    waiting.update(next_action_at=timezone.now() - timedelta(seconds=1))
    return send_due_requests()


def poll_refills_now() -> int:
    running = Refill.objects.filter(state__in=(RefillState.PENDING, RefillState.IN_PROGRESS))
    running.update(next_action_at=timezone.now() - timedelta(seconds=1), claim_token="")
    return poll_due_refills()


def leases_run_out() -> None:
    asking = Refill.objects.filter(state=RefillState.ASKING)
    asking.update(next_action_at=timezone.now() - timedelta(seconds=1))


def texts(order: Order) -> list[str]:
    return list(OrderEvent.objects.filter(order=order, kind="refill", is_public=True).values_list("text", flat=True))


def calls_of(upstream: SandboxServer, action: str = "refill") -> int:
    return len(upstream.requests_of(action))


def says(body: Any, action: str = "refill", **values: Any) -> faults.Fault:
    return faults.reply(body=json.dumps(body).encode(), action=action, **values)


# -- the whole story ---------------------------------------------------------------------------------


@pytest.mark.usefixtures("frozen_clock")
def test_refill_when_requested_then_sent_and_polled_to_its_end(upstream, customer, order):
    before = money_of(customer)
    assert may_refill(order)
    refill = request_refill(order=order, actor=customer)
    assert (refill.state, may_refill(order)) == (RefillState.WAITING, False)
    assert send_now() == 1
    refill = read(refill)
    assert (refill.state, refill.upstream_id) == (RefillState.PENDING, "1")
    assert timedelta(0) < refill.next_action_at - timezone.now() < timedelta(minutes=2)

    for status, state in (
        ("Pending", RefillState.PENDING),
        ("In progress", RefillState.IN_PROGRESS),
        ("In progress", RefillState.IN_PROGRESS),
        ("Completed", RefillState.COMPLETED),
    ):
        upstream.set_refill(1, status=status)
        assert poll_refills_now() == 1
        assert read(refill).state == state
    assert poll_refills_now() == 0
    assert (read(refill).next_action_at, bool(read(refill).finished_at)) == (None, True)
    assert texts(order) == [
        "You asked for a refill",
        "The provider took the refill",
        "The refill is in progress",
        "The refill is completed",
    ]
    assert money_of(customer) == before


def test_refill_when_rejected_then_the_customer_sees_it(upstream, order, accepted):
    upstream.set_refill(1, status="Rejected")
    poll_refills_now()
    assert (read(accepted).state, read(accepted).note) == (RefillState.REJECTED, "The provider rejected the refill.")
    assert texts(order)[-1] == "The provider rejected the refill"


def test_commands_when_run_then_each_does_one_round(refill, capsys):
    call_command("send_requests")
    Refill.objects.update(next_action_at=timezone.now())
    call_command("poll_refills")
    assert capsys.readouterr().out == "1 requests sent.\n1 refills polled.\n"


def test_tasks_when_run_then_the_refill_goes_on(upstream, refill):
    for work, state in ((tasks.send_requests, RefillState.PENDING), (tasks.poll_refills, RefillState.IN_PROGRESS)):
        Refill.objects.update(next_action_at=timezone.now())
        work()
        assert (read(refill).state, tasks_late().count(work.name.rpartition(".")[2])) == (state, 0)
        upstream.set_refill(1, status="In progress")


# -- when it is offered ------------------------------------------------------------------------------


def refused(order: Order, customer: Any) -> str:
    assert not may_refill(fresh(order))
    with nothing_changes(), pytest.raises(RefillRefused) as error:
        request_refill(order=order, actor=customer)
    return str(error.value)


def test_refill_when_the_service_has_none_then_refused(customer, order):
    UpstreamService.objects.update(refill=False)
    assert "no refill" in refused(order, customer)


@pytest.mark.parametrize("status", [Status.PENDING, Status.PARTIAL, Status.CANCELED])
def test_refill_when_the_order_is_not_completed_then_refused(customer, order, status):
    Order.objects.update(status=status)
    assert "Only a completed order" in refused(order, customer)


@pytest.mark.parametrize("state", RefillState.open())
def test_refill_when_one_is_open_then_refused(customer, order, refill, state):
    Refill.objects.update(state=state)
    assert "under way" in refused(order, customer)
    assert Refill.objects.count() == 1


@pytest.mark.parametrize("state", [RefillState.COMPLETED, RefillState.REJECTED, RefillState.UNFOLLOWED])
def test_refill_when_one_was_accepted_within_a_day_then_refused(customer, order, refill, state):
    Refill.objects.update(state=state, asked_at=timezone.now() - timedelta(hours=23), next_action_at=None)
    assert "24 hours" in refused(order, customer)
    Refill.objects.update(asked_at=timezone.now() - timedelta(hours=25))
    assert may_refill(order)
    assert request_refill(order=order, actor=customer).state == RefillState.WAITING


def test_refill_when_the_last_was_refused_then_allowed_after_an_hour(customer, order, refill):
    ended = timezone.now() - timedelta(minutes=59)
    Refill.objects.update(state=RefillState.REFUSED, asked_at=ended, finished_at=ended, next_action_at=None)
    # Not at once: a script would send thousands of requests a day.
    assert "an hour" in refused(order, customer)
    Refill.objects.update(finished_at=timezone.now() - timedelta(minutes=61))
    assert may_refill(order)


@pytest.mark.django_db(transaction=True)
def test_refill_when_clicked_many_times_then_one_request(upstream, customer, service):
    order = completed(upstream, customer, service)[0]

    def click(number: int) -> str:
        try:
            return request_refill(order=fresh(order), actor=customer).state
        except RefillRefused:
            return "refused"

    assert sorted(at_once(6, click)) == ["refused"] * 5 + ["waiting"]
    assert (Refill.objects.count(), texts(order)) == (1, ["You asked for a refill"])


def test_refill_when_check_misses_a_click_then_constraint_holds(customer, order, refill, monkeypatch):
    monkeypatch.setattr(orders.requests.refill, "why_not_refilled", lambda order: None)
    with pytest.raises(RefillRefused, match="under way"):
        request_refill(order=order, actor=customer)
    assert (Refill.objects.count(), len(texts(order))) == (1, 1)


# -- what the provider answers -----------------------------------------------------------------------


def test_refill_when_accepted_without_an_id_then_unfollowed(upstream, order, refill):
    upstream.set_dialect(refill_ids=False)
    send_now()
    assert (read(refill).state, read(refill).upstream_id) == (RefillState.UNFOLLOWED, "")
    assert texts(order)[-1] == "The provider took it, but gives no number to follow it by."
    assert (send_now(), poll_refills_now(), calls_of(upstream)) == (0, 0, 1)


TAKEN = [
    (lambda pk: {"status": "Success", "message": "Your order was added for refill"}, "unfollowed", ""),
    (lambda pk: {"refill": {"id": 55, "status": "Pending"}}, "pending", "55"),
    (lambda pk: [{"order": pk, "refill": {"id": 55}}], "pending", "55"),
    (lambda pk: {"status": "success", "data": {"refill_id": "55"}}, "pending", "55"),
    (lambda pk: {pk: {"refill": "requested"}}, "unfollowed", ""),
]


@pytest.mark.parametrize(("shape", "state", "refill_id"), TAKEN)
def test_refill_when_taken_in_any_shape_then_sent_once(upstream, order, refill, shape, state, refill_id):
    upstream.inject(says(shape(order.upstream_id), times=None))
    for _ in range(9):
        send_now()
    assert (read(refill).state, read(refill).upstream_id, calls_of(upstream)) == (state, refill_id, 1)
    assert not Alert.objects.exists()


@pytest.mark.parametrize(
    ("word", "state"),
    [("Cancelled", "rejected"), ("Error", "rejected"), ("done", "completed"), ("Success", "completed")],
)
def test_poll_when_in_other_words_then_the_refill_ends(upstream, accepted, word, state):
    upstream.inject(says({"status": word}, "refill_status", times=None))
    poll_refills_now()
    assert read(accepted).state == state


def test_poll_when_nothing_can_be_read_then_said_at_once(upstream, provider, accepted):
    upstream.inject(says([{"status": "Completed"}, {"status": "Completed"}], "refill_status", times=None))
    poll_refills_now()
    alert = Alert.objects.get(cause=f"provider:{provider.pk}:refill status", resolved_at=None)
    assert "can be read" in alert.text
    assert (read(accepted).state, read(accepted).poll_errors) == (RefillState.PENDING, 1)


REFUSALS = [
    ("Refill is disabled for this service", "The provider refused the refill: Refill is disabled for this service."),
    ("less than 24 hours ago", "The provider refused the refill: less than 24 hours ago."),
    ("Something new", "The provider refused the refill: Something new."),
    ("Incorrect order ID", "The provider refused the refill: it no longer knows the order."),
]


@pytest.mark.parametrize("shape", ["list", "flat", "dict", "nested", "whole"])
@pytest.mark.parametrize(("text", "note"), REFUSALS)
def test_refill_when_refused_then_the_reason_is_plain(upstream, order, refill, text, note, shape):
    shapes: dict[str, Any] = {
        "list": [{"order": order.upstream_id, "refill": {"error": text}}],
        "flat": [{"order": order.upstream_id, "error": text}],
        "dict": {str(order.upstream_id): {"refill": {"error": text}}},
        "nested": {"refill": {"error": text}},
        "whole": {"error": text},
    }
    upstream.inject(says(shapes[shape], times=None))
    send_now()
    assert (read(refill).state, read(refill).note) == (RefillState.REFUSED, note)
    assert texts(order)[-1] == note
    assert send_now() == 0


def test_refill_when_the_provider_has_none_then_refused(upstream, provider, refill):
    upstream.inject(says({"error": "Invalid action"}, times=None))
    send_now()
    assert (read(refill).state, read(refill).note) == (
        RefillState.REFUSED,
        "This provider takes no refill requests.",
    )
    assert Alert.objects.filter(cause=f"provider:{provider.pk}:refill", resolved_at=None).exists()


def test_batch_when_one_row_is_bad_then_the_others_are_recorded(upstream, customer, service):
    made = completed(upstream, customer, service, 7)
    for one in made:
        request_refill(order=one, actor=customer)
    ids = [one.upstream_id for one in made]
    rows = [
        {"order": ids[0], "refill": "r-1"},
        {"order": ids[1], "refill": {"error": "Incorrect order ID"}},
        {"order": ids[2], "refill": []},
        {"order": ids[4], "refill": {"error": "Rate limit"}},
        {"order": ids[5], "success": "ok"},
        {"order": ids[6], "refill": 7},
        {"order": "999999", "refill": 8},
    ]
    upstream.inject(says(rows))
    assert send_now() == 7
    expected = ["pending", "refused", "unfollowed", "unfollowed", "waiting", "unfollowed", "pending"]
    assert [one.refills.get().state for one in made] == expected
    assert made[2].refills.get().note == made[3].refills.get().note == UNSURE
    assert calls_of(upstream) == 1


# -- never sent twice --------------------------------------------------------------------------------

MAYBE_SENT = [
    faults.drop_after("refill"),
    faults.drop_before("refill"),
    faults.reset_after("refill"),
    faults.truncate("refill"),
    faults.reply(body=b"<html>", action="refill", processed=True),
    faults.reply(body=b"", action="refill", processed=True),
    faults.reply(body=b"[]", action="refill", processed=True),
    faults.reply(body=b'{"refill": 0.5}', action="refill", processed=True),
    faults.reply(status=503, body=b"busy", action="refill", processed=True),
    faults.reply(status=500, body=b'{"error": "Oops"}', action="refill", processed=True),
    faults.reply(status=500, body=b'{"message": "Refill failed"}', action="refill", processed=True),
    faults.reply(status=502, body=b'{"refill": "rejected"}', action="refill", processed=True),
    faults.reply(status=408, body=b'{"refill": "rejected"}', action="refill", processed=True),
    faults.reply(status=500, body=b'{"error": "Incorrect order ID"}', action="refill", processed=True),
]


@pytest.mark.parametrize("fault", MAYBE_SENT, ids=lambda one: f"{one.end}-{one.status}-{one.body!r}"[:40])
def test_refill_when_it_may_have_been_sent_then_never_sent_again(upstream, order, refill, fault):
    upstream.inject(fault)
    for _ in range(3):
        send_now()
    assert (read(refill).state, read(refill).note, calls_of(upstream)) == (RefillState.UNFOLLOWED, UNSURE, 1)
    assert texts(order)[-1] == UNSURE
    assert "24 hours" in refused(order, order.customer)


NOT_CARRIED_OUT = [
    says({"error": "Rate limit"}),
    says({"error": "Invalid API key"}),
    faults.reply(status=429, body=b"slow down", action="refill"),
    faults.redirect("https://elsewhere.example/api/v2", action="refill"),
]


@pytest.mark.parametrize("fault", NOT_CARRIED_OUT, ids=lambda one: f"{one.status}-{one.body!r}"[:40])
def test_refill_when_surely_not_acted_on_then_sent_again(upstream, refill, fault):
    upstream.inject(fault)
    before = timezone.now()
    send_now()
    waiting = read(refill)
    assert (waiting.state, waiting.claim_token) == (RefillState.WAITING, "")
    assert waiting.next_action_at > before + timedelta(seconds=40)
    assert send_due_requests() == 0
    send_now()
    assert (read(refill).state, calls_of(upstream)) == (RefillState.PENDING, 2)


def test_refill_when_provider_unreachable_then_retried_and_ended(upstream, provider, order, refill):
    url = provider.api_url
    Provider.objects.update(api_url="http://127.0.0.1:9/api/v2")
    for _ in range(7):
        send_now()
        assert read(refill).state == RefillState.WAITING
    Provider.objects.update(api_url=url)
    assert send_now() == 1
    assert read(refill).state == RefillState.PENDING

    Refill.objects.update(state=RefillState.WAITING, upstream_id="", attempts=7)
    Provider.objects.update(api_url="http://127.0.0.1:9/api/v2")
    send_now()
    assert read(refill).state == RefillState.REFUSED
    assert read(refill).note == "The provider could not be asked for the refill. Try again later."
    Refill.objects.update(finished_at=timezone.now() - timedelta(hours=2))
    assert may_refill(order)


def test_refill_when_the_key_is_unusable_then_it_waits_with_an_alert(upstream, provider, refill):
    Provider.objects.update(api_key_encrypted="not a key")
    send_now()
    assert (read(refill).state, calls_of(upstream)) == (RefillState.WAITING, 0)
    assert Alert.objects.get(cause=f"provider:{provider.pk}:refill", resolved_at=None).level == "danger"


@pytest.mark.parametrize("place", ["claiming", "before the call", "after the call", "recording"])
def test_worker_when_killed_then_the_refill_is_sent_at_most_once(upstream, order, refill, monkeypatch, place):
    send = UpstreamClient.refill

    def die(*args: Any, **values: Any) -> Any:
        if place == "after the call":
            send(*args, **values)
        raise Killed

    with monkeypatch.context() as patch:
        if place == "claiming":
            patch.setattr(orders.requests.queue, "F", die)
        elif place == "recording":
            patch.setattr(orders.requests.refill.OrderEvent.objects, "bulk_create", die)
        else:
            patch.setattr(UpstreamClient, "refill", die)
        with pytest.raises(Killed):
            send_now()
    if place == "claiming":
        assert read(refill).state == RefillState.WAITING
        send_now()
        assert (read(refill).state, calls_of(upstream)) == (RefillState.PENDING, 1)
        return
    assert (send_now(), read(refill).state) == (0, RefillState.ASKING)
    leases_run_out()
    for _ in range(3):
        assert send_now() == 0
    assert (read(refill).state, read(refill).note) == (RefillState.UNFOLLOWED, UNSURE)
    assert texts(order)[-1] == UNSURE
    assert calls_of(upstream) == (0 if place == "before the call" else 1)


def test_answer_when_the_lease_ran_out_then_not_recorded(upstream, provider, order, refill, monkeypatch):
    record = orders.requests.refill.record_refills

    def late(**values: Any) -> None:
        leases_run_out()
        assert orders.requests.refill.claim_refills(provider=provider) == []
        record(**values)

    monkeypatch.setattr(orders.requests.refill, "record_refills", late)
    send_now()
    assert (read(refill).state, texts(order)[1:], calls_of(upstream)) == (RefillState.UNFOLLOWED, [UNSURE], 1)


def test_refill_when_the_order_changed_before_sending_then_refused(upstream, order, refill):
    Order.objects.update(status=Status.PARTIAL)
    assert send_now() == 0
    assert (read(refill).state, calls_of(upstream)) == (RefillState.REFUSED, 0)
    assert "no longer completed" in texts(order)[-1]


@pytest.mark.django_db(transaction=True)
def test_refills_when_many_workers_send_then_each_is_sent_once(upstream, customer, service):
    made = completed(upstream, customer, service, 30)
    for one in made:
        request_refill(order=one, actor=customer)
    results = at_once(4, lambda number: send_due_requests())
    assert sum(results) == 30, results
    ids = [one for request in upstream.requests_of("refill") for one in request.params["orders"].split(",")]
    assert sorted(ids) == sorted(str(one.upstream_id) for one in made)


def test_round_when_there_are_many_then_statements_stay_the_same(upstream, provider, customer, service):
    sent, polled = {}, {}
    for count in (2, 8):
        for one in completed(upstream, customer, service, count):
            request_refill(order=one, actor=customer)
        with statements() as found:
            assert send_to_provider(provider=provider) == count
        sent[count] = len(found)
        running = Refill.objects.count()
        poll_refills_now()
        Refill.objects.update(next_action_at=timezone.now() - timedelta(seconds=1))
        with statements() as found:
            assert poll_provider_refills(provider=provider) == running
        polled[running] = len(found)
    print(f"statements of a round of refills: {sent}; of looks at them: {polled}")
    assert sent[2] == sent[8] <= 11
    # 4 for the batch; one for a free worker, one that finds no other batch, and the alert for the round.
    assert polled[2] == polled[10] <= 4 + 3


# -- following ---------------------------------------------------------------------------------------


def test_polls_when_more_are_due_than_fit_then_calls_are_full(upstream, customer, service, small_batch):
    for one in completed(upstream, customer, service, 12):
        request_refill(order=one, actor=customer)
    assert send_now() == 12
    assert poll_refills_now() == 12
    assert [len(one.params["refills"].split(",")) for one in upstream.requests_of("refill_status")] == [10, 2]


def test_poll_wait_when_it_grows_then_from_a_minute_to_an_hour():
    def minutes(age: timedelta, errors: int = 0) -> list[float]:
        return [next_refill_poll_after(age=age, errors=errors).total_seconds() / 60 for _ in range(50)]

    for age, errors, low, high in (
        (timedelta(0), 0, 0.8, 1.2),
        (timedelta(hours=1), 0, 9.6, 14.4),
        (timedelta(days=3), 0, 48, 72),
        (timedelta(0), 3, 6.4, 9.6),
        (timedelta(0), 30_000, 48, 72),
    ):
        waits = minutes(age, errors)
        assert low <= min(waits) < max(waits) <= high


@pytest.mark.usefixtures("frozen_clock")
@pytest.mark.parametrize(
    "rows",
    [
        [],
        [{"refill": 1, "status": "Hmm"}],
        [{"refill": 1, "status": {"error": "Incorrect refill ID"}}],
        [{"refill": 1, "status": 7}],
        [{"status": "Completed"}, {"status": "Completed"}],
        [{"refill": 99, "status": "Completed"}],
    ],
)
def test_poll_when_a_row_is_missing_or_bad_then_only_it_backs_off(upstream, customer, service, rows):
    for one in completed(upstream, customer, service, 2):
        request_refill(order=one, actor=customer)
    send_now()
    bad, good = Refill.objects.order_by("pk")
    waits = []
    for _ in range(5):
        upstream.inject(says([*rows, {"refill": good.upstream_id, "status": "In progress"}], "refill_status"))
        assert poll_refills_now() == 2
        waits.append(read(bad).next_action_at - timezone.now())
        assert (read(good).state, read(good).poll_errors) == (RefillState.IN_PROGRESS, 0)
        assert read(good).next_action_at - timezone.now() < timedelta(minutes=2)
    assert (read(bad).state, read(bad).poll_errors) == (RefillState.PENDING, 5)
    assert waits[4] > timedelta(minutes=20) > waits[0]
    upstream.set_refill(int(bad.upstream_id), status="In progress")
    poll_refills_now()
    assert (read(bad).state, read(bad).poll_errors) == (RefillState.IN_PROGRESS, 0)


def test_poll_when_unknown_for_long_then_given_up(upstream, order, accepted):
    Refill.objects.update(upstream_id="999", poll_errors=8)
    poll_refills_now()
    assert read(accepted).state == RefillState.PENDING
    poll_refills_now()
    assert (read(accepted).state, read(accepted).poll_errors) == (RefillState.PENDING, 10)  # Not an hour old yet.
    Refill.objects.update(asked_at=timezone.now() - timedelta(minutes=61), poll_errors=5)
    poll_refills_now()
    assert read(accepted).state == RefillState.PENDING  # Not enough errors.
    Refill.objects.update(poll_errors=9)
    poll_refills_now()
    assert read(accepted).state == RefillState.UNFOLLOWED
    assert (
        texts(order)[-1]
        == read(accepted).note
        == "The provider took it, but no longer knows it. It cannot be followed."
    )


@pytest.mark.parametrize("body", [[], [{"refill": 1, "status": "Hmm"}], {"error": "Invalid action"}])
def test_poll_when_unanswered_for_a_week_then_given_up(upstream, accepted, body):
    upstream.inject(says(body, "refill_status", times=None))
    Refill.objects.update(asked_at=timezone.now() - timedelta(days=7), poll_errors=168)
    poll_refills_now()
    assert read(accepted).state == RefillState.PENDING
    poll_refills_now()
    assert (read(accepted).state, "does not report" in read(accepted).note) == (RefillState.UNFOLLOWED, True)


def test_poll_when_open_for_a_month_then_the_next_refill_is_allowed(upstream, order, accepted):
    Refill.objects.update(asked_at=timezone.now() - timedelta(days=31))
    poll_refills_now()
    assert (read(accepted).state, may_refill(order)) == (RefillState.UNFOLLOWED, True)


def test_poll_when_providers_share_an_id_then_answers_not_mixed_up(upstream, customer, other, service):
    with SandboxServer(key="second-key", speed=0) as second_upstream:
        second_upstream.set_service(1, rate="2", min=10, max=10_000, type="Default")
        second = make.provider(name="Second", url=second_upstream.url, api_key=second_upstream.key)
        alices = request_refill(order=completed(upstream, customer, service)[0], actor=customer)
        bobs = request_refill(order=completed(second_upstream, other, make.service(second))[0], actor=other)
        send_now()
        assert read(alices).upstream_id == read(bobs).upstream_id == "1"
        second_upstream.set_refill(1, status="Rejected")
        poll_refills_now()
    assert (read(alices).state, read(bobs).state) == (RefillState.PENDING, RefillState.REJECTED)


def test_poll_when_two_refills_share_an_id_then_both_get_the_answer(upstream, customer, service):
    """Some providers answer "1" for yes: it is polled once, and both refills end."""
    for one in completed(upstream, customer, service, 2):
        request_refill(order=one, actor=customer)
    send_now()
    Refill.objects.update(upstream_id="1")
    upstream.set_refill(1, status="Completed")
    assert poll_refills_now() == 2
    assert [one.params["refills"] for one in upstream.requests_of("refill_status")] == ["1"]
    assert set(Refill.objects.values_list("state", flat=True)) == {RefillState.COMPLETED}


def test_poll_when_unanswered_then_an_alert_and_no_error_is_counted(upstream, provider, accepted):
    upstream.inject(faults.drop_before("refill_status", times=None))
    assert poll_refills_now() == 0
    assert (read(accepted).state, read(accepted).poll_errors) == (RefillState.PENDING, 0)
    assert Alert.objects.filter(cause=f"provider:{provider.pk}:refill status", resolved_at=None).exists()
    upstream.clear_faults()
    assert poll_due_refills() == 0  # The claim still holds.
    assert poll_refills_now() == 1
    assert not Alert.objects.filter(resolved_at=None).exists()


def test_poll_when_killed_then_repeated_after_the_lease(upstream, accepted, monkeypatch):
    upstream.set_refill(1, status="Completed")

    def die(**values: Any) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(orders.requests.refill_poll, "apply_refill_answers", die)
        with pytest.raises(Killed):
            poll_refills_now()
    assert (poll_due_refills(), read(accepted).state) == (0, RefillState.PENDING)
    Refill.objects.update(next_action_at=timezone.now() - timedelta(seconds=1))
    assert poll_due_refills() == 1
    assert read(accepted).state == RefillState.COMPLETED


def test_answer_when_another_worker_claimed_then_not_recorded(upstream, provider, accepted, monkeypatch):
    upstream.set_refill(1, status="Completed")
    apply_answers = orders.requests.refill_poll.apply_refill_answers

    def outrun(**values: Any) -> None:
        Refill.objects.update(next_action_at=timezone.now() - timedelta(seconds=1))
        assert orders.requests.refill_poll.claim_refill_polls(provider=provider)
        apply_answers(**values)

    monkeypatch.setattr(orders.requests.refill_poll, "apply_refill_answers", outrun)
    poll_refills_now()
    assert read(accepted).state == RefillState.PENDING


def test_poll_when_the_provider_is_disabled_then_still_polled(upstream, accepted):
    Provider.objects.update(is_active=False)
    upstream.set_refill(1, status="Completed")
    assert poll_refills_now() == 1
    assert read(accepted).state == RefillState.COMPLETED


@pytest.mark.django_db(transaction=True)
def test_round_when_one_provider_is_slow_then_the_other_is_served(upstream, customer, service):
    gate = threading.Event()
    with SandboxServer(key="quick-key", speed=0) as quick:
        quick.set_service(1, rate="2", min=10, max=10_000, type="Default")
        others = make.service(make.provider(name="Quick", url=quick.url, api_key=quick.key))
        slow = request_refill(order=completed(upstream, customer, service)[0], actor=customer)
        soon = request_refill(order=completed(quick, customer, others)[0], actor=customer)
        send_now()
        quick.set_refill(1, status="Completed")
        upstream.inject(faults.Fault(action="refill_status", gate=gate))
        finish = in_background(poll_refills_now)
        for _ in range(500):
            if read(slow).claim_token and read(soon).state == RefillState.COMPLETED:
                break
            quick.pause(0.02)
        assert (read(slow).state, read(soon).state) == (RefillState.PENDING, RefillState.COMPLETED)
        assert poll_provider_refills(provider=slow.provider) == 0
        gate.set()
        assert finish() == 2


def test_refill_when_the_provider_hangs_then_it_may_have_been_sent(upstream, refill, monkeypatch):
    use_short_timeouts(monkeypatch)
    upstream.inject(faults.delay_after(2, "refill"))
    send_now()
    assert read(refill).state == RefillState.UNFOLLOWED


# -- dialects, end to end ----------------------------------------------------------------------------

DIALECTS: dict[str, dict[str, Any]] = {
    "standard": {},
    "lists only": {"one": False},
    "one only, incorrect request": {"many": False},
    "one only, incorrect id": {"many": False, "refusal": "Incorrect order ID"},
    "one only, own words": {"many": False, "refusal": "Parameter missing"},
    "one only, error inside a success": {"many": False, "wrapped_errors": True},
    "dict by id": {"rows": "dict"},
    "errors in the row": {"rows": "errors"},
}


@pytest.mark.parametrize("count", [1, 3])
@pytest.mark.parametrize("dialect", DIALECTS)
def test_dialect_when_used_then_requests_are_sent_once_and_followed(upstream, customer, service, dialect, count):
    """The provider refuses one of each batch, which must not affect the others."""
    done = completed(upstream, customer, service, count)
    running = [make.order(customer, service, link="https://example.com/sandbox-stuck") for _ in range(count)]
    submit_now()
    for one in (*done, *running):
        Order.objects.filter(pk=one.pk).update(accepted_at=timezone.now() - timedelta(hours=1))
    for one in done:
        request_refill(order=one, actor=customer)
    for one in running:
        cancel_order(order=one, actor=customer)
    if count > 1:
        upstream.set_order(int(done[1].upstream_id or 0), status="In progress")
        upstream.set_order(int(fresh(running[1]).upstream_id or 0), status="Completed")
    upstream.set_dialect(**DIALECTS[dialect])
    upstream.clear_requests()
    assert send_now() == 2 * count
    refused_ones = {1} if count > 1 else set()
    for place in range(count):
        expected = ("refused", "refused") if place in refused_ones else ("pending", "accepted")
        assert (done[place].refills.get().state, running[place].cancel_requests.get().state) == expected
    forms = [tuple(one.params) for one in upstream.requests_of("refill")]
    is_single = DIALECTS[dialect].get("many") is False
    assert forms == [("action", "orders"), *([("action", "order")] * count if is_single else [])]

    for refill in Refill.objects.filter(state=RefillState.PENDING):
        upstream.set_refill(int(refill.upstream_id), status="Completed")
    poll_refills_now()
    assert Refill.objects.filter(state=RefillState.COMPLETED).count() == count - len(refused_ones)


def test_dialect_when_throttled_halfway_then_the_rest_is_sent_later(upstream, customer, service):
    upstream.set_dialect(many=False)
    for one in completed(upstream, customer, service, 5):
        request_refill(order=one, actor=customer)
    upstream.inject(says({"error": "Incorrect request"}))
    upstream.inject(faults.delay_before(0, "refill", times=2))
    upstream.inject(says({"error": "Too many requests"}))
    send_now()
    assert list(Refill.objects.order_by("pk").values_list("state", flat=True)) == ["pending"] * 2 + ["waiting"] * 3
    send_now()
    assert set(Refill.objects.values_list("state", flat=True)) == {RefillState.PENDING}
    answered = [one.params["order"] for one in upstream.requests_of("refill") if "order" in one.params]
    assert len(answered) == 6
    assert len(set(answered)) == 5
