"""The page of an order for staff: what it tells of, to whom, and in how many statements."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from orders.admin.order_timeline import LINES, Reader, timeline_of
from orders.common.hidden_costs import HIDDEN
from orders.dispatch.submit import submit_for_provider
from orders.models import CancelRequest, Order, OrderEvent, PlacementAttempt, Refill
from orders.states import AttemptOutcome, CancelState, EventKind, Submission
from panel.accounts.roles import SUPPORT
from panel.activity.record import record
from tests import make
from tests.admin_calls import action_address

pytestmark = pytest.mark.django_db

ALL = Reader(costs=True, entries=True)


def page_of(order: Order) -> str:
    return reverse("admin:orders_order_change", args=[order.pk])


@pytest.fixture
def order(customer: Any, service: Any) -> Order:
    return make.accepted_order(customer, service)


def test_page_when_sent_then_tells_what_was_sent_and_answered(upstream, staff_client, provider, customer, service):
    order = make.order(customer, service, link="https://example.org/a?b=c")
    submit_for_provider(provider=provider)
    text = staff_client.get(page_of(order)).content.decode()
    assert "https://example.org/a?b=c" in text and "the key, hidden" in text and "Answered 200 in" in text
    assert upstream.key not in text


def test_timeline_when_all_happened_then_newest_first_and_each_once(order, staff):
    record(actor_id=staff.pk, objects=[order], message="Its provider is asked at once.")
    CancelRequest.objects.create(
        order=order, provider=order.provider, actor=staff, state=CancelState.REFUSED, note="No"
    )
    Refill.objects.create(order=order, provider=order.provider, upstream_id="77")
    PlacementAttempt.objects.create(order=order, token="t", outcome=AttemptOutcome.UNKNOWN)
    OrderEvent.objects.create(order=order, actor=staff, kind=EventKind.STAFF, text="Told", created_at=timezone.now())
    record(actor_id=staff.pk, objects=[order], message="Told the same")
    lines = timeline_of(order=order, reader=ALL).lines
    assert [line.at for line in lines] == sorted((line.at for line in lines), reverse=True)
    texts = [line.text for line in lines]
    assert texts.count("Told") == 1 and "Told the same" not in texts
    for told in ("Charged", "Order received", "Cancel requested: Refused", "Refill requested: Waiting to be sent"):
        assert told in texts
    assert [line.sent.form for line in lines if line.sent] == [None]


def test_timeline_when_long_then_in_pages_that_lose_nothing(order):
    began = timezone.now()
    # Pairs of one moment, which a page must not part.
    OrderEvent.objects.bulk_create(
        OrderEvent(order=order, kind=EventKind.STATUS, text=f"{n}", created_at=began + timedelta(seconds=n // 2))
        for n in range(3 * LINES)
    )
    found, before, pages = [], None, 0
    while pages == 0 or before:
        page = timeline_of(order=order, reader=ALL, before=before)
        found += [line.text for line in page.lines if line.text.isdigit()]
        before, pages = page.older, pages + 1
    assert sorted(map(int, found)) == list(range(3 * LINES))
    assert pages >= 3


def test_page_when_much_happened_then_no_more_statements(staff_client, order, staff):
    def statements() -> int:
        with CaptureQueriesContext(
            connection,
        ) as run:
            assert staff_client.get(page_of(order)).status_code == 200
        return len(run)

    statements()
    few = statements()
    for number in range(5):
        OrderEvent.objects.create(order=order, actor=staff, kind=EventKind.STAFF, text=f"{number}")
        PlacementAttempt.objects.create(order=order, token=f"{number}", outcome=AttemptOutcome.REFUSED)
        record(actor_id=staff.pk, objects=[order], message=f"{number}")
    assert statements() == few


def test_timeline_when_costs_are_hidden_then_answers_that_tell_them_are(order):
    PlacementAttempt.objects.create(
        order=order, token="t", outcome=AttemptOutcome.UNCLEAR, body='{"charge": "654.321"}', detail="balance 654.321"
    )
    for costs in (True, False):
        lines = timeline_of(order=order, reader=Reader(costs=costs, entries=False)).lines
        [sent] = [line.sent for line in lines if line.sent]
        assert (sent.body, sent.detail) == (('{"charge": "654.321"}', "balance 654.321") if costs else (HIDDEN, HIDDEN))
        assert "Charged" not in [line.text for line in lines]


def test_page_when_shown_by_kind_then_only_that(staff_client, order):
    money = staff_client.get(page_of(order), {"show": "money"}).content.decode()
    assert "Charged" in money and "Order received" not in money
    staff = staff_client.get(page_of(order), {"show": "staff", "before": "nonsense"}).content.decode()
    assert "Nothing of this kind happened" in staff


def test_ask_when_clicked_then_its_provider_is_asked_soon(staff_client, order):
    order.poll.due_at += timedelta(hours=1)
    order.poll.save()
    address = action_address("orders.order", order.pk, "ask")
    assert staff_client.get(address).status_code == 405
    assert staff_client.post(address).url == page_of(order)
    order.poll.refresh_from_db()
    assert order.poll.due_at <= timezone.now()
    Order.objects.filter(pk=order.pk).update(submission=Submission.QUEUED)
    assert "Nothing was sent" in staff_client.post(address, follow=True).content.decode()


def test_page_when_support_opens_it_then_actions_and_no_cost(client, order):
    client.force_login(make.staff_member(SUPPORT))
    text = client.get(page_of(order)).content.decode()
    assert "Give back a part…" in text and "Ask now" in text
    assert "Profit" not in text and "Expected cost" not in text
