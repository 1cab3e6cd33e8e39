"""Cancels: in full before submission, and by the provider after it."""

from __future__ import annotations

import json
import threading
from datetime import timedelta
from typing import Any

import pytest
from django.db import transaction
from django.urls import reverse
from django.utils import timezone

import orders.requests.cancel
from catalog.models import Provider, UpstreamService
from catalog.upstream.client import UpstreamClient
from catalog.upstream.results import CancelAccepted
from orders.dispatch.submit import claim_next
from orders.models import CancelRequest, Order, OrderEvent, OrderPoll
from orders.requests.cancel import (
    UNCLEAR,
    CancelOutcome,
    TooLate,
    cancel_order,
    close_cancel_requests,
    may_cancel,
    may_withdraw,
    request_cancel,
)
from orders.requests.send import send_due_requests, send_to_provider
from orders.states import CancelState, ReviewReason, Status, Submission
from panel.alerts.models import Alert
from panel.sandbox.http import faults
from panel.sandbox.server import SandboxServer
from tests import make
from tests.admin_calls import WHY
from tests.scenes import (
    Killed,
    at_once,
    create_in_doubt,
    end_lease,
    fresh,
    money_of,
    nothing_changes,
    poll_now,
    refunds_of,
    set_and_poll,
    statements,
    submit_now,
    use_short_timeouts,
)
from tests.threads import in_background, wait_for_a_blocked_connection

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("invariants_hold")]


def accepted(user: Any, service: Any, count: int = 1, *, word: str = "sandbox-stuck") -> list[Order]:
    """Orders of 100 for $0.25 that the sandbox accepted and never ends by itself."""
    made = [make.order(user, service, link=f"https://example.com/{word}") for _ in range(count)]
    submit_now()
    return [fresh(one) for one in made]


@pytest.fixture
def order(customer: Any, service: Any) -> Order:
    return accepted(customer, service)[0]


def send_now() -> int:
    """Let every wait and lease run out."""
    waiting = CancelRequest.objects.filter(state=CancelState.WAITING)
    waiting.update(next_action_at=timezone.now() - timedelta(seconds=1))
    return send_due_requests()


def leases_run_out() -> None:
    asking = CancelRequest.objects.filter(state=CancelState.ASKING)
    asking.update(next_action_at=timezone.now() - timedelta(seconds=1))


def request_of(order: Order) -> CancelRequest:
    return CancelRequest.objects.filter(order=order).latest("pk")


def public_texts(order: Order) -> list[str]:
    return list(OrderEvent.objects.filter(order=order, kind="cancel", is_public=True).values_list("text", flat=True))


def known_for_long(*orders: Order) -> None:
    Order.objects.filter(pk__in=[one.pk for one in orders]).update(accepted_at=timezone.now() - timedelta(hours=1))


# -- the whole story ---------------------------------------------------------------------------------


@pytest.mark.usefixtures("frozen_clock")
def test_cancel_when_accepted_then_requested_and_refunded_by_poll(upstream, customer, order):
    assert may_cancel(order)
    assert cancel_order(order=order, actor=customer) is CancelOutcome.ASKED
    assert (request_of(order).state, may_cancel(order)) == (CancelState.WAITING, False)
    assert (refunds_of(order), fresh(order).status) == ([], Status.PENDING)

    OrderPoll.objects.update(unchanged=7)
    assert send_now() == 1
    assert request_of(order).state == CancelState.ACCEPTED
    soon = fresh(order)
    assert soon.next_check_at <= timezone.now() + timedelta(seconds=10)
    assert (soon.poll.unchanged, refunds_of(order)) == (0, [])

    poll_now()
    assert (fresh(order).status, refunds_of(order)) == (Status.CANCELED, [250_000])
    assert request_of(order).state == CancelState.ENDED
    assert public_texts(order) == ["You asked to cancel it", "The provider was asked to cancel it"]
    assert send_now() == 0


