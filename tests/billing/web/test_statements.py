"""Monthly statements and receipts: what they add up to, whose they are, and that they are bounded."""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from django.core.cache import cache
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from billing import statements
from billing.deposits import approve_deposit
from billing.models import Entry
from billing.statements import Month, months_of, spent_of, statement_of
from billing.wallets import wallet_of
from panel.accounts.models import User
from panel.site import stored
from tests import make
from tests.billing.web.test_wallet import made_at, post
from tests.scenes import statements as asked

pytestmark = pytest.mark.django_db
OCTOBER, NOVEMBER = Month(2026, 10), Month(2026, 11)


def at(*parts, zone="UTC"):
    return datetime(*parts, tzinfo=ZoneInfo(zone))


@pytest.fixture
def filled(customer):
    """The customer's wallet, with entries at the ends of months."""
    [first] = Entry.objects.all()
    made_at(first, at(2026, 10, 5))
    post(customer, "-4", "order", key="a", at=at(2026, 10, 31, 23, 59, 59))
    post(customer, "-1.2345", "order", key="b", at=at(2026, 11, 1))
    post(customer, "0.5", "refund", key="c", at=at(2026, 11, 3, 12))
    post(customer, "5", "deposit", key="d", at=at(2026, 11, 30, 23, 59))
    post(customer, "-2", "drip_feed", key="e", at=at(2026, 12, 1))
    return wallet_of(customer=customer)


def sums(statement):
    return {one.kind: (one.count, one.amount) for one in statement.kinds}


# -- the sums --------------------------------------------------------------------------------------------


def test_statement_when_made_then_opening_and_entries_make_the_closing_balance(filled):
    october, november = (statement_of(wallet=filled, month=month) for month in (OCTOBER, NOVEMBER))
    assert (october.opening, october.closing) == (0, 6_000_000)
    assert (november.opening, november.closing) == (6_000_000, 10_265_500)
    assert sums(november) == {"deposit": (1, 5_000_000), "order": (1, -1_234_500), "refund": (1, 500_000)}
    assert (november.first, november.last, november.count) == (3, 5, 3)
    assert november.days == []


def test_statement_when_it_is_long_then_days_lead_from_opening_to_closing(filled, monkeypatch):
    monkeypatch.setattr(statements, "MAX_LINES", 2)
    november = statement_of(wallet=filled, month=NOVEMBER)
    assert [(one.day.day, one.count, one.amount, one.balance) for one in november.days] == [
        (1, 1, -1_234_500, 4_765_500),
        (3, 1, 500_000, 5_265_500),
        (30, 1, 5_000_000, 10_265_500),
    ]


def test_statements_when_clocks_went_wrong_then_months_still_join_and_add_up(filled, customer):
    """An entry written by a machine whose clock was behind is of the month in which its neighbours are."""
    made_at(Entry.objects.get(seq=4), at(2026, 10, 2))
    post(customer, "-0.25", key="late", at=at(2026, 11, 2))
    post(customer, "-0.5", key="on time", at=at(2026, 12, 2))
    filled.refresh_from_db()
    made = [statement_of(wallet=filled, month=month) for month in (OCTOBER, NOVEMBER, Month(2026, 12))]
    for before, after in pairwise(made):
        assert (before.last + 1, before.closing) == (after.first, after.opening)
    for one in made:
        assert one.opening + sum(kind.amount for kind in one.kinds) == one.closing
        assert sum(kind.count for kind in one.kinds) == one.count
        entries = Entry.objects.filter(wallet=filled, seq__gte=one.first, seq__lte=one.last)
        real = {kind: [entry.amount for entry in entries if entry.kind == kind] for kind in Entry.Kind.values}
        assert sums(one) == {kind: (len(amounts), sum(amounts)) for kind, amounts in real.items() if amounts}
    assert made[-1].closing == filled.balance


def test_statement_when_nothing_moved_then_the_balance_stays(customer):
    [first] = Entry.objects.all()
    made_at(first, at(2026, 9, 5))
    found = statement_of(wallet=wallet_of(customer=customer), month=OCTOBER)
    assert (found.opening, found.closing, found.count, found.kinds, found.days) == (10_000_000, 10_000_000, 0, [], [])


def test_statement_when_an_entry_follows_then_not_from_the_cache(filled, customer, monkeypatch):
    monkeypatch.setattr(statements, "MAX_LINES", 2)
    assert statement_of(wallet=filled, month=NOVEMBER).days[-1].balance == 10_265_500
    made_at(Entry.objects.get(seq=6), at(2026, 11, 30, 23, 59, 30))
    found = statement_of(wallet=filled, month=NOVEMBER)
    assert sums(found)["drip_feed"] == (1, -2_000_000) and found.days[-1].balance == found.closing == 8_265_500


def test_statement_when_the_panel_is_in_another_zone_then_months_are_the_panels(filled, settings):
    settings.TIME_ZONE = "Europe/Berlin"
    timezone.get_default_timezone.cache_clear()
    try:
        with timezone.override(UTC):  # The reader's own zone changes no document.
            assert sums(statement_of(wallet=filled, month=OCTOBER)) == {"deposit": (1, 10_000_000)}
            assert statement_of(wallet=filled, month=NOVEMBER).first == 2
    finally:
        timezone.get_default_timezone.cache_clear()


def test_months_when_listed_then_from_the_first_entry_to_now(filled, monkeypatch):
    monkeypatch.setattr(statements, "this_month", lambda: Month(2027, 1))
    assert months_of(wallet=filled) == [Month(2027, 1), Month(2026, 12), NOVEMBER, OCTOBER]
    assert months_of(wallet=wallet_of(customer=make.customer("new@example.org"))) == []


