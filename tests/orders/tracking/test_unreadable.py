"""Status answers that say nothing of any order that is understood: said in the round, and asked for one by one."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from catalog.models import Provider
from orders.common.backoff import poll_bound
from orders.models import Order, OrderPoll
from orders.states import Status
from orders.tracking import poll
from orders.tracking.monitor import poll_backlog, watch_polls
from panel.alerts.models import Alert
from panel.sandbox.server import SandboxServer
from tests.scenes import create_accepted, fresh, poll_now, refunds_of

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("invariants_hold", "frozen_clock")]

ROW = {"charge": "0.1", "start_count": "1", "status": "Partial", "remains": "50"}
SHAPES: dict[str, Callable[[list[str]], Any]] = {
    "rows without ids": lambda ids: [ROW for _ in ids],
    "positions": lambda ids: {str(place): ROW for place, _ in enumerate(ids)},
    "another wrapping": lambda ids: {"orderStatuses": dict.fromkeys(ids, ROW)},
    "nested statuses": lambda ids: {one: {**ROW, "status": {"code": 3}} for one in ids},
    "rows under odd names": lambda ids: [{"pesanan": one, **ROW} for one in ids],
    "empty": lambda ids: [],
    "errors in words of its own": lambda ids: {one: {"error": "Gremlins"} for one in ids},
}
READABLE = {"a row": ROW, "a list of one row": [ROW], "wrapped": {"data": ROW}, "in an order": {"order": ROW}}


def answer_with(upstream: SandboxServer, monkeypatch: Any, *, many: Callable[[list[str]], Any], one: Any) -> None:
    """Make the provider answer `many` about `orders` and `one` about `order`."""
    original = upstream.api.answer

    def answer(params: Any) -> Any:
        if params.get("action") != "status":
            return original(params)
        return many(params["orders"].split(",")) if "orders" in params else one

    monkeypatch.setattr(upstream.api, "answer", answer)
    upstream.clear_requests()


def calls(upstream: SandboxServer) -> tuple[int, int]:
    """Return how many calls were about several orders, and about one."""
    params = [request.params for request in upstream.requests_of("status")]
    return sum("orders" in one for one in params), sum("order" in one for one in params)


def alert(cause: str) -> Alert:
    return Alert.objects.get(cause__endswith=f":{cause}", resolved_at=None)


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES.keys())
def test_list_when_unreadable_then_singly_and_said_at_once(upstream, customer, service, monkeypatch, shape):
    made = create_accepted(customer, service, 5)
    answer_with(upstream, monkeypatch, many=shape, one=ROW)
    began = timezone.now()
    assert poll_now() == 5
    assert calls(upstream) == (1, 5)
    assert [(fresh(one).status, refunds_of(one)) for one in made] == [(Status.PARTIAL, [125_000])] * 5
    found = alert("status-lists")
    print(f"rounds to the alert: 1; calls: {calls(upstream)}; after {found.created_at - began}")
    assert found.created_at == began
    assert "cannot be read" in found.text
    assert "It answered:" in found.text and upstream.key not in found.text
    assert Provider.objects.get().polling_failures == 0


@pytest.mark.parametrize("one", READABLE.values(), ids=READABLE.keys())
def test_single_order_when_its_row_has_no_id_then_confirmed_singly(upstream, customer, service, monkeypatch, one):
    """One row to a question for one id may be another order's: it is never taken by its position."""
    [order] = create_accepted(customer, service)
    answer_with(upstream, monkeypatch, many=lambda ids: [{**ROW, "status": "Canceled", "charge": "0"}], one=one)
    assert poll_now() == 1
    assert calls(upstream) == (1, 1)
    assert (fresh(order).status, refunds_of(order)) == (Status.PARTIAL, [125_000])
    assert not Alert.objects.filter(resolved_at=None).exists()


