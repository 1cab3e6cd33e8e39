"""Invoices and what is found about them, against a gateway that keeps books of its own."""

from __future__ import annotations

import base64
from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from billing.deposits import refuse_deposit
from billing.intake.credentials import store_credentials
from billing.intake.crediting import dismiss_payment
from billing.intake.invoices import open_invoice
from billing.intake.reversals import settle_reversal
from billing.intake.rounds import run_payments
from billing.intake.sync import sync_invoice
from billing.models import GatewayCall, Invoice, Payment, Reversal
from billing.wallets import balance_of
from panel.alerts.models import Alert
from panel.lib.money import MICRO
from panel.ops.invariants import find_breaches
from tests import make
from tests.gateway import doors, server

pytestmark = pytest.mark.django_db


@pytest.fixture
def alice():
    return make.customer()


@pytest.fixture
def invoice(alice, method_of):
    return open_invoice(deposit=make.pending_deposit(alice, "20", method=method_of()))


def balance(user):
    return balance_of(customer=user) / MICRO


def sync(invoice):
    return sync_invoice(invoice_id=invoice.pk)


def opened(alice, method, times=1):
    deposit = make.pending_deposit(alice, "20", method=method)
    for _ in range(times):
        found = open_invoice(deposit=deposit)
    return found


def later(invoice, **time):
    """Let the invoice be due, as after some time."""
    Invoice.objects.filter(pk=invoice.pk).update(next_poll_at=timezone.now(), asked_at=None)
    if time:
        created = timezone.now() - timedelta(**time)
        Invoice.objects.filter(pk=invoice.pk).update(created_at=created)
    run_payments()
    invoice.refresh_from_db()
    return invoice


# -- created once ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("code", ["fake", "fake-once", "fake-lossy"])
def test_invoice_when_opened_twice_then_created_once(alice, books, method_of, code):
    found = opened(alice, method_of(code), times=2)
    assert (found.state, found.url[:24], len(books.invoices)) == ("open", "https://pay.example.com/", 1)
    assert found.deposit.expires_at is not None


@pytest.mark.parametrize("fault", ["create:lost", "create:garbled"])
@pytest.mark.parametrize("code", ["fake", "fake-once"])
def test_invoice_when_the_answer_was_lost_then_found_again(alice, books, method_of, code, fault):
    books.faults[fault] = 1
    found = opened(alice, method_of(code), times=2)
    assert (found.state, found.url) == ("lost", "")
    assert (later(found).state, len(books.invoices)) == ("open", 1)


def test_invoice_when_it_cannot_be_found_then_left_to_expire(alice, books, method_of):
    books.faults["create:lost"] = 1
    found = opened(alice, method_of("fake-lossy"))
    for _ in range(5):
        later(found)
    assert (found.state, books.calls["create"]) == ("lost", 1)
    assert later(found, hours=25).state == "failed"
    assert len(books.invoices) == 1


def test_invoice_when_the_request_never_arrived_then_asked_again(alice, books, method_of):
    books.faults["create:dropped"] = 1
    found = opened(alice, method_of())
    for _ in range(4):
        assert (later(found).state, books.calls["create"]) == ("lost", 1)
    assert (later(found, minutes=2).state, books.calls["create"], len(books.invoices)) == ("open", 2, 1)


def test_invoice_when_the_gateway_refuses_then_told_and_nothing_lost(client, alice, books, method_of):
    method = method_of()
    books.faults["create:refused"] = 1
    client.force_login(alice)
    typed = {"method": method.pk, "amount": "20", "request_key": "a" * 32}
    shown = client.post(reverse("add_funds"), typed, follow=True).content.decode()
    assert "does not work at the moment" in shown
    assert Invoice.objects.get().last_error == "The amount is too small."


def test_invoice_when_the_process_died_while_creating_then_found_by_the_poller(alice, books, method_of):
    found = opened(alice, method_of())
    Invoice.objects.update(state="creating", external_id="", url="")
    assert (later(found).state, len(books.invoices)) == ("open", 1)


