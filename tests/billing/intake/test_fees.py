"""Fees of payments when they are credited: in parts, under, over, by hand, at once, and killed in between."""

from __future__ import annotations

import random
from datetime import timedelta

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from billing.deposits import approve_deposit, confirm_payment
from billing.intake.calls import receive_call
from billing.intake.crediting import CannotCredit, credit_due_payments, credit_held_payment, credit_payment
from billing.intake.invoices import open_invoice
from billing.intake.proposals import proposals_for
from billing.intake.rounds import run_payments
from billing.intake.sync import sync_invoice
from billing.models import Coupon, Deposit, Entry, Invoice, Payment, PaymentMethod
from billing.wallets import balance_of
from panel.alerts.models import Alert
from panel.lib.money import CENT, MICRO
from panel.ops.invariants import find_breaches
from tests import make
from tests.billing.intake.calls import arrival_of, send, signed, signed_method
from tests.billing.intake.test_kills import MAX_STATEMENTS, at_each_statement
from tests.threads import in_threads

pytestmark = pytest.mark.django_db

THREADS = 10
# 4% and 10 cents, on top: $20 cost $20.90.
FEE = {"fee_bp": 400, "fee_fixed": 10 * CENT, "fee_payer": "customer"}


@pytest.fixture
def alice():
    return make.customer()


@pytest.fixture
def method():
    return signed_method(**FEE)


def pay(deposit, method, *amounts):
    """Send a payment for the deposit for each of `amounts`, let it be credited, and return the last."""
    for amount in amounts:
        send(*method, arrival_of(deposit=deposit.pk, amount=amount))
        credit_due_payments()
    deposit.refresh_from_db()
    return Payment.objects.first()


def sums(deposit):
    """Return what came in, the fee, the bonus, and the balance, each in units."""
    deposit.refresh_from_db()
    amounts = (deposit.credited, deposit.fee, deposit.bonus, balance_of(customer=deposit.customer))
    return tuple(float(amount or 0) / MICRO for amount in amounts)


def entries():
    return [(entry.kind, entry.amount) for entry in Entry.objects.order_by("pk")]


# -- how much --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("amounts", "fee", "added"),
    [
        (["20.90"], 0.9, 20),
        (["10.50"], 0.5, 10),
        (["41.70"], 1.7, 40),
        (["20.905"], 0.905, 20),
        (["10.00", "10.90"], 0.9, 20),
        (["0.12", "20.00", "0.78"], 0.9, 20),
        (["20.90", "0.01", "10.39"], 1.3, 30),
    ],
)
def test_payment_when_it_has_a_fee_then_the_sum_counts_not_its_parts(alice, method, amounts, fee, added):
    deposit = make.pending_deposit(alice, "20", method=method[0])
    pay(deposit, method, *amounts)
    assert sums(deposit) == (pytest.approx(fee + added), fee, 0, added)
    assert not find_breaches()


def test_payment_when_exact_then_came_in_fee_and_bonus_are_posted(alice):
    method = signed_method(**FEE, bonus_bp=1_000)
    deposit = make.pending_deposit(alice, "20", method=method[0])
    payment = pay(deposit, method, "20.90")
    assert entries() == [("deposit", 20_900_000), ("fee", -900_000), ("bonus", 2_000_000)]
    assert (payment.credited, payment.fee, payment.bonus, payment.added) == (20_900_000, 900_000, 2_000_000, 22_000_000)
    [credit] = payment.credits.all()
    assert (credit.fee_entry.kind, credit.bonus_entry.kind) == ("fee", "bonus")
    assert (deposit.to_pay, deposit.net, deposit.added) == (20_900_000, 20_000_000, 22_000_000)


def test_payment_when_the_owner_pays_the_fee_then_nothing_is_taken(alice):
    method = signed_method(**{**FEE, "fee_payer": "owner"})
    deposit = make.pending_deposit(alice, "20", method=method[0])
    pay(deposit, method, "20")
    assert deposit.to_pay == 20 * MICRO
    assert entries() == [("deposit", 20 * MICRO)]
    assert not find_breaches()


def test_bonus_and_coupon_when_there_is_a_fee_then_on_what_is_added(alice):
    Coupon.objects.create(code="MORE", bonus_bp=500, minimum=20 * MICRO)
    method = signed_method(**FEE, bonus_bp=100, tiers=[[20 * MICRO, 1_000]])
    deposit = make.pending_deposit(alice, "20", method=method[0], coupon="MORE")
    pay(deposit, method, "20.89")
    assert sums(deposit)[2] == pytest.approx(0.1999)  # A cent below the tier, and below the coupon's minimum.
    pay(deposit, method, "0.01")
    assert sums(deposit) == (20.9, 0.9, 3, 23)
    assert not find_breaches()