def test_cancel_when_half_is_delivered_then_the_rest_is_refunded(upstream, customer, order):
    upstream.set_order(int(order.upstream_id), status="In progress", remains=60)
    cancel_order(order=order, actor=customer)
    send_now()
    poll_now()
    assert (fresh(order).status, refunds_of(order)) == (Status.PARTIAL, [150_000])


def test_cancel_when_queued_then_refunded_in_full_at_once(upstream, customer, service):
    order = make.order(customer, service)
    assert cancel_order(order=order, actor=customer) is CancelOutcome.WITHDRAWN
    assert (fresh(order).submission, refunds_of(order)) == (Submission.WITHDRAWN, [250_000])
    assert (submit_now(), send_now(), CancelRequest.objects.count(), upstream.requests) == (0, 0, 0, [])


def test_cancel_when_accepted_since_it_was_read_then_requested(customer, service):
    seen = make.order(customer, service)
    submit_now()
    assert cancel_order(order=seen, actor=customer) is CancelOutcome.ASKED


# -- when it is not possible -------------------------------------------------------------------------


def refused(order: Order, customer: Any) -> str:
    """Check that the customer reads why, and that nothing changed."""
    assert not may_cancel(order)
    with nothing_changes(), pytest.raises(TooLate) as error:
        cancel_order(order=order, actor=customer)
    assert CancelRequest.objects.filter(order=order).exclude(state=CancelState.REFUSED).count() == 0
    return str(error.value)


def test_cancel_when_being_submitted_then_refused(provider, customer, service):
    order = make.order(customer, service)
    assert claim_next(provider_id=provider.pk)
    assert "being sent" in refused(fresh(order), customer)
    end_lease(order)
    submit_now()


def test_cancel_when_in_doubt_then_refused(upstream, customer, service):
    order = create_in_doubt(upstream, customer, service)
    assert "finding out" in refused(order, customer)


def test_cancel_when_the_service_has_none_then_refused_for_customers(customer, order):
    UpstreamService.objects.update(cancel=False)
    assert "cannot be canceled" in refused(fresh(order), customer)


@pytest.mark.parametrize("status", ["Completed", "Canceled"])
def test_cancel_when_ended_then_refused(upstream, customer, order, status):
    upstream.set_order(int(order.upstream_id), status=status)
    poll_now()
    assert "ended" in refused(fresh(order), customer)


@pytest.mark.parametrize("reason", [ReviewReason.DOUBT, ReviewReason.UNKNOWN_ERROR])
def test_cancel_when_queued_but_maybe_accepted_then_left_to_staff(customer, service, reason):
    """The provider may have the order: withdrawn, it would run for free."""
    order = make.order(customer, service)
    Order.objects.filter(pk=order.pk).update(
        review_reason=reason, review_note="The provider has it as 23501.", review_since=timezone.now()
    )
    assert not may_withdraw(fresh(order))
    assert "Our team" in refused(fresh(order), customer)


def test_cancel_when_refused_lately_then_allowed_after_an_hour(upstream, customer, order):
    cancel_order(order=order, actor=customer)
    upstream.inject(faults.reply(body=b'{"error": "Cannot cancel"}', action="cancel"))
    send_now()
    assert request_of(order).state == CancelState.REFUSED
    assert "an hour" in refused(order, customer)
    CancelRequest.objects.update(finished_at=timezone.now() - timedelta(minutes=61))
    assert may_cancel(order)
    assert cancel_order(order=order, actor=customer) is CancelOutcome.ASKED


def test_cancel_when_accepted_without_effect_then_retried_next_day(upstream, customer, order):
    taken = json.dumps([{"order": order.upstream_id, "cancel": 1}]).encode()
    upstream.inject(faults.reply(body=taken, action="cancel"))
    cancel_order(order=order, actor=customer)
    send_now()
    first = request_of(order)
    assert (first.state, may_cancel(order)) == (CancelState.ACCEPTED, False)
    assert cancel_order(order=order, actor=customer) is CancelOutcome.ASKED
    assert CancelRequest.objects.count() == 1

    CancelRequest.objects.update(asked_at=timezone.now() - timedelta(hours=25))
    assert may_cancel(order)
    cancel_order(order=order, actor=customer)
    first.refresh_from_db()
    assert (first.state, request_of(order).state) == (CancelState.ENDED, CancelState.WAITING)
    assert send_now() == 1
    assert upstream.orders()[0].status == "Canceled"