# -- money ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("amounts", "state"), [(["20"], "paid"), (["7.5"], "partial"), (["7.5", "12.5"], "paid"), (["20", "20"], "paid")]
)
def test_money_when_it_comes_then_each_payment_is_credited_as_it_came(invoice, alice, books, amounts, state):
    for amount in amounts:
        books.pay(invoice.our_ref, amount)
        for _ in range(2):
            assert sync(invoice).last_error == ""
    assert (balance(alice), sync(invoice).state) == (sum(map(float, amounts)), state)
    assert Payment.objects.count() == len(amounts)
    assert not find_breaches()


def test_money_when_no_call_ever_comes_then_the_poller_finds_it_in_time(invoice, alice, books):
    books.pay(invoice.our_ref, "20")
    assert invoice.next_poll_at - timezone.now() < timedelta(minutes=15)
    later(invoice)
    assert balance(alice) == 20


def test_money_when_on_its_way_then_seen_and_credited_once_it_is_there(invoice, alice, books):
    paid = books.pay(invoice.our_ref, "20", status="pending")
    sync(invoice)
    assert (balance(alice), Payment.objects.get().state) == (0, "seen")
    paid.status = "vanished"
    sync(invoice)
    assert Payment.objects.get().state == "gone"
    paid.status = "settled"
    sync(invoice)
    assert (balance(alice), Payment.objects.get().state) == (20, "credited")


def test_money_when_the_figure_grows_under_one_id_then_the_difference(invoice, alice, books):
    paid = books.pay(invoice.our_ref, "5")
    for amount in ("5", "5", "20", "5", "20"):
        paid.amount = amount
        sync(invoice)
    assert (balance(alice), Payment.objects.count()) == (20, 1)


@pytest.mark.parametrize("days", [1, 7])
def test_money_when_it_comes_after_the_end_then_still_found_and_credited(invoice, alice, books, days):
    books.invoices[invoice.external_id].is_over = True
    past = timezone.now() - timedelta(days=days)
    Invoice.objects.update(expires_at=past, created_at=past - timedelta(hours=1))
    assert later(invoice).state == "expired"
    assert invoice.next_poll_at is not None
    books.pay(invoice.our_ref, "20")
    later(invoice)
    assert balance(alice) == 20


def test_money_when_the_gateway_holds_it_then_staff_decide(invoice, alice, books):
    books.pay(invoice.our_ref, "20", status="frozen")
    sync(invoice)
    assert (balance(alice), Payment.objects.get().hold) == (0, "gateway")


def test_money_when_its_request_was_refused_then_held_and_told(invoice, alice, books):
    refuse_deposit(deposit_id=invoice.deposit_id, reason="No.", actor=make.owner())
    books.pay(invoice.our_ref, "20")
    sync(invoice)
    assert (balance(alice), Payment.objects.get().hold) == (0, "refused")


def test_money_when_of_a_sandbox_then_never_credited(alice, books, method_of):
    found = opened(alice, method_of(is_sandbox=True))
    books.pay(found.our_ref, "20")
    sync(found)
    assert (balance(alice), Payment.objects.get().hold) == (0, "sandbox")


def test_money_when_taken_back_then_told_and_nothing_debited(invoice, alice, books):
    paid = books.pay(invoice.our_ref, "20")
    sync(invoice)
    paid.status = "charged back"
    for _ in range(2):
        sync(invoice)
    assert (balance(alice), Reversal.objects.get().amount) == (20, 20 * MICRO)
    assert Alert.objects.filter(cause__endswith=":reversal").count() == 1


@pytest.mark.parametrize("wanted", [True, False])
def test_money_when_taken_back_then_orders_are_held_if_wanted(invoice, alice, books, settings, wanted):
    settings.HOLD_ORDERS_ON_REVERSAL = wanted
    paid = books.pay(invoice.our_ref, "20")
    sync(invoice)
    paid.status = "charged back"
    sync(invoice)
    assert (Reversal.objects.get().holds_orders, make.wallet(alice).order_hold == "held") == (wanted, wanted)
    assert ("orders are held" in Alert.objects.get(cause__endswith=":reversal").text) == wanted


