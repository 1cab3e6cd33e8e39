"""The page of a request in each state of its payment, with a gateway that keeps books of its own."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.core import mail
from django.urls import reverse
from django.utils import timezone

from billing.intake.crediting import credit_due_payments
from billing.intake.invoices import open_invoice
from billing.intake.sync import sync_invoice
from billing.mails import send_due_mails
from billing.models import Deposit, Invoice, Payment
from tests import make
from tests.billing.intake.calls import arrival_of, send, signed_method

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("invariants_hold")]

COINS = {
    "coin": "USDT",
    "network": "TRON (TRC-20)",
    "address": "TExampLe9sAmpLeAddReSsNotReaLxxxx0",
    "amount": "18.88",
    "memo": "77<b>1",
    "rate": "1 USDT = $1.06",
    "purse <i>": "x&y",
}


@pytest.fixture
def invoice(customer, method_of):
    return open_invoice(deposit=make.pending_deposit(customer, "20", method=method_of()))


def shown(client, invoice):
    return client.get(reverse("deposit_detail", args=[invoice.deposit_id])).content.decode()


def paid(invoice, books, *amounts):
    for amount in amounts:
        books.pay(invoice.our_ref, amount)
    sync_invoice(invoice_id=invoice.pk)


def polls(text):
    return 'hx-trigger="every 10s' in text


def test_page_when_the_invoice_is_open_then_pays_there_until_its_time_is_up(signed_in, invoice):
    text = shown(signed_in, invoice)
    assert "Pay $20.00" in text or "Pay <bdi" in text
    assert "https://pay.example.com/" in text and "Open until" in text and "data-left=" in text
    assert "To be paid" in text and polls(text)
    assert "I have paid" not in text


def test_page_when_a_coin_is_asked_for_then_each_fact_to_copy_and_a_loud_memo(signed_in, invoice):
    Invoice.objects.update(details=COINS)
    text = shown(signed_in, invoice)
    assert 'class="qr" role="img"' in text
    assert "18.88 USDT" in text and 'data-text="18.88"' in text
    assert COINS["address"] in text and "This payment needs its memo" in text and "77&lt;b&gt;1" in text
    assert "Send only <bdi>USDT</bdi> on <bdi>TRON (TRC-20)</bdi>" in text
    assert "Purse &lt;i&gt;" in text and "x&amp;y" in text and "<i>" not in text


def test_page_when_paid_in_part_then_says_what_is_missing_and_goes_on(signed_in, invoice, books):
    before = shown(signed_in, invoice)
    paid(invoice, books, "15")
    text = shown(signed_in, invoice)
    assert "$5.00</bdi> is missing." in text and "Pay the rest, or leave it: what came in is added." in text
    assert "$15.00</bdi></strong> is in your wallet" in text
    assert polls(text) and before != text
    paid(invoice, books, "5")
    text = shown(signed_in, invoice)
    assert "is missing" not in text and not polls(text)
    assert "Receipt to print" in text


def test_page_when_the_rest_never_came_then_says_so_and_is_final(signed_in, invoice, books):
    paid(invoice, books, "15")
    Invoice.objects.update(expires_at=timezone.now() - timedelta(minutes=1))
    text = shown(signed_in, invoice)
    assert "did not come. What came in was added." in text
    assert "every" not in text.split('id="deposit-live"')[1].split(">")[0]


def test_page_when_more_came_in_then_all_of_it_was_added(signed_in, invoice, books):
    paid(invoice, books, "20", "3")
    assert "$3.00</bdi> more came in than you asked to add. All of it was added." in shown(signed_in, invoice)


def test_page_when_it_expired_then_money_is_added_all_the_same_and_looked_for_seldom(signed_in, invoice, books):
    past = timezone.now() - timedelta(minutes=5)
    Invoice.objects.update(expires_at=past, state="expired")
    Deposit.objects.update(expires_at=past)
    text = shown(signed_in, invoice)
    assert "added all the same" in text and "every 60s" in text
    paid(invoice, books, "20")
    assert "It came after its time had run out" in shown(signed_in, invoice)


def test_page_when_the_payment_is_seen_then_no_longer_to_abandon(signed_in, invoice):
    Payment.objects.create(
        method=invoice.method, external_id="x", deposit=invoice.deposit, currency="USD", came_in=5_000_000
    )
    text = shown(signed_in, invoice)
    assert "Your payment is on its way" in text and "Abandon" not in text and "cancel-ask" not in text


@pytest.mark.parametrize(
    ("state", "words"), [("creating", "Preparing your payment"), ("failed", "The payment service refused it")]
)
def test_page_when_there_is_no_invoice_then_says_so(signed_in, invoice, state, words):
    Invoice.objects.update(state=state, external_id="", url="")
    text = shown(signed_in, invoice)
    assert words in text and "Next: we look for" not in text and "If you have paid already, do not." not in text


def test_page_when_the_gateway_does_not_answer_then_said_after_a_while(signed_in, invoice):
    Invoice.objects.update(state="lost", url="", external_id="")
    assert "This page goes on by itself." in shown(signed_in, invoice)
    Invoice.objects.update(created_at=timezone.now() - timedelta(minutes=3))
    assert "choose another way. Nothing was charged." in shown(signed_in, invoice)


def test_page_when_a_payment_is_held_then_staff_look_at_it(signed_in, customer):
    method, secret = signed_method(max_payment=1)
    deposit = make.pending_deposit(customer, "20", method=method)
    text = signed_in.get(reverse("deposit_detail", args=[deposit.pk])).content.decode()
    assert "Reference to write" in text and "I have paid" not in text
    send(method, secret, arrival_of(deposit=deposit.pk))
    credit_due_payments()
    text = signed_in.get(reverse("deposit_detail", args=[deposit.pk])).content.decode()
    assert "Our staff look at it" in text


def test_poll_when_anything_seen_changes_then_answered(signed_in, invoice):
    def poll(mark):
        address = reverse("deposit_detail", args=[invoice.deposit_id])
        return signed_in.get(address, {"state": mark}, headers={"HX-Request": "true"}).status_code

    def mark():
        return shown(signed_in, invoice).split("?state=")[1][:8]

    for change in ({"details": {"confirmations": "1"}}, {"url": "https://pay.example.com/b"}, {"state": "failed"}):
        before = mark()
        assert poll(before) == 204
        Invoice.objects.update(**change)
        assert poll(before) == 200
    assert mark() != before


def test_mail_when_a_part_was_added_then_it_says_what_is_missing(invoice, books):
    send_due_mails()
    assert mail.outbox == []
    paid(invoice, books, "15")
    send_due_mails()
    [message] = mail.outbox
    assert "$15.00 came in" in message.body and "$5.00 of what you wanted to pay is missing." in message.body


def test_mail_when_to_be_paid_by_hand_then_with_the_code_and_what_to_do(customer):
    deposit = make.pending_deposit(customer, method=make.payment_method())
    send_due_mails()
    [message] = mail.outbox
    assert f"{deposit.code[:4]}-{deposit.code[4:]}" in message.body and "say so on its page" in message.body


def test_request_when_made_before_codes_then_names_the_address(signed_in, customer):
    deposit = make.pending_deposit(customer)
    Deposit.objects.update(code=None, paid_at=deposit.created_at)
    text = signed_in.get(reverse("deposit_detail", args=[deposit.pk])).content.decode()
    assert "We look for it" in text and f"<bdi>{customer.email}</bdi></strong> with your payment" in text