@pytest.mark.parametrize("changes", [{"fee_bp": 5_000}, {"fee_payer": "owner"}, {"fee_bp": 0, "fee_fixed": 0}])
def test_fee_when_changed_meanwhile_then_that_of_the_request_holds(alice, method, changes):
    deposit = make.pending_deposit(alice, "20", method=method[0])
    PaymentMethod.objects.update(**changes)
    pay(deposit, method, "10.00", "10.90")
    assert sums(deposit) == (20.9, 0.9, 0, 20)
    assert not find_breaches()


@pytest.mark.parametrize("seed", range(5))
def test_figure_when_it_grows_in_any_steps_then_as_one_payment(alice, method, seed):
    """Also by less than a cent, which may lie between two fees."""
    chance, figure = random.Random(seed), 120_000  # noqa: S311  (no secret)
    deposit = make.pending_deposit(alice, "20", method=method[0])
    payment = pay(deposit, method, "0.12")
    for _ in range(40):
        figure += chance.choice((1, 17, 4_999, CENT, 60_000, MICRO))
        Payment.objects.filter(pk=payment.pk).update(came_in=figure, due_at=timezone.now())
        credit_due_payments()
        credit_payment(payment_id=payment.pk)
    deposit.refresh_from_db()
    assert (deposit.credited, deposit.fee) == (figure, deposit.fee_terms.fee_of(figure))
    assert balance_of(customer=alice) == deposit.fee_terms.net_of(figure)
    assert not find_breaches()


# -- less than the fee -----------------------------------------------------------------------------------


def test_payment_when_below_its_fee_then_held_and_staff_credit_all(alice, method):
    deposit = make.pending_deposit(alice, "20", method=method[0])
    payment = pay(deposit, method, "0.10")
    assert (payment.state, payment.hold, payment.credited) == ("held", "below_fee", 0)
    assert credit_payment(payment_id=payment.pk).state == "held"
    credit_held_payment(payment_id=payment.pk, deposit=deposit, actor=make.owner(), came_in=payment.came_in)
    assert sums(deposit) == (0.1, 0, 0, 0.1)
    assert not find_breaches()
    # What is due from all that came in is more than this part: it is held again, and never debited.
    assert pay(deposit, method, "0.05").hold == "below_fee"
    # The rest bears what the first part did not.
    pay(deposit, method, "20.80")
    assert sums(deposit) == (20.9, 0.9, 0, 20)
    assert not find_breaches()


def test_figure_when_held_below_its_fee_and_it_grows_then_credited(books, method_of, alice):
    method = method_of(**FEE)
    deposit = make.pending_deposit(alice, "20", method=method)
    invoice = open_invoice(deposit=deposit)
    paid = books.pay(invoice.our_ref, "0.05")
    assert sync_invoice(invoice_id=invoice.pk).state == Invoice.State.PARTIAL
    assert Payment.objects.get().hold == "below_fee"
    paid.amount = "20.90"
    assert sync_invoice(invoice_id=invoice.pk).state == Invoice.State.PAID
    assert sums(deposit) == (20.9, 0.9, 0, 20)
    assert not find_breaches()


def test_held_rest_when_credited_to_another_request_then_refused(alice, method):
    first, other = (make.pending_deposit(alice, "20", method=method[0]) for _ in range(2))
    payment = pay(first, method, "20.90")
    Payment.objects.filter(pk=payment.pk).update(came_in=21 * MICRO, state="held", hold="over_call")
    with pytest.raises(CannotCredit, match=f"request {first.pk}"):
        credit_held_payment(payment_id=payment.pk, deposit=other, actor=make.owner(), came_in=21 * MICRO)
    assert balance_of(customer=alice) == 20 * MICRO


# -- by hand, and by a gateway ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("credited", "fee", "bonus", "balance"),
    [("20.90", 0.9, 2, 22), ("10.50", 0.5, 1, 11), ("0.10", 0, 0.01, 0.11), ("0.12", 0.11, 0.001, 0.011)],
)
def test_approval_when_there_is_a_fee_then_it_is_taken_of_what_came(alice, credited, fee, bonus, balance):
    method = make.payment_method(**FEE, bonus_bp=1_000)
    deposit = make.pending_deposit(alice, "20", method=method)
    approve_deposit(deposit_id=deposit.pk, credited=make.micros(credited), actor=make.owner())
    assert sums(deposit) == (float(credited), fee, bonus, balance)
    assert not find_breaches()


def test_confirmation_when_below_the_fee_then_told_and_left_to_staff(alice):
    deposit = make.pending_deposit(alice, "20", method=make.payment_method(**FEE))
    assert confirm_payment(deposit_id=deposit.pk, credited=10 * CENT).state == "pending"
    assert "does not exceed its fee" in Alert.objects.get().text
    assert not Entry.objects.exists()