# -- what the provider answers -----------------------------------------------------------------------

REFUSALS = [
    ("Order already completed", "The provider refused to cancel it: Order already completed."),
    ("Cannot cancel: in progress.", "The provider refused to cancel it: Cannot cancel: in progress."),
    ("We do not like you", "The provider refused to cancel it: We do not like you."),
    ("Incorrect order ID", "The provider refused to cancel it: it no longer knows the order."),
]


@pytest.mark.parametrize("shape", ["list", "flat", "dict", "whole"])
@pytest.mark.parametrize(("text", "note"), REFUSALS)
def test_request_when_refused_then_the_reason_is_plain(upstream, customer, order, text, note, shape):
    known_for_long(order)
    cancel_order(order=order, actor=customer)
    shapes: dict[str, Any] = {
        "list": [{"order": order.upstream_id, "cancel": {"error": text}}],
        "flat": [{"order": order.upstream_id, "error": text}],
        "dict": {str(order.upstream_id): {"cancel": {"error": text}}},
        "whole": {"error": text},
    }
    upstream.inject(faults.reply(body=json.dumps(shapes[shape]).encode(), action="cancel", times=None))
    send_now()
    request = request_of(order)
    assert (request.state, request.note) == (CancelState.REFUSED, note)
    assert request.finished_at is not None
    assert public_texts(order)[1:] == [note]
    assert send_now() == 0
    assert (fresh(order).status, refunds_of(order)) == (Status.PENDING, [])


def test_request_when_the_order_is_unknown_yet_then_it_waits(upstream, customer, order):
    """A provider whose order list lagged refused a cancel right after the order."""
    cancel_order(order=order, actor=customer)
    upstream.inject(faults.reply(body=b'{"error": "Incorrect order ID"}', action="cancel", times=2))
    send_now()
    assert request_of(order).state == CancelState.WAITING
    send_now()
    assert request_of(order).state == CancelState.ACCEPTED


def test_request_when_provider_lacks_cancel_then_refused_and_alert(upstream, provider, customer, order):
    cancel_order(order=order, actor=customer)
    upstream.inject(faults.reply(body=b'{"error": "Invalid action"}', action="cancel", times=None))
    send_now()
    assert (request_of(order).state, request_of(order).note) == (
        CancelState.REFUSED,
        "This provider cancels no orders that it was sent. The order goes on.",
    )
    assert [one.params.get("orders", one.params.get("order")) for one in upstream.requests_of("cancel")] == [
        order.upstream_id
    ] * 2
    assert Alert.objects.get(cause=f"provider:{provider.pk}:cancel", resolved_at=None)


TROUBLE = [
    faults.reply(body=b'{"error": "Too many requests"}', action="cancel", times=None),
    faults.reply(status=429, body=b"slow down", action="cancel", times=None),
    faults.reply(body=b'{"error": "Invalid API key"}', action="cancel", times=None),
]
UNCLEAR_ANSWERS = [
    faults.reply(body=b"<html>maintenance</html>", action="cancel", times=None),
    faults.reply(status=503, body=b"", action="cancel", times=None),
    faults.reply(body=b"[]", action="cancel", times=None),
    faults.drop_before("cancel", times=None),
    faults.truncate("cancel", processed=False, times=None),
]


@pytest.mark.usefixtures("frozen_clock")
@pytest.mark.parametrize("fault", TROUBLE, ids=lambda one: f"{one.end}-{one.status}-{one.body!r}"[:40])
def test_request_when_unanswered_then_it_waits_longer_and_ends(upstream, customer, order, fault):
    cancel_order(order=order, actor=customer)
    upstream.inject(fault)
    waits = []
    for _ in range(7):
        before = timezone.now()
        send_now()
        request = request_of(order)
        assert (request.state, request.claim_token) == (CancelState.WAITING, "")
        waits.append((request.next_action_at - before).total_seconds())
    assert waits == sorted(waits)
    assert 40 < waits[0] < 80
    send_now()
    request = request_of(order)
    assert request.state == CancelState.REFUSED
    assert request.note == "The provider did not answer when it was asked to cancel it. The order goes on."
    assert (send_now(), fresh(order).status) == (0, Status.PENDING)


