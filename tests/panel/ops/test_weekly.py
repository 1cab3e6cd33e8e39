"""The weekly proof: its figures, its page, and that each channel gets it once."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from django.test import Client
from django.utils import timezone

from billing import ledger
from orders.models import Order, PlacementAttempt
from orders.states import AttemptOutcome
from panel.alerts.causes import Cause
from panel.alerts.services import raise_alert, record_heartbeat
from panel.channels.models import Channel, Delivery
from panel.ops.weekly.report import last_monday, week_report
from panel.ops.weekly.tell import tell_week, text_of
from tests import make

pytestmark = pytest.mark.django_db

MONDAY = date(2026, 11, 23)
IN_WEEK = datetime(2026, 11, 25, 12, tzinfo=UTC)


@pytest.fixture
def monday_after(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is Monday, 30 November, nine o'clock."""
    monkeypatch.setattr(timezone, "now", lambda: datetime(2026, 11, 30, 9, tzinfo=UTC))


def lines_of(monday: date = MONDAY) -> dict[str, tuple[str, bool | None]]:
    return {line.label: (line.text, line.is_fine) for line in week_report(monday).lines}


def test_week_when_nothing_happened_then_all_is_said(monday_after):
    assert last_monday() == MONDAY
    assert lines_of() == {
        "Orders": ("0 created. Ended: none.", None),
        "Doubled": ("0 orders were accepted twice by a provider.", True),
        "Doubts": ("No order was in doubt.", True),
        "Refunds": ("$0.00 in 0 refunds.", None),
        "Profit": ("$0.00 of the orders that ended, $0.00 expected of those open.", None),
        "Books": ("Never proven.", False),
        "Oldest unchecked": ("No order is open.", None),
        "Last backup": ("None was made.", False),
    }


def test_week_when_there_are_orders_then_counted_and_doubles_found(monday_after, customer, service):
    order = make.accepted_order(customer, service)
    Order.objects.filter(pk=order.pk).update(created_at=IN_WEEK)
    for number in range(2):
        PlacementAttempt.objects.create(
            order=order, token=f"t{number}", started_at=IN_WEEK, outcome=AttemptOutcome.ACCEPTED
        )
    found = lines_of()
    assert found["Orders"] == ("1 created. Ended: none.", None)
    assert found["Doubled"] == ("1 orders were accepted twice by a provider.", False)
    assert lines_of(MONDAY - timedelta(days=7))["Orders"] == ("0 created. Ended: none.", None)


def test_week_when_orders_were_in_doubt_then_says_how_they_ended(monday_after, customer, service):
    order = make.accepted_order(customer, service)
    PlacementAttempt.objects.create(order=order, token="t", started_at=IN_WEEK, outcome=AttemptOutcome.UNKNOWN)
    text, is_fine = lines_of()["Doubts"]
    assert text == "1 orders were in doubt: 1 are with the provider, 0 were refunded, 0 are open."
    assert is_fine


def test_week_when_customers_paid_fees_then_said_beside_the_profit(monday_after, customer):
    ledger.post(wallet_id=make.wallet(customer).pk, amount=-900_000, kind="fee", key="deposit:1:fee")
    words = "Customers paid $0.90 for what your gateways take. It is not in the profit."
    assert lines_of(MONDAY + timedelta(days=7))["Fees of payments"] == (words, None)


def test_week_when_alerts_were_raised_then_the_most_frequent_first(monday_after):
    raise_alert(cause=Cause.NO_PRICE, text="A service has no price.")
    for _ in range(3):
        raise_alert(cause=Cause.UNREACHABLE, about=3, text="North does not answer.")
    report = week_report(MONDAY + timedelta(days=7))
    assert [(line.label, line.text) for line in report.troubles] == [
        ("3×", "North does not answer."),
        ("1×", "A service has no price."),
    ]


def test_proof_when_told_then_each_channel_gets_it_once(monday_after):
    Channel.objects.create(name="Mail", kind="mail", target="owner@example.org", created_at=IN_WEEK)
    record_heartbeat(task="check_ledger")
    assert tell_week() == 1
    assert tell_week() == 0
    delivery = Delivery.objects.get()
    assert delivery.subject == "The week from 23 Nov 2026 to 29 Nov 2026 · Upmark"
    assert "Books: Clean, proven under a minute ago." in delivery.text
    assert delivery.text == text_of(week_report(MONDAY))
    Channel.objects.create(name="Late", kind="mail", target="second@example.org")
    assert tell_week() == 0, "it was not there in that week"


def test_proof_when_early_on_monday_then_waits(monkeypatch):
    Channel.objects.create(name="Mail", kind="mail", target="owner@example.org")
    monkeypatch.setattr(timezone, "now", lambda: datetime(2026, 11, 30, 7, tzinfo=UTC))
    assert tell_week() == 0


@pytest.mark.parametrize("address", ["", "?from=2026-11-16", "?from=nonsense", "?from=0001-01-01", "?from=9999-12-31"])
def test_page_when_opened_for_any_week_then_shows_one(staff_client: Client, address):
    response = staff_client.get(f"/admin/week/{address}")
    assert response.status_code == 200
    assert "The week from" in response.content.decode()
