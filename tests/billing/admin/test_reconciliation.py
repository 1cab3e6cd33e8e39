"""The page of days of payments, compared with a gateway that keeps books of its own."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.contrib.admin.models import LogEntry
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from billing.intake.invoices import open_invoice
from billing.models import ComparedDay, Payment
from billing.reconciliation.days import run_comparisons
from billing.wallets import balance_of
from panel.accounts.roles import SUPPORT, set_up_roles
from panel.alerts.advice import path_about
from panel.alerts.models import Alert
from panel.lib.money import MICRO
from panel.lib.panel_days import panel_day, panel_moment
from tests import make

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("invariants_hold")]

PAGE = reverse("admin:billing_comparedday_changelist")
COMPARE = reverse("admin:billing_comparedday_compare")


@pytest.fixture
def method(method_of):
    return method_of()


@pytest.fixture
def yesterday():
    return panel_day() - timedelta(days=1)


@pytest.fixture
def missed(books, method, yesterday):
    """A request of Alice's that was paid yesterday, of which nothing is known here."""
    invoice = open_invoice(deposit=make.pending_deposit(make.customer(), "20", method=method))
    books.pay(invoice.our_ref, "20", at=panel_moment(yesterday).timestamp() + 43_200)
    return invoice


def compare(client, method, day) -> str:
    answer = client.post(COMPARE, {"method": method.pk, "day": day.isoformat()}, follow=True)
    assert "The gateway is being asked" in answer.content.decode()
    run_comparisons()
    return shown(client, method, day)


def shown(client, method, day) -> str:
    return client.get(PAGE, {"method": method.pk, "day": day.isoformat()}).content.decode()


def test_page_when_nothing_can_be_compared_then_says_so(staff_client):
    assert "No way to pay has a gateway yet" in staff_client.get(PAGE).content.decode()


def test_page_when_opened_then_asks_nobody_and_stores_nothing(staff_client, books, method, yesterday):
    assert "This day was not compared yet." in shown(staff_client, method, yesterday)
    assert not ComparedDay.objects.exists() and not books.calls["list"]


def test_day_when_a_payment_was_missed_then_shown_asked_about_and_credited(
    staff_client, books, method, yesterday, missed
):
    text = compare(staff_client, method, yesterday)
    for words in ("1 payment to look at", "Only at the gateway", missed.our_ref, "alice@example.org", "1 differs"):
        assert words in text, words
    alert = Alert.objects.get(cause__startswith="payment-day:")
    row = ComparedDay.objects.get()
    led = staff_client.get(path_about(alert.cause), follow=True)
    assert led.context["row"] == row
    done = staff_client.post(
        reverse("admin:billing_comparedday_ask", args=[row.pk]), {"invoice": missed.pk}, follow=True
    ).content.decode()
    assert "What came in is credited" in done and "Both sides agree" in done
    assert balance_of(customer=missed.deposit.customer) == 20 * MICRO
    assert "it is paid" in LogEntry.objects.get().change_message
    alert.refresh_from_db()
    assert alert.resolved_at is not None


def test_ask_when_the_gateway_is_down_then_said_and_nothing_changed(staff_client, books, method, yesterday, missed):
    compare(staff_client, method, yesterday)
    books.faults["read:down"] = 1
    row = ComparedDay.objects.get()
    told = staff_client.post(
        reverse("admin:billing_comparedday_ask", args=[row.pk]), {"invoice": missed.pk}, follow=True
    )
    assert "The gateway did not say" in told.content.decode()
    assert not Payment.objects.exists()


def test_list_when_it_cannot_be_read_then_the_page_says_so(staff_client, books, method, yesterday):
    books.faults["list:garbled"] = 1
    assert "Last time it gave no list: <bdi>Its answer cannot be read" in compare(staff_client, method, yesterday)


@pytest.mark.parametrize("day", ["", "x", "2026-02-31", "1999-01-01", "2099-01-01", "2026-01-01T00:00"])
def test_day_when_it_is_none_then_told_and_nothing_stored(staff_client, method, day):
    assert staff_client.get(PAGE, {"method": method.pk, "day": day}).status_code == 200
    answer = staff_client.post(COMPARE, {"method": method.pk, "day": day}, follow=True).content.decode()
    assert "Choose a day." in answer or "Enter a date between" in answer or "has not begun" in answer
    assert not ComparedDay.objects.exists()


@pytest.mark.parametrize("method_number", ["", "x", "0", "9" * 30])
def test_method_when_it_is_none_then_told_and_the_page_shows_the_first(staff_client, method, method_number):
    answer = staff_client.post(COMPARE, {"method": method_number, "day": "2026-01-01"}, follow=True)
    assert "no such way to pay" in answer.content.decode() and not ComparedDay.objects.exists()
    assert staff_client.get(PAGE, {"method": method_number}).context["method"] == method


def test_ask_when_the_invoice_is_of_another_method_then_nobody_asked(
    staff_client, books, method, method_of, yesterday, missed
):
    compare(staff_client, method, yesterday)
    other = ComparedDay.objects.create(method=method_of(), day=yesterday)
    address = reverse("admin:billing_comparedday_ask", args=[other.pk])
    told = staff_client.post(address, {"invoice": missed.pk}, follow=True).content.decode()
    assert "no such invoice" in told and not books.calls["invoice"]


def test_page_when_seen_by_support_then_without_the_button_to_ask(staff_client, method, yesterday, missed):
    set_up_roles()
    client = Client()
    client.force_login(make.staff_member(SUPPORT))
    assert "Ask the gateway now" in compare(staff_client, method, yesterday)
    text = shown(client, method, yesterday)
    assert "1 payment to look at" in text and "Ask the gateway now" not in text
    row = ComparedDay.objects.get()
    assert (
        client.post(reverse("admin:billing_comparedday_ask", args=[row.pk]), {"invoice": missed.pk}).status_code == 403
    )


def test_page_when_texts_are_hostile_then_escaped(staff_client, books, method, yesterday, missed):
    books.by_ref(missed.our_ref).payments[0].id = "<script>x</script>"
    text = compare(staff_client, method, yesterday)
    assert "<script>x" not in text and "&lt;script&gt;x" in text


def test_page_when_lines_grow_then_statements_do_not(staff_client, books, method, yesterday, missed):
    def statements() -> int:
        with CaptureQueriesContext(connection) as asked:
            shown(staff_client, method, yesterday)
        return len(asked)

    compare(staff_client, method, yesterday)
    statements()
    few = statements()
    for number in range(3):
        invoice = open_invoice(
            deposit=make.pending_deposit(make.customer(f"c{number}@example.org"), "20", method=method)
        )
        books.pay(invoice.our_ref, "20", at=panel_moment(yesterday).timestamp() + 43_200)
    compare(staff_client, method, yesterday)
    assert statements() == few