@pytest.mark.usefixtures("frozen_clock")
@pytest.mark.parametrize("fault", UNCLEAR_ANSWERS, ids=lambda one: f"{one.end}-{one.status}-{one.body!r}"[:40])
def test_request_when_maybe_accepted_then_the_status_decides(upstream, provider, customer, order, fault):
    """A cancel that the provider had accepted was asked for eight times, and told as refused."""
    cancel_order(order=order, actor=customer)
    upstream.inject(fault)
    upstream.clear_requests()
    for _ in range(2):
        send_now()
        assert request_of(order).state == CancelState.WAITING
        # Meanwhile the order itself may show it.
        assert fresh(order).poll.due_at == timezone.now() + timedelta(seconds=10)
    send_now()
    request = request_of(order)
    assert (request.state, request.note, public_texts(order)[1:]) == (CancelState.ACCEPTED, UNCLEAR, [UNCLEAR])
    assert (send_now(), fresh(order).status, may_cancel(order)) == (0, Status.PENDING, False)
    assert len({one.params.get("orders") for one in upstream.requests_of("cancel")}) == 1
    assert Alert.objects.filter(cause=f"provider:{provider.pk}:cancel", resolved_at=None).exists()
    set_and_poll(upstream, order, status="Canceled", remains=100, charge="0")
    assert (refunds_of(order), request_of(order).state) == ([250_000], CancelState.ENDED)


ACCEPTED = [
    lambda pk: [{"order": pk, "cancel": {"status": 1}}],
    lambda pk: {pk: {"cancel": "requested"}},
    lambda pk: {"status": "Success", "message": "Cancel request received"},
    lambda pk: {"success": True, "data": {"order": pk}},
    lambda pk: {"cancel": {"id": 7, "status": "Pending"}},
]


@pytest.mark.parametrize("shape", ACCEPTED)
def test_request_when_accepted_in_any_shape_then_asked_once(upstream, provider, customer, order, shape):
    """Eight of eight such answers were told as refused, after the provider had been asked eight times."""
    cancel_order(order=order, actor=customer)
    body = json.dumps(shape(order.upstream_id)).encode()
    upstream.inject(faults.reply(body=body, action="cancel", times=None))
    upstream.clear_requests()
    for _ in range(9):
        send_now()
    request = request_of(order)
    assert (request.state, request.note, len(upstream.requests_of("cancel"))) == (CancelState.ACCEPTED, "", 1)
    assert public_texts(order)[1:] == ["The provider was asked to cancel it"]
    assert not Alert.objects.exists()


def test_request_when_refused_in_nested_words_then_these_are_told(upstream, customer, order):
    known_for_long(order)
    cancel_order(order=order, actor=customer)
    body = b'{"success": false, "data": {"message": "Order can not be canceled"}}'
    upstream.inject(faults.reply(body=body, action="cancel", times=None))
    upstream.clear_requests()
    send_now()
    request = request_of(order)
    note = "The provider refused to cancel it: Order can not be canceled."
    assert (request.state, request.note) == (CancelState.REFUSED, note)
    assert len(upstream.requests_of("cancel")) == 1


NOT_UNDERSTOOD = [
    {"cancel": {"code": 7}},
    {"cancel": "Hmm"},
    {"status": "Success", "message": "Order cannot be canceled"},
    {"status": "Processing"},
]


