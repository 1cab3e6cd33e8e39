"""The demo goes on from its history: its provider knows the orders, and its rounds raise no alarm about the past."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from billing.models import Entry
from catalog.models import Provider
from catalog.provider_accounts import check_balance, client_for
from catalog.upstream.results import StatusRow
from orders.marks.guard import may_send
from orders.models import CancelRequest, Order, OrderPoll, Refill, SendingStop
from orders.reckoning.reckon import reckon_provider
from orders.requests.refill_poll import poll_due_refills
from orders.review.decisions import bind_upstream_id
from orders.states import FINAL, CancelState, RefillState, ReviewReason, Status
from orders.tracking.poll import poll_due_orders
from panel.alerts.causes import Cause, cause_of
from panel.alerts.models import Alert
from panel.demo.history import requests
from panel.demo.history.orders import ROWS
from panel.lib.bulk_sql import in_chunks
from panel.ops.invariants import find_breaches
from panel.ops.rounds import run_round
from panel.sandbox.server import SandboxServer

pytestmark = pytest.mark.django_db(transaction=True)

# What the owner of the demo is to look at.
INTENDED = {Cause.REVIEWS, Cause.DEPOSIT_WAITS, Cause.LOW_BALANCE, Cause.RATE_RISES}
_STATUSES = {status.label: status for status in Status}


def poll_everything() -> None:
    """Poll each order that is followed, as over the next day."""
    OrderPoll.objects.update(due_at=timezone.now() - timedelta(seconds=1))
    poll_due_orders()


def ended() -> dict[int, tuple[object, ...]]:
    """Return how the orders stand that have ended, by primary key."""
    columns = ("status", "remains", "refunded", "upstream_charge", "finished_at")
    return {pk: tuple(row) for pk, *row in Order.objects.filter(status__in=FINAL).values_list("pk", *columns)}


def test_sandbox_when_asked_about_the_history_then_it_answers_as_stored(sandbox: SandboxServer) -> None:
    client = client_for(Provider.objects.get())
    orders = {one.upstream_id: one for one in Order.objects.exclude(upstream_id=None)}
    assert len(orders) > ROWS / 2
    for ids in in_chunks(orders, 100):
        answers = client.statuses(ids)
        for number in ids:
            order, row = orders[number], answers[number]
            assert isinstance(row, StatusRow) and row.charge is not None and row.remains is not None
            assert int(row.charge * 1_000_000) == order.upstream_charge, order.pk
            if order.status in FINAL:
                assert (_STATUSES[row.status_text], row.remains) == (order.status, order.remains), order.pk
                assert row.start_count == order.start_count
            else:
                # The seconds of the writing were seconds of its delivery.
                assert row.remains <= order.remains and _STATUSES[row.status_text] not in FINAL, order.pk


def test_orders_when_polled_then_only_those_under_way_change(sandbox: SandboxServer) -> None:
    before, entries = ended(), Entry.objects.count()
    poll_everything()
    assert ended() == before
    assert Entry.objects.count() == entries
    under_way = Order.objects.exclude(status__in=FINAL).exclude(upstream_id=None)
    count = under_way.count()
    sandbox.advance(200)
    poll_everything()
    # The one that is canceled, and the first to end.
    assert under_way.count() == count - 2
    canceled = CancelRequest.objects.get(state=CancelState.ENDED, finished_at__gt=timezone.now() - timedelta(hours=1))
    assert canceled.order.status == Status.PARTIAL and canceled.order.refunded
    sandbox.advance(86_400)
    poll_everything()
    assert not under_way.exists()
    assert find_breaches() == []


def test_balance_when_orders_have_ended_then_the_reckoning_explains_it(sandbox: SandboxServer) -> None:
    provider = Provider.objects.get()
    for passed in (0, 200, 86_400):
        sandbox.advance(passed)
        poll_everything()
        check_balance(provider=provider)
        provider.refresh_from_db()
        money = reckon_provider(provider=provider)
        assert money is not None and money.base_balance == money.balance == provider.balance
        assert money.unexplained == 0


def test_doubt_when_bound_to_what_the_search_found_then_followed(sandbox: SandboxServer) -> None:
    order = Order.objects.get(review_reason=ReviewReason.DOUBT)
    (found,) = order.submission_attempts.get().orphans
    bind_upstream_id(order=order, upstream_id=found["id"])
    poll_everything()
    order.refresh_from_db()
    assert (order.status, order.review_reason) == (Status.IN_PROGRESS, "")
    assert order.upstream_charge is not None and order.expected_cost < order.upstream_charge < order.charge


def test_refill_when_the_provider_ends_it_then_completed(sandbox: SandboxServer) -> None:
    sandbox.advance(requests.ENDS_IN + 1)
    refill = Refill.objects.get(state=RefillState.PENDING)
    Refill.objects.filter(pk=refill.pk).update(next_action_at=timezone.now())
    poll_due_refills()
    refill.refresh_from_db()
    assert refill.state == RefillState.COMPLETED


def test_rounds_when_they_begin_then_only_the_intended_alerts_are_open(sandbox: SandboxServer) -> None:
    orders = Order.objects.count()
    for name in (
        *("poll_orders", "poll_refills", "send_requests", "reconcile_orders", "begin_runs", "submit_orders"),
        *("count_figures", "find_shelf_news", "check_providers", "reckon_providers", "watch_business"),
        *("watch_polls", "watch_services", "tell_customers", "prune"),
    ):
        run_round(name)
    assert may_send() and not SendingStop.objects.exists()
    opened = [cause_of(one)[0] for one in Alert.objects.filter(resolved_at=None).values_list("cause", flat=True)]
    assert sorted(map(str, opened)) == sorted(INTENDED)
    assert Order.objects.count() == orders
    assert Order.objects.exclude(status__in=FINAL).count() > 10
    assert find_breaches() == []
