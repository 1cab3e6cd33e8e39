"""Payments through NOWPayments, from the request to the wallet."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from billing.intake.calls import Call
from billing.intake.credentials import store_credentials
from billing.intake.invoices import open_invoice
from billing.intake.rounds import run_payments
from billing.intake.sync import sync_invoice
from billing.intake.webhooks import BETWEEN_DOUBTS, MAX_TOLD, receive_webhook
from billing.models import GatewayCall, Invoice, Payment, PaymentMethod, Reversal
from billing.wallets import balance_of
from panel.alerts.models import Alert
from panel.lib.money import MICRO
from panel.ops.invariants import find_breaches
from tests import make
from tests.billing.intake.nowpayments.conftest import CREDENTIALS

pytestmark = pytest.mark.django_db


@pytest.fixture
def alice():
    return make.customer()


@pytest.fixture
def invoice(alice, method):
    return opened(alice, method)


def opened(customer, method, option="ltc"):
    return open_invoice(deposit=make.pending_deposit(customer, "20", method=method, option=option))


def sync(invoice):
    return sync_invoice(invoice_id=invoice.pk)


def tell(books, invoice, *, times=1, **extra):
    """Have the gateway call, and do what is due then."""
    body, headers = books.message(invoice.our_ref, **extra)
    answers = [receive(invoice.method, body, headers) for _ in range(times)]
    run_payments()
    return answers[-1].status


def receive(method, body, headers):
    return receive_webhook(method=method, call=Call(headers, body, len(body), "192.0.2.1"))


def balance(user):
    return balance_of(customer=user) / MICRO


def held():
    return [(one.state, one.hold, one.came_in / MICRO, one.currency) for one in Payment.objects.all()]


# -- created once --------------------------------------------------------------------------------------------


def test_invoice_when_opened_then_asked_in_the_chosen_coin(books, invoice):
    [asked] = books.asked.values()
    assert (asked["pay_currency"], asked["price_currency"], asked["order_id"]) == ("ltc", "usd", invoice.our_ref)
    assert asked["price_amount"] == 20 and asked["order_description"].isascii()
    assert asked["ipn_callback_url"].endswith(reverse("gateway_call", args=["nowpayments", invoice.method_id]))
    assert (invoice.state, invoice.details["network"], invoice.details["amount"]) == ("open", "Litecoin", "0.25")
    assert books.keys_seen == {"now-key-1"}


def test_invoice_when_the_coin_has_a_memo_then_kept_though_reads_leave_it_out(alice, method):
    invoice = sync(opened(alice, method, "xrp"))
    assert invoice.details["memo"] == "1234567" and invoice.details["address"]


@pytest.mark.parametrize("fault", ["create:lost", "create:garbled"])
def test_invoice_when_the_answer_was_lost_then_found_by_its_call(alice, books, method, fault):
    books.faults[fault] = 1
    invoice = opened(alice, method)
    assert (invoice.state, sync(invoice).state, books.calls["create"]) == ("lost", "lost", 1)
    books.pay(invoice.our_ref, "20")
    assert tell(books, invoice) == 200
    invoice.refresh_from_db()
    assert (invoice.state, balance(alice), books.calls["create"]) == ("paid", 20, 1)


def test_memo_when_the_creation_was_lost_then_no_address_without_it(alice, books, method):
    books.faults["create:lost"] = 1
    invoice = opened(alice, method, "xrp")
    tell(books, invoice)
    invoice.refresh_from_db()
    assert invoice.details["coin"] == "XRP" and "address" not in invoice.details


# -- what came in --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("paid", "state"), [("20", "paid"), ("7.123456", "expired"), ("250.5", "paid"), ("0.01", "expired")]
)
def test_payment_when_final_then_what_came_in_is_credited_once(alice, books, invoice, paid, state):
    books.pay(invoice.our_ref, paid)
    tell(books, invoice, times=3)
    for _ in range(2):
        assert sync(invoice).state == state
    assert balance(alice) == float(paid)
    assert not find_breaches()


def test_payment_when_it_does_not_divide_then_rounded_down_once(alice, books, invoice):
    books.pay(invoice.our_ref, "20")
    books.says[invoice.external_id] = {"actually_paid": 1, "pay_amount": 3}
    sync(invoice)
    assert balance(alice) == 6.666666


def test_payment_when_late_then_credited(alice, books, invoice):
    Invoice.objects.update(expires_at=timezone.now() - timedelta(days=6), created_at=timezone.now() - timedelta(days=7))
    books.pay(invoice.our_ref, "20")
    tell(books, invoice)
    assert balance(alice) == 20


def test_payment_when_no_call_ever_comes_then_found_by_asking(alice, books, make_method):
    invoice = opened(alice, make_method({"key": "now-key-1"}))
    books.pay(invoice.our_ref, "20")
    Invoice.objects.update(next_poll_at=timezone.now())
    run_payments()
    assert balance(alice) == 20


@pytest.mark.parametrize("status", ["waiting", "confirming", "confirmed", "sending", "a new word"])
def test_payment_when_not_final_then_nothing_is_credited(alice, books, invoice, status):
    books.pay(invoice.our_ref, "20")
    books.says[invoice.external_id] = {"payment_status": status}
    tell(books, invoice)
    assert balance(alice) == 0


@pytest.mark.parametrize(
    "says",
    [
        {"payment_status": "failed"},
        {"payment_status": "cancelled"},
        {"payment_status": "expired"},
        {"payment_status": "a new word"},
        {"actually_paid": 0},
        {"pay_amount": 0},
        {"pay_currency": "doge"},
        {"price_amount": 19},
        {"price_currency": "eur"},
    ],
)
def test_payment_when_it_is_in_doubt_then_staff_decide(alice, books, invoice, says):
    books.pay(invoice.our_ref, "20")
    books.says[invoice.external_id] = says
    tell(books, invoice)
    [(state, hold, _, _)] = held()
    assert (state, hold, balance(alice)) == ("held", "gateway", 0)


@pytest.mark.parametrize(
    "says", [{"pay_amount": -1}, {"actually_paid": "NaN"}, {"price_amount": [20]}, {"actually_paid": True}]
)
def test_payment_when_a_figure_cannot_be_then_asked_again_later(alice, books, invoice, says):
    books.pay(invoice.our_ref, "20")
    books.says[invoice.external_id] = says
    assert "cannot be read" in sync(invoice).last_error
    books.says.clear()
    sync(invoice)
    assert balance(alice) == 20


def test_payment_when_expired_unpaid_then_nothing_came(alice, books, invoice):
    books.pay(invoice.our_ref, "20", status="vanished")
    assert sync(invoice).state == "expired"
    assert not Payment.objects.exists()


def test_payment_when_refunded_then_a_reversal_waits_and_nothing_is_debited(alice, books, invoice):
    books.pay(invoice.our_ref, "20").status = "settled"
    sync(invoice)
    books.invoices[invoice.external_id].payments[0].status = "charged back"
    sync(invoice)
    assert (balance(alice), Reversal.objects.get().amount) == (20, 20 * MICRO)


def test_payment_when_its_order_id_is_another_then_nothing_is_credited(alice, books, invoice):
    books.pay(invoice.our_ref, "20")
    books.says[invoice.external_id] = {"order_id": "panel-99-other"}
    sync(invoice)
    assert balance(alice) == 0
    assert Alert.objects.filter(cause__endswith=":conflict").exists()


def test_sandbox_when_paid_then_held(alice, books, invoice):
    books.pay(invoice.our_ref, "20")
    sync(invoice)
    other = opened(alice, invoice.method)
    books.pay(other.our_ref, "20")
    PaymentMethod.objects.update(is_sandbox=True)
    assert "No answer" in sync(other).last_error  # Its site is another one.
    assert balance(alice) == 20


# -- sent again, or in another coin ----------------------------------------------------------------------------


def paid_twice(books, invoice, **says):
    """Pay the invoice, and 5 dollars more under another id."""
    books.pay(invoice.our_ref, "20")
    child = books.pay(invoice.our_ref, "5.000001")
    books.says[child.id] = says
    return child


def test_child_when_told_then_credited_once_under_its_own_id(alice, books, invoice):
    child = paid_twice(books, invoice)
    assert tell(books, invoice, times=3) == 200
    for _ in range(2):
        invoice = sync(invoice)
    assert (balance(alice), invoice.told) == (25.000001, [child.id])
    assert {one.external_id for one in Payment.objects.all()} == {invoice.external_id, child.id}
    assert not find_breaches()


def test_child_when_told_before_it_is_final_then_found_by_asking(alice, books, invoice):
    child = paid_twice(books, invoice, payment_status="confirming")
    tell(books, invoice)
    assert balance(alice) == 20
    books.says.clear()
    assert sync(invoice).told == [child.id]
    assert balance(alice) == 25.000001


def test_child_when_what_was_got_is_not_pegged_then_held_in_its_coin(alice, books, invoice):
    paid_twice(books, invoice, outcome_currency="ltc")
    tell(books, invoice)
    assert balance(alice) == 20
    assert ("held", "gateway", 5.000001, "LTC") in held()


def test_child_when_the_read_names_neither_parent_nor_order_then_not_credited(alice, books, invoice):
    child = paid_twice(books, invoice)
    tell(books, invoice, about=invoice.external_id)
    body, headers = books.message(invoice.our_ref)
    books.says[child.id] = {"parent_payment_id": None}
    receive(invoice.method, body, headers)
    run_payments()
    assert balance(alice) == 20
    assert Alert.objects.filter(text__contains="for nothing").exists()


@pytest.mark.parametrize("which", [0, 1])
def test_child_when_the_call_names_anothers_payment_then_the_read_decides(alice, books, invoice, which):
    """Whoever has the IPN secret can say that Bob's money is Alice's. What our key reads says whose it is."""
    bob = make.customer("bob@example.org")
    his = opened(bob, invoice.method)
    paid_twice(books, his)
    books.pay(invoice.our_ref, "20")
    his_id = books.invoices[his.external_id].payments[which].id
    assert tell(books, invoice, payment_id=int(his_id), parent_payment_id=int(invoice.external_id)) == 200
    assert (balance(alice), balance(bob)) == (20, 0)
    assert Alert.objects.filter(cause__endswith=":conflict").exists()
    tell(books, his)
    assert (balance(alice), balance(bob)) == (20, 25.000001)


def test_child_when_its_parent_is_unknown_then_kept_and_told(books, invoice):
    paid_twice(books, invoice)
    assert tell(books, invoice, parent_payment_id=1) == 200
    assert GatewayCall.objects.get().outcome == "unknown"
    assert Alert.objects.filter(cause__endswith="unknown-invoice").exists()


def test_child_when_too_many_are_told_then_an_alert_and_the_first_ones_stay(books, invoice):
    Invoice.objects.update(told=[str(number) for number in range(MAX_TOLD)])
    child = paid_twice(books, invoice)
    body, headers = books.message(invoice.our_ref)
    receive(invoice.method, body, headers)
    invoice.refresh_from_db()
    assert len(invoice.told) == MAX_TOLD
    assert Alert.objects.filter(text__contains=child.id).exists()


# -- calls that are not known to be genuine ------------------------------------------------------------------------


def test_call_when_the_signature_is_bad_then_one_read_in_a_while(alice, books, invoice):
    books.pay(invoice.our_ref, "20")
    Invoice.objects.update(next_poll_at=None)
    body, headers = books.message(invoice.our_ref, secret="of somebody else")
    for _ in range(5):
        assert receive(invoice.method, body, headers).status == 401
        run_payments()
        Invoice.objects.update(next_poll_at=None)
    assert (balance(alice), books.calls["read"]) == (20, 1)
    assert GatewayCall.objects.filter(outcome="refused", is_genuine=False, invoice=invoice).count() == 5
    GatewayCall.objects.update(received_at=timezone.now() - BETWEEN_DOUBTS)
    receive(invoice.method, body, headers)
    run_payments()
    assert books.calls["read"] == 2


def test_call_when_the_signature_is_bad_and_names_a_child_then_it_is_not_remembered(books, invoice):
    paid_twice(books, invoice)
    body, headers = books.message(invoice.our_ref, secret="of somebody else")
    receive(invoice.method, body, headers)
    invoice.refresh_from_db()
    assert not invoice.told and invoice.next_poll_at <= timezone.now()


@pytest.mark.parametrize(
    "body", [b"", b"[1]", b'{"payment_id": 1}', b'{"payment_id": null}', b'{"payment_id": "../x"}']
)
def test_call_when_it_is_garbage_then_kept_and_nothing_is_asked(books, invoice, body):
    due = Invoice.objects.get().next_poll_at
    assert receive(invoice.method, body, {}).status == 401
    assert Invoice.objects.get().next_poll_at == due
    assert GatewayCall.objects.get().invoice is None


def test_call_when_no_secret_is_stored_then_never_genuine(books, invoice):
    store_credentials(method=invoice.method, values={}, cleared=["ipn_secret"])
    invoice.method.refresh_from_db()
    body, headers = books.message(invoice.our_ref, secret="x")
    assert receive(invoice.method, body, headers).status == 401


def test_call_when_genuine_then_its_signature_is_kept(books, invoice):
    tell(books, invoice)
    assert "x-nowpayments-sig" in GatewayCall.objects.get().headers
    assert CREDENTIALS["ipn_secret"] not in str(GatewayCall.objects.get().headers)