@pytest.mark.parametrize("row", NOT_UNDERSTOOD, ids=str)
@pytest.mark.parametrize(
    "wrapped", [lambda pk, row: row, lambda pk, row: {pk: row}, lambda pk, row: [{"order": pk, **row}]]
)
def test_answer_when_not_understood_then_asked_once_and_told(upstream, provider, customer, order, row, wrapped):
    cancel_order(order=order, actor=customer)
    body = json.dumps(wrapped(order.upstream_id, row)).encode()
    upstream.inject(faults.reply(body=body, action="cancel", times=None))
    upstream.clear_requests()
    for _ in range(3):
        send_now()
    request = request_of(order)
    assert (request.state, request.note, len(upstream.requests_of("cancel"))) == (CancelState.ACCEPTED, UNCLEAR, 1)
    alert = Alert.objects.get(cause=f"provider:{provider.pk}:cancel", resolved_at=None)
    assert "can be read" in alert.text and "It answered: {" in alert.text


def test_page_when_the_answer_was_unclear_then_it_says_so(signed_in, upstream, customer, order):
    cancel_order(order=order, actor=customer)
    upstream.inject(faults.reply(body=b'{"cancel": {"code": 7}}', action="cancel"))
    send_now()
    page = signed_in.get(reverse("order_detail", args=[order.pk])).content.decode()
    assert "gave no clear answer" in page and "We are finding out." in page


def test_request_when_the_provider_is_back_then_the_alert_resolves(upstream, provider, customer, order):
    upstream.inject(faults.drop_before("cancel"))
    cancel_order(order=order, actor=customer)
    send_now()
    assert Alert.objects.filter(cause=f"provider:{provider.pk}:cancel", resolved_at=None).count() == 1
    send_now()
    assert request_of(order).state == CancelState.ACCEPTED
    assert Alert.objects.filter(resolved_at=None).count() == 0


def test_batch_when_one_row_is_bad_then_the_others_are_recorded(upstream, customer, service):
    made = accepted(customer, service, 6)
    known_for_long(*made)
    for one in made:
        cancel_order(order=one, actor=customer)
    ids = [one.upstream_id for one in made]
    rows = [
        {"order": ids[0], "cancel": 1},
        {"order": ids[1], "cancel": {"error": "Incorrect order ID"}},
        {"order": ids[2], "cancel": []},
        {"order": ids[4], "cancel": {"error": "Rate limit"}},
        {"order": ids[5], "cancel": "1"},
        {"order": "999999", "cancel": 1},
    ]
    upstream.inject(faults.reply(body=json.dumps(rows).encode(), action="cancel"))
    assert send_now() == 6
    expected = ["accepted", "refused", "accepted", "waiting", "waiting", "accepted"]
    assert [request_of(one).state for one in made] == expected
    assert len(upstream.requests_of("cancel")) == 1


def test_requests_when_more_are_due_than_fit_then_calls_are_full(upstream, customer, service, small_batch):
    for one in accepted(customer, service, 12):
        cancel_order(order=one, actor=customer)
    assert send_now() == 12
    assert [len(one.params["orders"].split(",")) for one in upstream.requests_of("cancel")] == [10, 2]
    assert CancelRequest.objects.filter(state=CancelState.ACCEPTED).count() == 12


def test_round_when_there_are_many_then_statements_stay_the_same(upstream, provider, customer, service):
    counts = {}
    for count in (2, 8):
        for one in accepted(customer, service, count):
            cancel_order(order=one, actor=customer)
        with statements() as found:
            assert send_to_provider(provider=provider) == count
        counts[count] = len(found)
    print(f"statements of a round of cancels: {counts}")
    assert counts[2] == counts[8] <= 13


# -- while the order moves ---------------------------------------------------------------------------


def test_request_when_the_order_ended_then_not_sent(upstream, customer, order):
    cancel_order(order=order, actor=customer)
    Order.objects.filter(pk=order.pk).update(status=Status.COMPLETED, finished_at=timezone.now())
    upstream.clear_requests()
    assert send_now() == 0
    assert (request_of(order).state, upstream.requests) == (CancelState.ENDED, [])


