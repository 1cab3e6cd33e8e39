"""Regressions of cancels and refills: requests that never ended, or were sent twice."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from django.urls import reverse
from django.utils import timezone

from catalog.models import Provider
from orders.models import CancelRequest, Order, OrderEvent, Refill
from orders.requests.cancel import UNCLEAR, cancel_order
from orders.requests.refill import RefillRefused, may_refill, request_refill
from orders.requests.refill_poll import poll_due_refills
from orders.requests.send import send_due_requests
from orders.states import CancelState, RefillState
from orders.tracking.poll import poll_due_orders
from panel.alerts.models import Alert
from panel.sandbox.http import faults, handler
from panel.sandbox.server import SandboxServer
from tests import make
from tests.scenes import create_accepted, fresh, poll_now

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("invariants_hold")]


@pytest.fixture(autouse=True)
def refillable(upstream: SandboxServer, service: Any) -> None:
    upstream.set_service(1, rate="2", min=10, max=10_000, type="Default", refill=True, cancel=True)


def completed(upstream: SandboxServer, user: Any, service: Any, count: int = 1) -> list[Order]:
    made = create_accepted(user, service, count)
    for one in made:
        upstream.set_order(int(one.upstream_id), status="Completed", remains=0, charge="0.2")
    poll_now()
    return [fresh(one) for one in made]


def send_now() -> int:
    for model in (CancelRequest, Refill):
        model.objects.filter(state="waiting").update(next_action_at=timezone.now() - timedelta(seconds=1))
    return send_due_requests()


def poll_refills_now() -> int:
    open_refills = Refill.objects.exclude(next_action_at=None)
    open_refills.update(next_action_at=timezone.now() - timedelta(seconds=1), claim_token="")
    return poll_due_refills()


def crash_over(upstream: SandboxServer, monkeypatch: Any, ids: set[str], action: str, name: str) -> None:
    """Make the provider answer 500 whenever one of `ids` is named."""
    speaks, send = upstream.api.answer, handler.Handler._send_json

    def breaks(params: Any) -> Any:
        named = set((params.get(f"{name}s") or params.get(name) or "").split(","))
        return {"_crash": True} if params.get("action") == action and named & ids else speaks(params)

    def crashes(self: Any, answer: Any, **values: Any) -> None:
        if isinstance(answer, dict) and "_crash" in answer:
            self._send(500, b"<h1>Server error</h1>", content_type="text/html", **values)
        else:
            send(self, answer, **values)

    monkeypatch.setattr(upstream.api, "answer", breaks)
    monkeypatch.setattr(handler.Handler, "_send_json", crashes)


def test_refills_when_one_id_crashes_provider_then_others_polled(upstream, customer, service, monkeypatch):
    orders = completed(upstream, customer, service, 5)
    for one in orders:
        request_refill(order=one, actor=customer)
    send_now()
    refills = list(Refill.objects.order_by("pk"))
    for one in refills:
        upstream.set_refill(int(one.upstream_id), status="Completed")
    crash_over(upstream, monkeypatch, {refills[2].upstream_id}, "refill_status", "refill")
    poll_refills_now()
    assert [fresh_state(one) for one in refills] == ["completed"] * 2 + ["pending"] + ["completed"] * 2
    refills[2].refresh_from_db()
    assert refills[2].poll_errors == 1


def fresh_state(one: Refill) -> str:
    return Refill.objects.get(pk=one.pk).state


def test_refill_when_never_answered_again_then_it_ends_after_a_month(upstream, customer, service):
    """It stayed Pending for ever and blocked the customer's next refill."""
    [order] = completed(upstream, customer, service)
    request_refill(order=order, actor=customer)
    send_now()
    upstream.inject(faults.reply(body=b"<html>down</html>", action="refill_status", times=None))
    poll_refills_now()
    assert Refill.objects.get().state == RefillState.PENDING
    Refill.objects.update(asked_at=timezone.now() - timedelta(days=31))
    poll_refills_now()
    assert Refill.objects.get().state == RefillState.UNFOLLOWED
    assert may_refill(order)


def test_cancels_when_one_id_crashes_provider_then_others_canceled(upstream, customer, service, monkeypatch):
    orders = create_accepted(customer, service, 5)
    for one in orders:
        cancel_order(order=one, actor=customer)
    crash_over(upstream, monkeypatch, {orders[2].upstream_id}, "cancel", "order")
    send_now()
    states = list(CancelRequest.objects.order_by("order_id").values_list("state", flat=True))
    assert states == ["accepted"] * 2 + ["waiting"] + ["accepted"] * 2
    for _ in range(8):
        send_now()
    crashed = CancelRequest.objects.get(order=orders[2])
    assert (crashed.state, crashed.note) == (CancelState.ACCEPTED, UNCLEAR)


def test_cancels_when_throttled_then_unsent_ones_keep_their_attempts(upstream, customer, service, monkeypatch):
    """Thirty requests were refused as "did not answer", although not one byte had been sent."""
    make.deposit(customer, "10")
    orders = create_accepted(customer, service, 30)
    for one in orders:
        cancel_order(order=one, actor=customer)
    speaks, calls = upstream.api.answer, [0]

    def throttles(params: Any) -> Any:
        if params.get("action") != "cancel":
            return speaks(params)
        if "orders" in params:
            return {"error": "Incorrect request"}
        calls[0] += 1
        return {"error": "Too many requests"} if calls[0] % 3 == 0 else speaks(params)

    monkeypatch.setattr(upstream.api, "answer", throttles)
    for _ in range(20):
        send_now()
    assert set(CancelRequest.objects.values_list("state", flat=True)) == {"accepted"}


