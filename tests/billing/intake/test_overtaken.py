"""Readings that come late or in doubt: what a newer one said stands, and more money in doubt waits."""

from __future__ import annotations

import pytest

from billing.intake.invoices import open_invoice
from billing.intake.sync import sync_invoice
from billing.models import Invoice, Payment, Reversal
from billing.wallets import balance_of
from panel.alerts.models import Alert
from panel.lib.money import MICRO
from tests import make
from tests.gateway import doors

pytestmark = pytest.mark.django_db


@pytest.fixture
def invoice(method_of):
    return open_invoice(deposit=make.pending_deposit(make.customer(), "20", method=method_of()))


def sync(invoice):
    return sync_invoice(invoice_id=invoice.pk)


def overtake(monkeypatch, then):
    """Let the next reading be answered as of now, and come back after `then`."""
    read = doors.Fake.read

    def read_late(self, asked, credentials):
        monkeypatch.setattr(doors.Fake, "read", read)
        reading = read(self, asked, credentials)
        then()
        return reading

    monkeypatch.setattr(doors.Fake, "read", read_late)


def test_reading_when_a_newer_one_credited_then_it_takes_nothing_back(invoice, books, monkeypatch):
    paid = books.pay(invoice.our_ref, "20", status="vanished")

    def settle() -> None:
        paid.status = "settled"
        sync(invoice)

    overtake(monkeypatch, settle)
    sync(invoice)
    assert Payment.objects.get().state == Payment.State.CREDITED
    assert not Reversal.objects.exists()


def test_reading_when_overtaken_then_it_is_asked_about_again(invoice, books, monkeypatch):
    """What only the late one has seen is not lost: the next one sees it too."""
    overtake(monkeypatch, lambda: (sync(invoice), books.pay(invoice.our_ref, "20")))
    before = Invoice.objects.get().polls
    found = sync(invoice)
    assert found.polls == before + 1
    assert sync(invoice).state == Invoice.State.PAID


@pytest.mark.parametrize(("more", "state"), [("25", "held"), ("20", "credited"), ("15", "credited")])
def test_doubt_when_about_what_is_credited_then_only_more_money_waits(invoice, books, more, state):
    paid = books.pay(invoice.our_ref, "20")
    sync(invoice)
    paid.amount, paid.status = more, "frozen"
    sync(invoice)
    payment = Payment.objects.get()
    assert (payment.state, payment.credited / MICRO) == (state, 20)
    assert payment.came_in / MICRO == max(20, int(more))
    assert Alert.objects.filter(cause=f"payment:{payment.pk}:held", resolved_at=None).exists() is (state == "held")


def test_doubt_when_it_grows_then_staff_decide_about_all_of_it(invoice, books):
    paid = books.pay(invoice.our_ref, "5", status="frozen")
    sync(invoice)
    paid.amount = "9"
    sync(invoice)
    payment = Payment.objects.get()
    assert (payment.state, payment.came_in / MICRO) == ("held", 9)
    assert balance_of(customer=invoice.deposit.customer) == 0