def test_requests_when_orders_end_then_closed_in_one_statement(customer, service):
    made = accepted(customer, service, 3)
    for one in made:
        cancel_order(order=one, actor=customer)
    CancelRequest.objects.filter(order=made[2]).update(state=CancelState.REFUSED)
    with statements() as found:
        assert close_cancel_requests(order_ids=[one.pk for one in made]) == 2
    assert len(found) == 1
    assert [request_of(one).state for one in made] == ["ended", "ended", "refused"]
    assert request_of(made[0]).next_action_at is None


def test_answer_when_the_order_ended_meanwhile_then_nothing_changes(upstream, customer, order, monkeypatch):
    cancel_order(order=order, actor=customer)
    record = orders.requests.cancel.record_cancels

    def ended_before(**values: Any) -> None:
        poll_now()
        assert fresh(order).status == Status.CANCELED
        with nothing_changes():
            record(**values)

    monkeypatch.setattr(orders.requests.cancel, "record_cancels", ended_before)
    send_now()
    assert (request_of(order).state, public_texts(order)) == (CancelState.ENDED, ["You asked to cancel it"])


def test_answer_when_claimed_by_another_worker_then_not_recorded(upstream, provider, customer, order, monkeypatch):
    """The first worker's late "no" must not end what the second one has sent."""
    cancel_order(order=order, actor=customer)
    upstream.inject(faults.reply(body=b'{"error": "Cannot cancel"}', action="cancel"))
    record = orders.requests.cancel.record_cancels

    def outrun(**values: Any) -> None:
        leases_run_out()
        assert orders.requests.cancel.claim_cancels(provider=provider)
        record(**values)

    monkeypatch.setattr(orders.requests.cancel, "record_cancels", outrun)
    send_now()
    monkeypatch.undo()
    assert (request_of(order).state, request_of(order).attempts) == (CancelState.ASKING, 2)
    leases_run_out()
    send_now()
    assert request_of(order).state == CancelState.ACCEPTED


# -- killed anywhere ---------------------------------------------------------------------------------


@pytest.mark.parametrize("place", ["claiming", "before the call", "after the call", "recording"])
def test_worker_when_killed_then_the_request_is_sent_again(upstream, customer, order, monkeypatch, place):
    cancel_order(order=order, actor=customer)
    cancel = UpstreamClient.cancel

    def die(*args: Any, **values: Any) -> Any:
        if place == "after the call":
            cancel(*args, **values)
        raise Killed

    with monkeypatch.context() as patch:
        if place == "claiming":
            patch.setattr(orders.requests.queue, "F", die)
        elif place == "recording":
            patch.setattr(orders.requests.cancel.OrderEvent.objects, "bulk_create", die)
        else:
            patch.setattr(UpstreamClient, "cancel", die)
        with pytest.raises(Killed):
            send_now()
    expected = CancelState.WAITING if place == "claiming" else CancelState.ASKING
    assert request_of(order).state == expected
    if place != "claiming":
        assert send_now() == 0  # The lease still runs.
    leases_run_out()
    send_now()
    # For cancels done before the kill the provider reports an ended order; its status decides the refund.
    assert request_of(order).state in (CancelState.ACCEPTED, CancelState.REFUSED)
    poll_now()
    assert (fresh(order).status, refunds_of(order)) == (Status.CANCELED, [250_000])


# -- at the same time --------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_cancel_when_clicked_many_times_then_one_request(upstream, customer, service):
    order = accepted(customer, service)[0]
    results = at_once(6, lambda number: cancel_order(order=fresh(order), actor=customer))
    assert results == [CancelOutcome.ASKED] * 6
    assert (CancelRequest.objects.count(), public_texts(order)) == (1, ["You asked to cancel it"])
    assert send_now() == 1


def test_cancel_when_check_misses_a_click_then_constraint_holds(customer, order, monkeypatch):
    cancel_order(order=order, actor=customer)
    monkeypatch.setattr(orders.requests.cancel, "active_requests", CancelRequest.objects.none)
    assert request_cancel(order=order, actor=customer) is False
    assert (CancelRequest.objects.count(), len(public_texts(order))) == (1, 1)


