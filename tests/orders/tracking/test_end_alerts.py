"""Alerts about doubted ends: they show the sums of now, and end with their cause."""

from __future__ import annotations

from typing import Any

import pytest

from orders.models import OrderPoll
from orders.review.decisions import dismiss_review
from orders.states import ReviewReason
from orders.tracking import end_alerts
from orders.tracking.monitor import watch_polls
from panel.alerts.models import Alert
from tests.scenes import create_accepted, fresh, poll_now, set_and_poll

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("invariants_hold")]


@pytest.fixture
def recanted(upstream: Any, customer: Any, service: Any) -> list[Any]:
    made = create_accepted(customer, service, 2)
    for one in made:
        set_and_poll(upstream, one, status="Canceled", remains=100, charge="0")
        set_and_poll(upstream, one, status="Completed", remains=0, charge="0.2")
    assert {fresh(one).review_reason for one in made} == {ReviewReason.RECANTED}
    return made


def open_alert(kind: str) -> Alert | None:
    return Alert.objects.filter(cause__endswith=kind, resolved_at=None).first()


def test_recanted_alert_when_staff_decided_all_then_resolved(recanted, staff):
    first, second = recanted
    dismiss_review(order=fresh(first), note="Seen", actor=staff)
    watch_polls()
    alert = open_alert(":recanted")
    assert alert and "1 order:" in alert.text and "$0.25 was refunded" in alert.text
    dismiss_review(order=fresh(second), note="Seen", actor=staff)
    watch_polls()
    assert open_alert(":recanted") is None


def test_wave_alert_when_nothing_is_held_any_more_then_resolved(upstream, customer, service, settings):
    settings.WAVE_ORDERS = 2
    made = create_accepted(customer, service, 2)
    for one in made:
        upstream.set_order(int(one.upstream_id), status="Canceled", remains=100, charge="0")
    poll_now()
    watch_polls()
    alert = open_alert(":wave")
    assert alert and "$0.50 for 2 orders" in alert.text and "after 10 minutes" in alert.text
    OrderPoll.objects.update(held_since=None)
    watch_polls()
    assert open_alert(":wave") is None


def test_alert_when_its_cause_comes_back_while_resolved_then_open(recanted, provider, monkeypatch):
    """The monitor counted none, an answer counted once more on the open alert, and the monitor resolved it."""
    counted = [False, True]
    alert_recanted = end_alerts.alert_recanted
    monkeypatch.setattr(end_alerts, "alert_recanted", lambda provider: counted.pop(0) and alert_recanted(provider))
    end_alerts.refresh_end_alerts()
    assert open_alert(":recanted")