def test_statement_when_the_wallet_grows_then_as_many_statements(filled, customer):
    cache.clear()
    with asked() as few:
        statement_of(wallet=filled, month=NOVEMBER)
    for number in range(20):
        post(customer, "-0.01", key=f"n{number}", at=at(2026, 11, 4, number))
    cache.clear()
    with asked() as many:
        statement_of(wallet=filled, month=NOVEMBER)
    assert len(many) == len(few) == 3


# -- what was spent --------------------------------------------------------------------------------------


def test_spent_when_reckoned_from_what_came_in_then_as_the_sum_of_charges(filled, customer, monkeypatch):
    monkeypatch.setattr(statements, "this_month", lambda: NOVEMBER)
    make.customer("other@example.org", funds="7")
    post(customer, "1", "bonus", key="x", at=at(2026, 12, 2))
    post(customer, "-0.3", "adjustment", key="y", at=at(2026, 12, 3))
    wallet = wallet_of(customer=customer)
    spent = spent_of(wallet=wallet)
    charges = Entry.objects.filter(wallet=wallet, kind__in=("order", "drip_feed", "refund"))
    assert spent.in_all == -sum(one.amount for one in charges) == 6_734_500
    assert spent.this_month == -sum(one.amount for one in charges if one.seq > 2) == 2_734_500


def test_spent_when_the_wallet_is_empty_then_nothing():
    assert spent_of(wallet=wallet_of(customer=make.customer("new@example.org"))) == statements.Spent(0, 0)


# -- the pages -------------------------------------------------------------------------------------------


def text_of(client, name, *args):
    response = client.get(reverse(name, args=args))
    assert response.status_code == 200
    return response.content.decode()


def test_page_when_opened_then_exact_sums_and_each_entry(signed_in, filled, monkeypatch):
    values = {"BUSINESS_NAME": "Harbour Ltd", "BUSINESS_ADDRESS": "1 Quay\nBristol", "BUSINESS_TAX_NUMBER": "VAT 7"}
    monkeypatch.setattr(stored, "_current", stored.Snapshot(values, float("inf")))
    text = text_of(signed_in, "wallet_statement", 2026, 11)
    assert "Statement, November 2026" in text and "Harbour Ltd" in text and "1 Quay\nBristol" in text
    for amount in ("$6.00", "−$1.2345", "+$0.50", "+$5.00", "$10.2655"):
        assert f">{amount}</bdi>" in text
    assert text.count('class="paper-time"') == 3
    assert reverse("wallet_statement", args=[2026, 10]) in text and reverse("wallet_statement", args=[2026, 12]) in text


def test_page_when_there_are_too_many_entries_then_sums_of_days(signed_in, filled, monkeypatch):
    monkeypatch.setattr(statements, "MAX_LINES", 2)
    text = text_of(signed_in, "wallet_statement", 2026, 11)
    assert "3 transactions are too many to print" in text and "paper-time" not in text
    assert "3 Nov 2026" in text and "$5.2655" in text


@pytest.mark.parametrize(("year", "number"), [(2026, 9), (2026, 13), (2026, 0), (1, 1), (9999, 12), (10**30, 1)])
def test_page_when_there_is_no_such_month_then_not_found(signed_in, filled, year, number):
    assert signed_in.get(reverse("wallet_statement", args=[year, number])).status_code == 404
    assert signed_in.get(reverse("wallet_statement_export", args=[year, number])).status_code == 404


def test_export_when_downloaded_then_the_months_entries_in_order(signed_in, filled, customer):
    User.objects.filter(pk=customer.pk).update(time_zone="Asia/Tokyo")
    response = signed_in.get(reverse("wallet_statement_export", args=[2026, 11]))
    rows = list(csv.DictReader(io.StringIO(response.getvalue().decode("utf-8-sig"))))
    assert [(row["number"], row["amount"]) for row in rows] == [("3", "-1.2345"), ("4", "0.5"), ("5", "5")]
    assert {row["time"][-6:] for row in rows} == {"+00:00"}  # The panel's, as the month is.


def test_list_when_opened_then_a_link_for_each_month(signed_in, filled):
    text = text_of(signed_in, "wallet_statements")
    assert reverse("wallet_statement", args=[2026, 10]) in text and "So far" in text
    client = Client()
    client.force_login(make.customer("new@example.org"))
    assert "No statements yet" in text_of(client, "wallet_statements")


def test_slip_when_a_deposit_was_added_then_a_receipt_of_what_was_paid(signed_in, customer, staff):
    make.payment_method(bonus_bp=500)
    deposit = make.pending_deposit(customer, "20.005", reference="<b>INV</b>")
    assert signed_in.get(reverse("deposit_slip", args=[deposit.pk])).status_code == 404
    approve_deposit(deposit_id=deposit.pk, credited=20_005_000, actor=staff)
    text = text_of(signed_in, "deposit_slip", deposit.pk)
    assert f"Receipt {deposit.pk}" in text and "$20.005" in text and "$1.00025" in text and "$21.00525" in text
    assert "&lt;b&gt;INV&lt;/b&gt;" in text and customer.email in text
    assert reverse("deposit_slip", args=[deposit.pk]) in text_of(signed_in, "deposit_detail", deposit.pk)
    client = Client()
    client.force_login(make.customer("other@example.org"))
    assert client.get(reverse("deposit_slip", args=[deposit.pk])).status_code == 404