@pytest.mark.django_db(transaction=True)
def test_cancel_when_racing_submission_then_withdrawn_or_accepted(upstream, customer, service):
    Provider.objects.update(max_parallel_adds=20)
    for _ in range(5):
        order = make.order(customer, service)

        def work(number: int, order: Order = order) -> str:
            if number % 2:
                return f"sent {submit_now()}"
            try:
                return str(cancel_order(order=fresh(order), actor=customer))
            except TooLate:
                return "too late"

        results = at_once(4, work)
        stands = fresh(order)
        there = [one for one in upstream.orders() if str(one.id) == stands.upstream_id]
        if "withdrawn" in results:
            assert (stands.submission, refunds_of(order), there) == (Submission.WITHDRAWN, [250_000], [])
        else:
            assert (stands.submission, refunds_of(order), len(there)) == (Submission.ACCEPTED, [], 1)
    assert len(upstream.orders()) == Order.objects.filter(submission=Submission.ACCEPTED).count()


@pytest.mark.django_db(transaction=True)
def test_requests_when_many_workers_send_then_each_is_sent_once(upstream, provider, customer, service):
    made = accepted(customer, service, 30)
    for one in made:
        cancel_order(order=one, actor=customer)
    results = at_once(4, lambda number: send_due_requests())
    assert sum(results) == 30, results
    asked = [pk for one in upstream.requests_of("cancel") for pk in one.params["orders"].split(",")]
    assert sorted(asked) == sorted(str(one.upstream_id) for one in made)


@pytest.mark.django_db(transaction=True)
def test_cancels_when_polls_end_orders_then_no_request_stays_open(upstream, customer, service):
    """Orders are locked before requests everywhere; the opposite order deadlocked on PostgreSQL."""
    for _ in range(3):
        made = accepted(customer, service, 8)
        for one in made[:4]:
            cancel_order(order=one, actor=customer)
            upstream.set_order(int(one.upstream_id), status="Completed")

        def work(number: int, made: list[Order] = made) -> Any:
            if number == 0:
                return [request_cancel(order=one, actor=customer) for one in reversed(made[4:])]
            return send_due_requests() if number % 2 else poll_now()

        for result in at_once(5, work):
            assert not isinstance(result, BaseException), result
        send_now()
        poll_now()
        open_ones = CancelRequest.objects.filter(state__in=CancelState.open())
        assert open_ones.filter(order__finished_at__isnull=False).count() == 0
        assert {fresh(one).status for one in made[4:]} == {Status.CANCELED}


@pytest.mark.postgresql
@pytest.mark.django_db(transaction=True)
def test_answer_when_a_poll_ends_the_order_then_neither_waits(customer, service):
    """A poll locks the order, then its requests; a request's worker that locks the order last would deadlock."""
    order = accepted(customer, service)[0]
    cancel_order(order=order, actor=customer)
    batch = orders.requests.cancel.claim_cancels(provider=order.provider)
    answers = {str(order.upstream_id): CancelAccepted(str(order.upstream_id))}
    with transaction.atomic():
        Order.objects.filter(pk=order.pk).update(status=Status.COMPLETED, finished_at=timezone.now())
        finish = in_background(
            lambda: orders.requests.cancel.record_cancels(batch=batch, answers=answers, trouble=None)
        )
        wait_for_a_blocked_connection()
        assert close_cancel_requests(order_ids=[order.pk]) == 1
    assert finish() is None
    assert (request_of(order).state, public_texts(order)) == (CancelState.ENDED, ["You asked to cancel it"])


