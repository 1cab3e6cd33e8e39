"""Statuses in words that are not known: an alert for each, no change, and a review only where the word stays."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.urls import reverse
from django.utils import timezone

from catalog.models import Provider, Service
from orders.models import Order, OrderEvent, OrderPoll
from orders.states import ReviewReason, Status
from orders.tracking.monitor import watch_polls
from panel.alerts.models import Alert
from tests.scenes import create_accepted, fresh, poll_now, refunds_of, set_and_poll

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("invariants_hold")]


def alerts() -> dict[str, str]:
    """Return the texts of the open alerts about words, by the end of their cause."""
    found = Alert.objects.filter(cause__contains=":status-word:", resolved_at=None)
    return {alert.cause.rpartition(":")[2]: alert.text for alert in found}


def make_it_stay() -> None:
    OrderPoll.objects.exclude(unknown_since=None).update(unknown_since=timezone.now() - timedelta(hours=25))


def test_word_when_unknown_then_one_alert_and_nothing_changes(upstream: Any, customer: Any, service: Service):
    first, second, third = create_accepted(customer, service, 3)
    for one, word in ((first, "Baking"), (second, "baking!"), (third, "Завтра")):
        upstream.set_order(int(one.upstream_id), status=word, remains=90, charge="0.2")
    for _ in range(3):
        poll_now()
    assert set(alerts()) == {"baking", "завтра"}
    assert "which is not known here" in alerts()["baking"] and f"order {first.pk}" in alerts()["baking"]
    for one in (first, second, third):
        stored = fresh(one)
        assert (stored.status, stored.review_reason, stored.poll.errors) == (Status.PENDING, "", 0)
        assert stored.upstream_charge == 200_000
    assert not OrderEvent.objects.filter(kind="review").exists()


def test_status_when_a_numeric_code_then_said_in_the_round(upstream: Any, customer: Any, service: Service):
    made = create_accepted(customer, service, 2)
    for one in made:
        upstream.set_order(int(one.upstream_id), answer={"status": 3, "charge": "0.2", "remains": "100"})
    poll_now()
    assert "2 orders the status “3”" in alerts()["3"]
    assert [(fresh(one).status, fresh(one).review_reason) for one in made] == [(Status.PENDING, "")] * 2


def test_page_of_staff_when_the_word_is_unknown_then_shown(
    staff_client: Any, upstream: Any, customer: Any, service: Any
):
    [order] = create_accepted(customer, service)
    set_and_poll(upstream, order, status="Baking", remains=100, charge="0")
    page = staff_client.get(reverse("admin:orders_order_change", args=[order.pk])).content.decode()
    assert "“Baking” since" in page


def test_word_when_it_stays_then_in_review_once(upstream: Any, customer: Any, service: Service):
    [order] = create_accepted(customer, service)
    set_and_poll(upstream, order, status="Baking", remains=100, charge="0")
    since = fresh(order).poll.unknown_since
    assert set_and_poll(upstream, order, status="Frying").poll.unknown_since == since
    make_it_stay()
    stored = set_and_poll(upstream, order, status="Frying")
    assert (stored.status, stored.review_reason, stored.refunded) == ("pending", ReviewReason.UNKNOWN_STATUS, 0)
    assert "Frying" in stored.review_note
    for _ in range(3):
        poll_now()
    assert OrderEvent.objects.filter(order=order, kind="review").count() == 1
    stored = set_and_poll(upstream, order, status="In progress", remains=60, charge="0.2")
    assert (stored.status, stored.review_reason, stored.poll.unknown_since) == ("in_progress", "", None)
    assert refunds_of(order) == []


def test_word_when_an_answer_fails_meanwhile_then_it_stays(upstream: Any, customer: Any, service: Service):
    [order] = create_accepted(customer, service)
    poll = set_and_poll(upstream, order, status="Baking").poll
    upstream.set_order(int(order.upstream_id), answer={"error": "Incorrect order ID"})
    poll_now()
    again = fresh(order).poll
    assert (again.unknown_word, again.unknown_since, again.errors) == ("Baking", poll.unknown_since, 1)


def test_alert_when_no_order_has_the_word_then_resolved(upstream: Any, customer: Any, service: Service):
    first, second = create_accepted(customer, service, 2)
    for one in (first, second):
        upstream.set_order(int(one.upstream_id), status="Baking")
    poll_now()
    assert "2 orders" in alerts()["baking"]
    set_and_poll(upstream, first, status="In progress")
    watch_polls()
    assert "1 order " in alerts()["baking"]
    set_and_poll(upstream, second, status="In progress")
    watch_polls()
    assert alerts() == {}


def test_alert_when_providers_share_a_prefix_then_only_its_own(provider: Provider, customer: Any, service: Service):
    """The cause of provider 1 begins that of provider 11."""
    other = f"provider:{provider.pk}1:status-word:baking"
    Alert.objects.create(cause=other, text="x")
    order = Order.objects.get(pk=create_accepted(customer, service)[0].pk)
    OrderPoll.objects.filter(order=order).update(unknown_word="Frying", unknown_since=timezone.now())
    watch_polls()
    assert Alert.objects.filter(cause=other, resolved_at=None).exists()


def test_words_when_there_are_many_then_alerts_are_bounded(upstream: Any, customer: Any, service: Service):
    for number, one in enumerate(create_accepted(customer, service, 25)):
        upstream.set_order(int(one.upstream_id), status=f"Word {number}")
    poll_now()
    assert len(alerts()) == 20