def test_cancels_when_some_are_not_sent_then_an_alert_is_raised(upstream, customer, service, monkeypatch):
    orders = create_accepted(customer, service, 4)
    for one in orders:
        cancel_order(order=one, actor=customer)
    speaks, calls = upstream.api.answer, [0]

    def throttles(params: Any) -> Any:
        calls[0] += params.get("action") == "cancel"
        if params.get("action") == "cancel" and "orders" in params:
            return {"error": "Incorrect request"}
        return {"error": "Too many requests"} if calls[0] > 2 else speaks(params)

    monkeypatch.setattr(upstream.api, "answer", throttles)
    send_now()
    assert Alert.objects.filter(cause__endswith=":cancel", resolved_at=None).exists()


def test_refill_when_refused_then_not_requested_again_within_an_hour(signed_in, upstream, customer, service):
    """A clicking script made thousands of calls a day, for which providers limit everybody's orders."""
    [order] = completed(upstream, customer, service)
    row = [{"order": int(order.upstream_id), "refill": {"error": "Not eligible for refill"}}]
    upstream.inject(faults.reply(body=json.dumps(row).encode(), action="refill", times=None))
    for _ in range(5):
        signed_in.post(reverse("order_refill", args=[order.pk]))
        send_now()
    assert (Refill.objects.count(), len(upstream.requests_of("refill"))) == (1, 1)
    with pytest.raises(RefillRefused, match="an hour"):
        request_refill(order=order, actor=customer)


def test_refills_when_batch_stops_halfway_then_first_is_unfollowed(upstream, customer, service, monkeypatch):
    """A provider that stops its loop at the first bad id has refilled those before it."""
    first, second = completed(upstream, customer, service, 2)
    for one in (first, second):
        request_refill(order=one, actor=customer)
    speaks = upstream.api.answer

    def stops(params: Any) -> Any:
        if params.get("action") == "refill" and "orders" in params:
            speaks({**params, "orders": first.upstream_id})
            return {"error": "Incorrect order ID"}
        return speaks(params)

    monkeypatch.setattr(upstream.api, "answer", stops)
    send_now()
    assert Refill.objects.get(order=first).state == RefillState.UNFOLLOWED
    assert Refill.objects.get(order=second).state == RefillState.PENDING


def test_poll_when_single_calls_are_unknown_then_not_tried(upstream, customer, service, monkeypatch):
    """Polled again by a single call that it does not know, the provider seemed down and was paused."""
    [order] = create_accepted(customer, service)
    speaks = upstream.api.answer

    def lists(params: Any) -> Any:
        single = params.get("action") in ("status", "cancel") and "order" in params
        return {"error": "Incorrect request"} if single else speaks(params)

    monkeypatch.setattr(upstream.api, "answer", lists)
    upstream.set_order(int(order.upstream_id), answer={"error": "Incorrect order ID"})
    poll_now()
    assert (fresh(order).poll.errors, Provider.objects.get().polling_failures) == (1, 0)
    assert poll_due_orders() == 0


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("Order already completed", "The provider refused to cancel it: Order already completed."),
        ("Open a ticket at https://cheap.example/t", "The provider refused to cancel it."),
        ("Write to help@cheap.example", "The provider refused to cancel it."),
        ("Ask cheap-panel.com", "The provider refused to cancel it."),
        ("Cannot cancel, your balance is $12.40", "The provider refused to cancel it."),
    ],
)
def test_reason_when_it_reveals_the_provider_then_only_staff_see_it(signed_in, upstream, customer, service, text, told):
    [order] = create_accepted(customer, service)
    cancel_order(order=order, actor=customer)
    row = [{"order": int(order.upstream_id), "cancel": {"error": text}}]
    upstream.inject(faults.reply(body=json.dumps(row).encode(), action="cancel"))
    send_now()
    assert CancelRequest.objects.get().note == told
    page = signed_in.get(reverse("order_detail", args=[order.pk])).content.decode()
    assert told in page
    assert ("cheap" in page, "$12.40" in page) == (False, False)
    assert OrderEvent.objects.filter(order=order, is_public=False, text=f"The provider said: {text}").exists()


@pytest.mark.parametrize("query", ["per_page=-1", "per_page=100000", "page=0", "page=x", "page=99", "per_page=0"])
def test_list_when_the_page_number_is_invalid_then_a_page_is_shown(signed_in, customer, service, query):
    make.deposit(customer, "10")
    for _ in range(27):
        make.order(customer, service, quantity=10)
    page = signed_in.get(f"{reverse('order_list')}?{query}")
    assert page.status_code == 200
    assert len(page.context["table"].paginated_rows) in (25, 2)


def test_live_answers_when_sent_then_marked_no_store(signed_in, customer, service):
    order = make.order(customer, service)
    for address in (reverse("orders_live"), reverse("order_live", args=[order.pk])):
        response = signed_in.get(address)
        assert "no-store" in response["Cache-Control"] and "private" in response["Cache-Control"]
    assert "HX-Request" in response["Vary"]


@pytest.mark.parametrize("name", ["end", "cancel_one", "give_back", "dismiss", "decide"])
@pytest.mark.parametrize("number", ["abc", "_00", "9" * 30, "-1"])
def test_admin_page_when_the_number_is_invalid_then_not_opened(staff_client, name, number):
    response = staff_client.get(reverse(f"admin:orders_order_{name}", args=[number]))
    assert response.status_code in (302, 403, 404)