@pytest.mark.django_db(transaction=True)
def test_round_when_one_provider_is_slow_then_the_other_is_served(upstream, customer, service):
    gate = threading.Event()
    with SandboxServer(key="quick-key", speed=0) as quick:
        quick.set_service(1, rate="2", min=10, max=10_000, type="Default")
        others = make.provider(name="Quick", url=quick.url, api_key=quick.key)
        slow = accepted(customer, service)[0]
        soon = accepted(customer, make.service(others))[0]
        for one in (slow, soon):
            cancel_order(order=one, actor=customer)
        upstream.inject(faults.Fault(action="cancel", gate=gate))
        finish = in_background(send_due_requests)
        for _ in range(500):
            if (request_of(slow).state, request_of(soon).state) == (CancelState.ASKING, CancelState.ACCEPTED):
                break
            quick.pause(0.02)
        assert (request_of(slow).state, request_of(soon).state) == (CancelState.ASKING, CancelState.ACCEPTED)
        # The slow provider blocks one worker, not all of them.
        cancel_order(order=accepted(customer, service)[0], actor=customer)
        assert send_to_provider(provider=slow.provider) == 0
        gate.set()
        assert finish() >= 2
    assert request_of(slow).state == CancelState.ACCEPTED


# -- providers that are disabled or unusable ---------------------------------------------------------


def test_request_when_the_provider_is_disabled_then_still_sent(customer, order):
    Provider.objects.update(is_active=False)
    cancel_order(order=order, actor=customer)
    assert send_now() == 1
    assert request_of(order).state == CancelState.ACCEPTED


def test_request_when_the_key_is_unusable_then_an_alert_and_it_ends(upstream, provider, customer, order):
    cancel_order(order=order, actor=customer)
    Provider.objects.update(api_key_encrypted="not a key")
    upstream.clear_requests()
    for _ in range(8):
        send_now()
    assert (request_of(order).state, upstream.requests) == (CancelState.REFUSED, [])
    assert Alert.objects.get(cause=f"provider:{provider.pk}:cancel", resolved_at=None).level == "danger"


def test_request_when_the_provider_hangs_then_it_waits(upstream, customer, order, monkeypatch):
    use_short_timeouts(monkeypatch)
    upstream.inject(faults.delay_after(2, "cancel"))
    cancel_order(order=order, actor=customer)
    send_now()
    assert request_of(order).state == CancelState.WAITING


# -- the page of staff for one order -----------------------------------------------------------------

LIST = "/admin/orders/order/"


def cancel_page(order: Order) -> str:
    return reverse("admin:orders_order_cancel_one", args=[order.pk])


@pytest.mark.parametrize("is_accepted", [False, True])
def test_single_cancel_when_staff_confirm_then_done_once(staff_client, customer, service, is_accepted):
    order = accepted(customer, service)[0] if is_accepted else make.order(customer, service)
    UpstreamService.objects.update(cancel=False)
    url = cancel_page(order)
    assert url in staff_client.get(f"{LIST}{order.pk}/change/").content.decode()
    with nothing_changes():
        page = staff_client.get(url)
    assert ("$0.25" in page.content.decode()) is not is_accepted
    staff_client.post(url, {"seen": page.context["seen"], **WHY})
    with nothing_changes():
        staff_client.post(url, {"seen": page.context["seen"], **WHY})
    if is_accepted:
        assert (CancelRequest.objects.get().state, refunds_of(order)) == (CancelState.WAITING, [])
    else:
        assert (fresh(order).submission, refunds_of(order)) == (Submission.WITHDRAWN, [250_000])
    assert url not in staff_client.get(f"{LIST}{order.pk}/change/").content.decode()


def test_single_cancel_when_it_fails_for_our_error_then_said_plainly(staff_client, customer, service, monkeypatch):
    order = make.order(customer, service)
    page = staff_client.get(cancel_page(order))

    def breaks(**values: Any) -> None:
        raise RuntimeError("broken")

    monkeypatch.setattr("orders.requests.cancel.withdraw_order", breaks)
    answer = staff_client.post(cancel_page(order), {"seen": page.context["seen"], **WHY}, follow=True).content.decode()
    assert "Something went wrong on our side" in answer and "Nothing was done: it is" not in answer
    assert (fresh(order).submission, refunds_of(order)) == (Submission.QUEUED, [])


def test_balance_when_a_cancel_is_refused_then_unchanged(upstream, customer, order):
    before = money_of(customer)
    upstream.inject(faults.reply(body=b'{"error": "Cannot cancel"}', action="cancel"))
    cancel_order(order=order, actor=customer)
    send_now()
    assert money_of(customer) == before