def test_money_when_taken_back_further_after_it_was_settled_then_held_anew(invoice, alice, books, settings):
    settings.HOLD_ORDERS_ON_REVERSAL = True
    paid = books.pay(invoice.our_ref, "20")
    sync(invoice)
    paid.amount = "15"
    sync(invoice)
    settle_reversal(reversal_id=Reversal.objects.get().pk, actor=make.owner(), note="Debited.")
    assert make.wallet(alice).order_hold == "ending"
    paid.status = "charged back"
    sync(invoice)
    assert make.wallet(alice).order_hold == "held"


@pytest.mark.parametrize("fault", ["read:down", "read:garbled"])
def test_money_when_the_gateway_is_down_then_found_by_the_next_read(invoice, alice, books, fault):
    books.pay(invoice.our_ref, "20")
    books.faults[fault] = 1
    assert sync(invoice).last_error != ""
    assert later(invoice).last_error == ""
    assert balance(alice) == 20


def test_money_when_the_invoice_is_another_shops_then_nothing_credited(invoice, alice, books):
    books.pay(invoice.our_ref, "20")
    books.invoices[invoice.external_id].ref = "another"
    sync(invoice)
    assert balance(alice) == 0
    assert Alert.objects.filter(cause__endswith=":conflict").exists()


def test_money_when_one_payment_is_named_for_two_requests_then_it_counts_once(alice, books, method_of):
    method = method_of()
    first, second = opened(alice, method), opened(alice, method)
    paid = books.pay(first.our_ref, "20")
    sync(first)
    books.invoices[second.external_id].payments.append(paid)
    sync(second)
    assert balance(alice) == 20


def test_invoices_when_one_cannot_be_read_then_the_others_are(alice, books, method_of):
    method = method_of()
    broken, fine = opened(alice, method), opened(alice, method)
    books.pay(fine.our_ref, "20")
    del books.invoices[broken.external_id]
    Invoice.objects.update(next_poll_at=timezone.now())
    run_payments()
    assert balance(alice) == 20


# -- calls ---------------------------------------------------------------------------------------------------


@pytest.fixture
def call(client, books):
    """Deliver a call of the gateway about an invoice, and return the response."""

    def deliver(invoice, *, ref="", **values):
        body, headers = books.message(ref or invoice.our_ref, **values)
        address = reverse("gateway_call", args=[invoice.method.kind, invoice.method_id])
        return client.post(address, data=body, content_type="application/json", headers=headers)

    return deliver


def test_call_when_genuine_then_kept_and_the_gateway_is_asked(alice, invoice, books, call):
    books.pay(invoice.our_ref, "20")
    assert call(invoice).status_code == 200
    assert balance(alice) == 0
    run_payments()
    assert (balance(alice), GatewayCall.objects.get().invoice) == (20, invoice)


def test_call_when_its_invoice_was_lost_then_found_by_it(alice, books, method_of, call):
    books.faults["create:lost"] = 1
    found = opened(alice, method_of("fake-lossy"))
    books.pay(found.our_ref, "20")
    call(found)
    run_payments()
    assert (balance(alice), Invoice.objects.get().state) == (20, "paid")


def test_call_when_it_claims_money_that_never_came_then_nothing_credited(alice, invoice, call):
    call(invoice, paid="20", status="settled")
    run_payments()
    assert balance(alice) == 0


def test_call_when_repeated_by_its_id_then_kept_as_a_repetition(invoice, call):
    for _ in range(3):
        call(invoice, call_id="c-same")
    assert [kept.outcome for kept in GatewayCall.objects.order_by("pk")] == ["accepted", "repeated", "repeated"]


def test_call_when_a_test_or_unknown_or_forged_then_nothing_follows(alice, invoice, books, call):
    books.pay(invoice.our_ref, "20")
    answers = [call(invoice, test=True).status_code, call(invoice, ref="another-shop").status_code]
    books.secrets = [base64.b64encode(b"x" * 32).decode()]
    answers.append(call(invoice).status_code)
    assert answers == [200, 200, 401]
    assert [kept.outcome for kept in GatewayCall.objects.order_by("pk")] == ["accepted", "unknown", "refused"]
    assert Alert.objects.filter(cause__endswith=":unknown-invoice").exists()
    assert Invoice.objects.get().next_poll_at > timezone.now()


