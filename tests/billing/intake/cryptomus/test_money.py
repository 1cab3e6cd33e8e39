"""What comes through both doors, from the customer's click to the wallet."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from billing.intake.gateways import gateway_of
from billing.intake.invoices import open_invoice
from billing.intake.sync import sync_invoice
from billing.models import GatewayCall, Invoice, Payment, Reversal
from billing.wallets import balance_of
from panel.alerts.models import Alert
from panel.lib.money import MICRO
from panel.ops.invariants import find_breaches
from tests import make
from tests.billing.intake.cryptomus.conftest import CREDENTIALS
from tests.gateway import cryptomus

pytestmark = pytest.mark.django_db


@pytest.fixture
def alice():
    return make.customer()


@pytest.fixture(params=["cryptomus", "heleket"])
def method(request, method_of):
    return method_of(request.param)


@pytest.fixture
def invoice(alice, method):
    return open_invoice(deposit=make.pending_deposit(alice, "20", method=method))


def balance(user):
    return balance_of(customer=user) / MICRO


def sync(invoice):
    return sync_invoice(invoice_id=invoice.pk)


def post(method, body):
    address = reverse("gateway_call", args=[method.kind, method.pk])
    return Client(enforce_csrf_checks=True).post(address, data=body, content_type="application/json")


# -- the figure ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("amount", "state"), [("20", "paid"), ("25.5", "paid"), ("7.5", "expired"), ("0.01", "expired")]
)
def test_money_when_more_or_less_than_asked_comes_then_what_came(invoice, alice, books, amount, state):
    books.pay(invoice.our_ref, amount)
    books.expire()
    for _ in range(3):
        found = sync(invoice)
    assert (found.state, found.last_error) == (state, "")
    assert (balance(alice), Payment.objects.count()) == (float(amount), 1)
    assert not find_breaches()


def test_money_when_a_part_and_later_the_rest_comes_then_each_once(invoice, alice, books):
    kept = books.pay(invoice.our_ref, "7.5")
    sync(invoice)
    assert (balance(alice), Payment.objects.get().state) == (0, "seen")
    books.expire()
    sync(invoice)
    assert balance(alice) == 7.5
    books.pay(invoice.our_ref, "12.5")
    sync(invoice)
    kept.status = "wrong_amount_waiting"  # An old answer, out of order.
    sync(invoice)
    kept.status = ""
    assert sync(invoice).state == "paid"
    payment = Payment.objects.get()
    assert (balance(alice), payment.external_id, payment.credits.count()) == (20, kept.uuid, 2)
    assert not find_breaches()


def test_money_when_paid_and_refunded_and_paid_then_credited_once(invoice, alice, books):
    kept = books.pay(invoice.our_ref, "20")
    for status in ("paid", "refund_process", "refund_paid", "paid", "refund_fail", "paid"):
        kept.status = status
        sync(invoice)
    assert (balance(alice), Reversal.objects.get().amount) == (20, 20 * MICRO)
    assert Alert.objects.filter(cause__endswith=":reversal").count() == 1


def test_money_when_canceled_while_on_its_way_then_gone(invoice, alice, books):
    kept = books.pay(invoice.our_ref, "20", status="confirm_check")
    sync(invoice)
    kept.status, kept.paid = "cancel", 0
    sync(invoice)
    assert (balance(alice), Payment.objects.get().state) == (0, "gone")


@pytest.mark.parametrize(
    ("values", "came_in"),
    [
        ({"status": "locked"}, 20),
        ({"status": "system_fail"}, 20),
        ({"says": {"payment_amount_usd": "5.00"}}, 5),
        ({"says": {"payer_amount": "0.50000000"}, "status": "paid_over"}, 20),
        ({"says": {"amount": "25.00"}}, 20),
        ({"says": {"is_final": True, "status": "paid_somehow"}}, 20),
    ],
)
def test_money_when_in_doubt_then_held_and_never_credited(invoice, alice, books, values, came_in):
    kept = books.pay(invoice.our_ref, "20", **values)
    sync(invoice)
    payment = Payment.objects.get()
    assert (balance(alice), payment.hold, payment.came_in / MICRO) == (0, "gateway", came_in)
    assert payment.note.startswith("Its status is “")
    kept.says, kept.status = {}, "paid"
    sync(invoice)
    assert balance(alice) == 0


def test_money_when_of_a_sandbox_then_never_credited(alice, books, method_of):
    found = open_invoice(deposit=make.pending_deposit(alice, "20", method=method_of(is_sandbox=True)))
    books.pay(found.our_ref, "20")
    sync(found)
    assert (balance(alice), Payment.objects.get().hold) == (0, "sandbox")


# -- creating ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", ["create:lost", "create:garbled", "create:dropped"])
def test_invoice_when_its_answer_was_lost_then_repaired_by_the_same(alice, books, method, fault):
    books.faults[fault] = 1
    found = open_invoice(deposit=make.pending_deposit(alice, "20", method=method))
    assert (found.state, found.url) == ("lost", "")
    Invoice.objects.update(asked_at=None)
    assert sync(found).state == "open"
    assert (len(books.invoices), books.calls["create"]) == (1, 2)


def test_invoice_when_older_and_of_another_amount_then_nobody_pays_it(alice, books, method):
    books.faults["create:lost"] = 1
    found = open_invoice(deposit=make.pending_deposit(alice, "20", method=method))
    books.by_ref(found.our_ref).amount = "2.00"
    Invoice.objects.update(asked_at=None)
    found = sync(found)
    assert (found.state, found.url) == ("failed", "")
    assert "about 2.00 USD, not 20.00 USD" in found.last_error
    # Paid and told all the same: still not what was asked for.
    books.pay(found.our_ref, "2")
    post(method, books.message(found.our_ref)[0])
    assert (sync(found).state, balance(alice)) == ("failed", 0)


@pytest.mark.parametrize("site", ["https://pay.cryptomus.com.example.org", "https://pay.example.org"])
def test_page_to_pay_when_of_another_site_then_a_link(client, alice, books, method_of, site):
    """The browser would not follow the form there."""
    method, books.pay_at = method_of("cryptomus"), site
    client.force_login(alice)
    typed = {"method": method.pk, "amount": "20", "request_key": "a" * 32}
    response = client.post(reverse("add_funds"), typed)
    invoice = Invoice.objects.get()
    assert response["Location"] == reverse("deposit_detail", args=[invoice.deposit_id])
    assert f'href="{site}/pay/{invoice.external_id}"' in client.get(response["Location"]).content.decode()


def test_page_to_pay_when_of_the_gateway_then_gone_to(client, alice, books, method_of):
    method = method_of("cryptomus")
    client.force_login(alice)
    typed = {"method": method.pk, "amount": "20", "request_key": "a" * 32}
    shown = client.get(reverse("add_funds"), {"method": method.pk})
    assert "https://pay.cryptomus.com" in shown["Content-Security-Policy"]
    response = client.post(reverse("add_funds"), typed)
    assert response["Location"] == f"https://pay.cryptomus.com/pay/{Invoice.objects.get().external_id}"


# -- calls ---------------------------------------------------------------------------------------------------


def test_call_when_replayed_for_ever_then_credited_once(invoice, alice, books, method):
    books.pay(invoice.our_ref, "20")
    body, _ = books.message(invoice.our_ref)
    for _ in range(3):
        assert post(method, body).status_code == 200
        assert sync(invoice).state == "paid"
    calls = GatewayCall.objects.order_by("pk").values_list("outcome", "is_genuine")
    assert list(calls) == [("accepted", True), ("repeated", True), ("repeated", True)]
    # The captured call says “paid”; the read, that it was refunded.
    books.by_ref(invoice.our_ref).status = "refund_paid"
    post(method, body)
    sync(invoice)
    assert (balance(alice), Reversal.objects.count()) == (20, 1)


def test_call_when_of_another_status_then_no_repetition(invoice, books, method):
    for status in ("confirm_check", "paid"):
        post(method, books.message(invoice.our_ref, status=status)[0])
    assert list(GatewayCall.objects.values_list("outcome", flat=True)) == ["accepted", "accepted"]


def test_call_when_it_says_paid_but_the_read_does_not_then_nothing(invoice, alice, books, method):
    body, _ = books.message(invoice.our_ref, status="paid", payment_amount="5.00", is_final=True)
    assert post(method, body).status_code == 200
    assert Invoice.objects.get().next_poll_at <= timezone.now()
    sync(invoice)
    assert (balance(alice), Payment.objects.count()) == (0, 0)


def test_call_when_a_test_then_kept_and_credits_nothing(invoice, alice, books, method):
    gateway_of(method.kind).send_test("https://panel.example.com/pay/", CREDENTIALS)
    [(_, body)] = books.sent
    assert post(method, body).json() == {"ok": True, "message": "The test came in."}
    assert Invoice.objects.get().next_poll_at == invoice.next_poll_at
    assert (balance(alice), Payment.objects.count(), Alert.objects.count()) == (0, 0, 0)


@pytest.mark.parametrize("key", [cryptomus.PAYOUT_KEY, ""])
def test_call_when_signed_by_another_key_then_refused_and_kept(invoice, books, method, key):
    body, _ = books.message(invoice.our_ref, key=key)
    response = post(method, body)
    assert (response.status_code, "payout key" in response.json()["message"]) == (401, True)
    assert GatewayCall.objects.get().is_genuine is False


@pytest.mark.parametrize(
    "told", [{"type": "payment"}, {"order_id": 7}, {"order_id": "a\x00b", "uuid": "x" * 300}, {"uuid": None}]
)
def test_call_when_genuine_but_names_nothing_of_ours_then_kept(invoice, method, told):
    assert post(method, cryptomus.signed_call(told)).status_code == 200
    assert GatewayCall.objects.get().outcome == "unknown"


def test_call_when_its_uuid_is_made_up_then_not_taken_for_the_invoice(alice, books, method):
    """A test from their site that names an invoice whose creation was not answered."""
    books.faults["create:lost"] = 1
    found = open_invoice(deposit=make.pending_deposit(alice, "20", method=method))
    assert post(method, books.message(found.our_ref, uuid="made-up")[0]).status_code == 200
    Invoice.objects.update(asked_at=None)
    assert sync(found).external_id == books.by_ref(found.our_ref).uuid
    books.pay(found.our_ref, "20")
    assert (sync(found).state, balance(alice)) == ("paid", 20)


def test_call_when_it_tells_of_a_lost_invoice_then_found_and_credited(alice, books, method):
    books.faults["create:lost"] = 1
    found = open_invoice(deposit=make.pending_deposit(alice, "20", method=method))
    books.pay(found.our_ref, "20")
    post(method, books.message(found.our_ref)[0])
    Invoice.objects.update(asked_at=None)
    assert (sync(found).state, balance(alice)) == ("paid", 20)