@pytest.mark.parametrize("count", [1, 5])
def test_answers_when_none_can_be_read_then_said_and_backed_off(upstream, customer, service, monkeypatch, count):
    made = create_accepted(customer, service, count)
    answer_with(upstream, monkeypatch, many=SHAPES["rows without ids"], one=[ROW, ROW])
    waits, totals = [], []
    for _ in range(4):
        assert poll_now() == 0
        provider = Provider.objects.get()
        totals.append(sum(calls(upstream)))
        waits.append(round((provider.polling_until - timezone.now()).total_seconds()) if provider.polling_until else 0)
        text = alert("polling").text
        assert "does not report the status of orders" in text and '"start_count": "1"' in text
    print(f"{count} orders: waits {waits}, calls in all {totals}")
    # At most one call about all, and three about one each.
    assert totals[-1] <= 4 * (1 + poll.TRIED_SINGLY)
    assert waits[0] >= 24 and waits[:3] == sorted(waits[:3])
    assert [(fresh(one).status, fresh(one).refunded, fresh(one).review_reason) for one in made] == [
        (Status.PENDING, 0, "")
    ] * count


def test_singly_when_there_are_many_then_bounded_in_a_round(upstream, customer, service, monkeypatch):
    made = create_accepted(customer, service, 12)
    monkeypatch.setattr(poll, "MAX_SINGLE_POLLS", 7)
    answer_with(upstream, monkeypatch, many=SHAPES["rows without ids"], one=ROW)
    assert poll_now() == 7
    assert calls(upstream) == (1, 7)
    OrderPoll.objects.filter(checked_at=None).update(due_at=timezone.now() - timedelta(seconds=1))
    assert poll.poll_due_orders() == 5
    assert {fresh(one).status for one in made} == {Status.PARTIAL}


def test_alert_when_lists_can_be_read_again_then_resolved(upstream, customer, service, monkeypatch):
    create_accepted(customer, service, 3)
    with monkeypatch.context() as patch:
        answer_with(upstream, patch, many=SHAPES["rows without ids"], one=[])
        poll_now()
        assert alert("polling")
    poll_now()
    assert not Alert.objects.filter(resolved_at=None).exists()


def test_alert_when_one_order_is_due_then_it_stays(upstream, customer, service, monkeypatch):
    """A round with one order is readable, which says nothing of lists: the alert came and went with each round."""
    made = create_accepted(customer, service, 3)
    with monkeypatch.context() as patch:
        answer_with(upstream, patch, many=SHAPES["rows without ids"], one=ROW)
        poll_now()
        OrderPoll.objects.filter(pk=made[0].pk).update(due_at=timezone.now() - timedelta(seconds=1))
        assert poll.poll_due_orders() == 1
        assert alert("status-lists").count == 1
    poll_now()
    assert not Alert.objects.filter(cause__endswith=":status-lists", resolved_at=None).exists()


def test_watch_when_answers_cannot_be_read_then_counts_them(upstream, customer, service, monkeypatch):
    """Orders with repeated errors were left out, so that nobody was told for a day."""
    create_accepted(customer, service, 2)
    answer_with(upstream, monkeypatch, many=SHAPES["empty"], one=[])
    OrderPoll.objects.update(errors=5)
    Order.objects.update(accepted_at=timezone.now() - poll_bound() - timedelta(minutes=3))
    [backlog] = poll_backlog()
    assert (backlog.open, backlog.unread) == (2, 2)
    watch_polls()
    found = Alert.objects.get(cause__endswith=":unchecked", resolved_at=None)
    assert "2 got no answer that can be read" in found.text


def test_order_when_it_alone_is_left_out_then_provider_goes_on(upstream, customer, service, monkeypatch):
    """A provider that leaves out an order it deleted is not paused for it again and again."""
    create_accepted(customer, service)
    OrderPoll.objects.update(errors=3)
    answer_with(upstream, monkeypatch, many=lambda ids: {}, one=[])
    assert poll_now() == 0
    assert (Provider.objects.get().polling_failures, OrderPoll.objects.get().errors) == (0, 4)
    assert not Alert.objects.exists()