def test_call_when_the_secret_rotates_then_both_are_taken(invoice, books, call):
    new = base64.b64encode(b"y" * 32).decode()
    store_credentials(method=invoice.method, values={"secret": f"{server.SECRET} {new}"})
    for secrets in ([server.SECRET], [new], [server.SECRET, new]):
        books.secrets = secrets
        assert call(invoice).status_code == 200


# -- tricks ----------------------------------------------------------------------------------------------


def test_held_money_when_taken_back_then_nobody_can_credit_it(invoice, alice, books):
    paid = books.pay(invoice.our_ref, "20", status="frozen")
    sync(invoice)
    paid.status = "charged back"
    sync(invoice)
    assert Payment.objects.get().state == "gone"
    assert not Alert.objects.filter(cause__endswith=":held", resolved_at=None).exists()


def test_dismissed_money_when_more_comes_under_its_id_then_held_again(invoice, alice, books):
    paid = books.pay(invoice.our_ref, "1", status="frozen")
    sync(invoice)
    dismiss_payment(payment_id=Payment.objects.get().pk, actor=make.owner(), note="Dust.")
    for status, amount, state in (("settled", "1", "dismissed"), ("settled", "501", "held")):
        paid.status, paid.amount = status, amount
        sync(invoice)
        assert Payment.objects.get().state == state
    assert (Payment.objects.get().came_in, balance(alice)) == (501 * MICRO, 0)


def test_money_when_a_part_is_taken_back_then_told_once_for_each_part(invoice, alice, books):
    paid = books.pay(invoice.our_ref, "20")
    for amount, reversed_amount in (("20", None), ("15", 5), ("15", 5), ("5", 15)):
        paid.amount = amount
        sync(invoice)
        found = Reversal.objects.values_list("amount", flat=True).first()
        assert found == (None if reversed_amount is None else reversed_amount * MICRO)
    assert balance(alice) == 20


@pytest.mark.parametrize("amount", ["-1", "99999999999999"])
def test_money_when_its_figure_cannot_be_then_told_and_the_rest_credited(invoice, alice, books, amount, monkeypatch):
    odd, fine = books.pay(invoice.our_ref, "1"), books.pay(invoice.our_ref, "20")
    monkeypatch.setattr(doors, "micros_down", lambda number: int(number * MICRO))
    odd.amount = amount
    sync(invoice)
    assert (balance(alice), fine.amount) == (20, "20")
    assert Alert.objects.filter(cause__endswith=":conflict").exists()


def test_failed_invoice_when_its_gateway_calls_then_found_by_it(alice, books, method_of, call):
    books.faults["create:lost"] = 1
    found = opened(alice, method_of("fake-lossy"))
    assert later(found, hours=25).state == "failed"
    books.pay(found.our_ref, "20")
    call(found)
    run_payments()
    assert balance(alice) == 20


def test_call_when_it_names_another_id_for_our_reference_then_unknown_and_told(invoice, books, call):
    assert call(invoice, id="inv-999").status_code == 200
    assert GatewayCall.objects.get().outcome == "unknown"
    assert Alert.objects.filter(cause__endswith=":unknown-invoice").exists()


def test_call_when_it_comes_during_a_read_then_the_invoice_stays_due(invoice, books, call, monkeypatch):
    read = doors.Fake.read

    def interrupted(self, asked, credentials):
        found = read(self, asked, credentials)
        call(invoice)
        return found

    monkeypatch.setattr(doors.Fake, "read", interrupted)
    sync(invoice)
    invoice.refresh_from_db()
    assert invoice.next_poll_at <= timezone.now()


def test_invoice_when_asked_about_by_hand_while_it_is_created_then_left_alone(alice, books, method_of):
    found = opened(alice, method_of())
    Invoice.objects.update(state="creating", external_id="", url="", asked_at=timezone.now())
    for _ in range(5):
        assert sync(found).state == "creating"
    assert books.calls["create"] == 1
