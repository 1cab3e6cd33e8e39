"""Payments by BTCPay Server in the panel: what really came is credited, each once, whatever invoices say."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse

from billing.intake.credentials import store_credentials
from billing.intake.invoices import open_invoice
from billing.intake.sync import sync_invoice
from billing.models import GatewayCall, Invoice, Payment, Reversal
from billing.wallets import balance_of
from panel.alerts.models import Alert
from panel.lib.money import MICRO
from panel.ops.invariants import find_breaches
from tests import make
from tests.gateway import greenfield


@pytest.fixture
def method(db, running):
    method = make.payment_method(kind="btcpay", name="Coins")
    store_credentials(method=method, values=running.credentials)
    return method


@pytest.fixture
def alice(db):
    return make.customer()


@pytest.fixture
def invoice(alice, method):
    return open_invoice(deposit=make.pending_deposit(alice, "20", method=method))


def balance(user):
    return balance_of(customer=user) / MICRO


def call(method, books, ref, *, secret=greenfield.SECRET, **event):
    body, headers = books.message(ref, secret=secret, **event)
    address = reverse("gateway_call", args=["btcpay", method.pk])
    return Client().post(address, data=body, content_type="application/json", headers=headers)


def run(invoice):
    """Let its reads happen, twice: the second changes nothing."""
    for _ in range(2):
        found = sync_invoice(invoice_id=invoice.pk)
    return found


def test_payment_when_settled_then_credited_once(alice, books, invoice, method):
    books.pay(invoice.our_ref, "20.5")
    assert call(method, books, invoice.our_ref).status_code == 200
    assert run(invoice).state == "paid"
    assert balance(alice) == 20.5
    assert find_breaches() == []


def test_invoice_when_marked_by_hand_then_nothing_is_credited(alice, books, invoice, method):
    bill = books.by_ref(invoice.our_ref)
    bill.status, bill.additional = "Settled", "Marked"
    assert call(method, books, invoice.our_ref, type="InvoiceSettled", manuallyMarked=True).status_code == 200
    assert (run(invoice).state, balance(alice), Payment.objects.count()) == ("expired", 0, 0)


def test_payments_when_a_part_and_the_rest_then_both(alice, books, invoice):
    books.pay(invoice.our_ref, "8")
    assert (run(invoice).state, balance(alice)) == ("partial", 8)
    books.pay(invoice.our_ref, "12", status="Processing")
    assert balance(alice) == 8
    books.by_ref(invoice.our_ref).payments[1].status = "Settled"
    assert (run(invoice).state, balance(alice)) == ("paid", 20)


def test_payments_when_two_of_one_transaction_then_both(alice, books, invoice):
    for place in range(2):
        books.pay(invoice.our_ref, "20").id = f"6f0d-{place}"
    run(invoice)
    assert (balance(alice), Payment.objects.count()) == (40, 2)
    assert books.by_ref(invoice.our_ref).additional == "PaidOver"


def test_payment_when_after_expiry_then_credited(alice, books, invoice, method):
    books.by_ref(invoice.our_ref).status = "Expired"
    assert (run(invoice).state, balance(alice)) == ("expired", 0)
    books.pay(invoice.our_ref, "20")
    call(method, books, invoice.our_ref, type="InvoicePaidAfterExpiration", afterExpiration=True)
    assert (run(invoice).state, balance(alice)) == ("paid", 20)
    assert books.by_ref(invoice.our_ref).additional == "PaidLate"


def test_payment_when_invalid_after_its_credit_then_staff_decide(alice, books, invoice):
    books.pay(invoice.our_ref, "20")
    run(invoice)
    books.by_ref(invoice.our_ref).payments[0].status = "Invalid"
    run(invoice)
    assert balance(alice) == 20
    assert Reversal.objects.get().amount == 20 * MICRO
    assert Alert.objects.filter(cause__endswith=":reversal").count() == 1


def test_payment_when_replaced_before_its_credit_then_gone(alice, books, invoice):
    books.pay(invoice.our_ref, "20", status="Processing")
    run(invoice)
    books.by_ref(invoice.our_ref).payments[0].status = "Invalid"
    run(invoice)
    assert (Payment.objects.get().state, balance(alice), Reversal.objects.count()) == ("gone", 0, 0)


def test_payment_when_its_invoice_is_invalid_then_held(alice, books, invoice):
    books.pay(invoice.our_ref, "20")
    books.by_ref(invoice.our_ref).status = "Invalid"
    run(invoice)
    assert (Payment.objects.get().hold, balance(alice)) == ("gateway", 0)


def test_call_when_redelivered_then_a_repeat(alice, books, invoice, method):
    books.pay(invoice.our_ref, "20")
    for delivery in ("8uQ", "2bb", "3cc"):
        event = {"originalDeliveryId": "8uQ", "deliveryId": delivery, "isRedelivery": delivery != "8uQ"}
        assert call(method, books, invoice.our_ref, **event).status_code == 200
        run(invoice)
    assert sorted(GatewayCall.objects.values_list("outcome", flat=True)) == ["accepted", "repeated", "repeated"]
    assert balance(alice) == 20


@pytest.mark.parametrize("secret", ["another secret", ""])
def test_call_when_forged_then_401_and_nothing_follows(alice, books, invoice, method, secret):
    asked = books.calls["invoice"]
    assert call(method, books, invoice.our_ref, secret=secret).status_code == 401
    assert not GatewayCall.objects.get().is_genuine
    assert books.calls["invoice"] == asked


def test_call_when_about_no_payment_then_stored_without_an_alert(books, invoice, method):
    assert call(method, books, "", type="PayoutCreated", metadata={}, payoutId="p1").status_code == 200
    assert call(method, books, "x", invoiceId="__test__1__test__").status_code == 200
    assert list(GatewayCall.objects.values_list("is_genuine", "outcome")) == [(True, "accepted")] * 2
    assert not Alert.objects.exists()


def test_call_when_the_creation_was_not_answered_then_it_says_where_to_pay(alice, books, method):
    books.faults["create:lost"] = 1
    lost = open_invoice(deposit=make.pending_deposit(alice, "20", method=method))
    assert (lost.state, lost.url) == ("lost", "")
    call(method, books, lost.our_ref, type="InvoiceCreated")
    lost.refresh_from_db()
    assert (lost.state, lost.url) == ("open", f"{greenfield.SITE}/i/{books.by_ref(lost.our_ref).id}")


def test_creation_when_the_answer_was_lost_then_found_by_its_reference(alice, books, method):
    books.faults["create:lost"] = 1
    lost = open_invoice(deposit=make.pending_deposit(alice, "20", method=method))
    Invoice.objects.update(asked_at=None)
    assert (sync_invoice(invoice_id=lost.pk).state, books.calls["create"]) == ("open", 1)


def test_add_funds_when_paying_by_it_then_sent_to_the_owners_site(client, alice, books, method):
    client.force_login(alice)
    page = client.get(reverse("add_funds"), {"method": method.pk})
    assert f"form-action 'self' {greenfield.SITE}" in page["Content-Security-Policy"]
    typed = {"method": method.pk, "amount": "20", "request_key": "a" * 32}
    sent = client.post(reverse("add_funds"), typed)
    assert sent["Location"] == f"{greenfield.SITE}/i/{next(iter(books.invoices))}"


def test_add_funds_when_the_link_leads_elsewhere_then_a_link_and_no_redirect(client, alice, method):
    client.force_login(alice)
    typed = {"method": method.pk, "amount": "20", "request_key": "a" * 32}
    client.post(reverse("add_funds"), typed)
    Invoice.objects.update(url="https://elsewhere.example/i/1")
    again = client.post(reverse("add_funds"), typed)
    assert again["Location"] == reverse("deposit_detail", args=[Invoice.objects.get().deposit_id])
