"""What came in by day and method: the sums are the ledger's."""

from __future__ import annotations

import csv
import io
from datetime import UTC, date, datetime, timedelta
from uuid import uuid4

import pytest
from django.db.models import Sum
from django.urls import reverse
from django.utils import timezone

from billing import ledger
from billing.adjusting import adjust_wallet
from billing.deposits import approve_deposit
from billing.intake.crediting import credit_due_payments
from billing.models import Entry, Wallet
from billing.money_in import BY_STAFF, Sums, money_in
from billing.wallets import wallet_of
from panel.lib.money import MICRO
from panel.lib.panel_days import panel_day
from tests import make
from tests.billing.intake.calls import arrival_of, send, signed_method

pytestmark = pytest.mark.django_db

TODAY = panel_day


@pytest.fixture
def alice():
    return make.customer()


@pytest.fixture
def money(alice):
    """Money of each kind: two payments of one request, an approval by hand, and what staff posted."""
    owner = make.owner()
    method, secret = signed_method(name="Cards", bonus_bp=1_000)
    deposit = make.pending_deposit(alice, "40", method=method)
    for number in ("1", "2"):
        send(method, secret, arrival_of(payment_id=number, deposit=deposit.pk))
        credit_due_payments()
    bank = make.payment_method(name="Bank", bonus_bp=500)
    approve_deposit(deposit_id=make.pending_deposit(alice, "100", method=bank).pk, credited=100 * MICRO, actor=owner)
    for kind in ("deposit", "bonus", "adjustment"):
        adjust_wallet(
            wallet=Wallet.objects.get(), amount=7 * MICRO, kind=kind, reason="x", request_key=uuid4().hex, actor=owner
        )


def posted(user, moment, *, kind="deposit", amount=1):
    """Post a past deposit, the first entry of its own wallet."""
    key = f"deposit:1:{uuid4().hex}"
    wallet = wallet_of(customer=user)
    line = ledger.PastLine(wallet.pk, amount * MICRO, kind, key, memo="Cards", created_at=moment)
    ledger.post_past(lines=[line])


def test_sums_when_money_came_in_every_way_then_they_are_the_ledgers(money):
    found = money_in(since=TODAY() - timedelta(days=1), until=TODAY() + timedelta(days=1))
    assert found.methods == ["Bank", "Cards", BY_STAFF]
    assert found.of_method("Cards") == Sums(2, 40 * MICRO, 4 * MICRO)
    assert found.of_method("Bank") == Sums(1, 100 * MICRO, 5 * MICRO)
    assert found.of_method(BY_STAFF) == Sums(1, 7 * MICRO, 7 * MICRO)
    ledger_sums = dict(Entry.objects.order_by().values_list("kind").annotate(Sum("amount")))
    assert (found.total.credited, found.total.bonus) == (ledger_sums["deposit"], ledger_sums["bonus"])
    assert found.total == sum(map(found.of_day, found.days), Sums())


def test_sums_when_days_change_elsewhere_then_days_of_the_panel(settings, alice):
    """A quarter past eleven at night in UTC is the next day in Istanbul."""
    settings.TIME_ZONE = "Europe/Istanbul"
    timezone.get_default_timezone.cache_clear()
    try:
        posted(alice, datetime(2026, 3, 1, 23, 15, tzinfo=UTC))
        with timezone.override("America/New_York"):
            found = money_in(since=date(2026, 3, 2), until=date(2026, 3, 2))
            assert (found.days, found.total.count) == ([date(2026, 3, 2)], 1)
            assert money_in(since=date(2026, 2, 1), until=date(2026, 3, 1)).total == Sums()
    finally:
        settings.TIME_ZONE = "UTC"
        timezone.get_default_timezone.cache_clear()


def test_sums_when_there_is_more_then_still_one_statement(money, django_assert_num_queries):
    with django_assert_num_queries(1):
        money_in(since=TODAY() - timedelta(days=90), until=TODAY())


def test_page_when_opened_then_total_and_export_say_the_same(client, money):
    client.force_login(make.owner("other@example.org"))
    shown = client.get(reverse("admin:billing_payment_money_in"))
    assert [one.credited for one in shown.context["total"].cells] == ["$100.00", "$40.00", "$7.00", "$147.00"]
    answer = client.get(reverse("admin:billing_payment_money_in_export"))
    rows = list(csv.DictReader(io.StringIO(b"".join(answer.streaming_content).decode("utf-8-sig"))))
    assert [(row["method"], row["count"], row["credited"], row["bonus"]) for row in rows] == [
        ("Bank", "1", "100", "5"),
        ("Cards", "2", "40", "4"),
        ("Posted by staff", "1", "7", "7"),
    ]


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("since=soon", "Enter a date"),
        ("since=2026-02-01&until=2026-01-01", "before the first one"),
        ("since=2020-01-01&until=2026-01-01", "366 days at most"),
        ("until=2026-01-01", "Nothing was credited in this time"),
    ],
)
def test_page_when_days_are_wrong_then_said_at_the_field(client, query, words):
    client.force_login(make.owner())
    assert words in client.get(f"{reverse('admin:billing_payment_money_in')}?{query}").content.decode()


def test_sums_when_a_fee_was_taken_then_shown_beside_what_came_in(alice):
    posted(alice, datetime(2026, 3, 2, 12, tzinfo=UTC), amount=20)
    wallet = wallet_of(customer=alice)
    ledger.post(wallet_id=wallet.pk, amount=-MICRO, kind="fee", key="deposit:1:payment:1:1:fee", memo="Cards")
    found = money_in(since=date(2026, 3, 1), until=TODAY())
    assert found.of_method("Cards") == Sums(1, 20 * MICRO, 0, MICRO)