def test_payment_when_its_request_was_approved_by_hand_then_fee_of_both(alice, method):
    deposit = make.pending_deposit(alice, "20", method=method[0])
    approve_deposit(deposit_id=deposit.pk, credited=10 * MICRO, actor=make.owner())
    payment = pay(deposit, method, "10.90")
    assert payment.hold == "by_hand"
    actor = make.owner("second@example.org")
    credit_held_payment(payment_id=payment.pk, deposit=deposit, actor=actor, came_in=payment.came_in)
    assert sums(deposit) == (20.9, 0.9, 0, 20)
    assert not find_breaches()


def test_invoice_when_there_is_a_fee_then_it_asks_for_the_sum(books, method_of, alice):
    deposit = make.pending_deposit(alice, "20", method=method_of(**FEE))
    invoice = open_invoice(deposit=deposit)
    [kept] = books.invoices.values()
    assert (invoice.amount, kept.amount) == (20_900_000, "20.9")
    books.pay(invoice.our_ref, "20.89")
    assert sync_invoice(invoice_id=invoice.pk).state == Invoice.State.PARTIAL
    books.pay(invoice.our_ref, "0.01")
    assert sync_invoice(invoice_id=invoice.pk).state == Invoice.State.PAID
    assert sums(deposit) == (20.9, 0.9, 0, 20)


def test_proposals_when_there_are_fees_then_whoever_was_asked_for_it_first(alice, method):
    plain = signed_method()[0]
    asked = make.pending_deposit(alice, "20", method=method[0])
    for amount, offered in (("20.9", method[0]), ("20.9", plain), ("20", plain)):
        make.pending_deposit(alice, amount, method=offered)
    send(*method, arrival_of(reference="no idea", amount="20.90"))
    credit_due_payments()
    found = proposals_for(payment=Payment.objects.get())
    assert [one.to_pay for one in found[:2]] == [20_900_000] * 2
    assert asked in found[:2]


# -- the database ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "changes",
    [{"fee": -1}, {"fee": 20_900_000}, {"fee_payer": "owner"}, {"fee_bp": 5_001}, {"fee_bp": -1}, {"fee_fixed": -1}],
)
def test_deposit_when_its_fee_cannot_be_then_the_database_refuses(alice, method, changes):
    deposit = make.pending_deposit(alice, "20", method=method[0])
    pay(deposit, method, "20.90")
    with pytest.raises(IntegrityError), transaction.atomic():
        Deposit.objects.filter(pk=deposit.pk).update(**changes)


@pytest.mark.parametrize("fee", [-1, 20_900_001])
def test_payment_when_its_fee_cannot_be_then_the_database_refuses(alice, method, fee):
    pay(make.pending_deposit(alice, "20", method=method[0]), method, "20.90")
    with pytest.raises(IntegrityError), transaction.atomic():
        Payment.objects.update(fee=fee)


# -- at once, and killed ---------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_payments_when_credited_at_once_then_the_fee_of_their_sum():
    method, customer = signed_method(**FEE, bonus_bp=1_000), make.customer()
    deposit = make.pending_deposit(customer, "20", method=method[0])
    for _ in range(4):
        send(*method, arrival_of(deposit=deposit.pk, amount="5.225"))
    work = [lambda pk=pk: credit_payment(payment_id=pk) for pk in Payment.objects.values_list("pk", flat=True)]
    in_threads(*work, *[credit_due_payments] * (THREADS - len(work)))
    assert sums(deposit) == (20.9, 0.9, 2, 22)
    assert not find_breaches()


@pytest.mark.django_db(transaction=True)
def test_approval_when_made_ten_times_at_once_then_one_fee():
    deposit = make.pending_deposit(make.customer(), "20", method=make.payment_method(**FEE))

    def approve():
        try:
            approve_deposit(deposit_id=deposit.pk, credited=20_900_000)
        except Exception as error:
            return type(error).__name__
        return "approved"

    assert sorted(in_threads(*[approve] * THREADS)) == ["AlreadyDecided"] * (THREADS - 1) + ["approved"]
    assert sums(deposit) == (20.9, 0.9, 0, 20)


@pytest.mark.django_db(transaction=True)
def test_signed_call_with_a_fee_when_killed_anywhere_then_credited_once():
    method, secret = signed_method(**FEE, bonus_bp=1_000)
    people = [make.customer(f"c{number}@example.org") for number in range(MAX_STATEMENTS // 2)]
    requests = [make.pending_deposit(person, "20", method=method) for person in people]
    calls = [signed(secret, arrival_of(deposit=request.pk, amount="20.90")) for request in requests]

    def work(number: int) -> None:
        receive_call(method=method, call=calls[number])
        run_payments()

    def check(number: int) -> None:
        receive_call(method=method, call=calls[number])
        past = timezone.now() - timedelta(seconds=1)
        Payment.objects.filter(due_at__isnull=False).update(due_at=past)
        run_payments()
        assert sums(requests[number]) == (20.9, 0.9, 2, 22)

    assert at_each_statement(work, check) > 20
    assert not find_breaches()
