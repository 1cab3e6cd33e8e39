"""What a request promises ends, and what staff decided stays decided, whatever comes in later."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from billing.deposits import DecisionRefused, approve_deposit
from billing.intake.crediting import CannotCredit, credit_held_payment, dismiss_payment
from billing.intake.rounds import run_payments
from billing.models import Deposit, Payment, Reversal
from billing.wallets import balance_of
from panel.accounts.models import User
from panel.lib.money import MICRO
from tests import make
from tests.billing.intake.calls import arrival_of, send, signed_method

pytestmark = pytest.mark.django_db


@pytest.fixture
def alice():
    return make.customer()


@pytest.fixture
def owner():
    return make.owner()


def arrive(method, secret, deposit, amount="20.00", **fields):
    send(method, secret, arrival_of(reference=deposit.code, amount=amount, **fields))
    run_payments()


def balance(user):
    return balance_of(customer=user) / MICRO


def age(deposit, days):
    Deposit.objects.filter(pk=deposit.pk).update(created_at=timezone.now() - timedelta(days=days))


def test_bonus_when_a_paid_request_is_paid_again_then_the_money_alone(alice):
    method, secret = signed_method(bonus_bp=5_000)
    deposit = make.pending_deposit(alice, "20", method=method)
    arrive(method, secret, deposit)
    assert balance(alice) == 30
    arrive(method, secret, deposit, "100.00")
    assert balance(alice) == 130


def test_bonus_when_paid_in_parts_then_as_promised_at_once(alice):
    method, secret = signed_method(bonus_bp=5_000)
    deposit = make.pending_deposit(alice, "20", method=method)
    arrive(method, secret, deposit, "5.00")
    arrive(method, secret, deposit, "15.00")
    assert balance(alice) == 30


@pytest.mark.parametrize(("days", "added"), [(29, 30), (31, 20)])
def test_bonus_when_paid_long_after_the_request_then_the_money_alone(alice, days, added):
    method, secret = signed_method(bonus_bp=5_000)
    deposit = make.pending_deposit(alice, "20", method=method)
    age(deposit, days)
    arrive(method, secret, deposit)
    assert balance(alice) == added


def test_payment_when_a_part_was_approved_by_hand_then_each_is_held(alice, owner):
    """Staff saw 20 come in: its payment must not be credited by itself because another one was."""
    method, secret = signed_method()
    deposit = make.pending_deposit(alice, "20", method=method)
    approve_deposit(deposit_id=deposit.pk, credited=20 * MICRO, actor=owner)
    arrive(method, secret, deposit, "5.00")
    five = Payment.objects.get()
    credit_held_payment(payment_id=five.pk, deposit=deposit, actor=owner, came_in=five.came_in)
    arrive(method, secret, deposit, "20.00")
    assert (balance(alice), Payment.objects.latest("pk").hold) == (25, "by_hand")


def test_dismissed_payment_when_it_grows_then_not_credited_whole(alice, owner):
    method = make.payment_method(kind="signed")
    deposit = make.pending_deposit(alice, "20", method=method)
    payment = Payment.objects.create(
        method=method, external_id="p", deposit=deposit, currency="USD", came_in=21, state="held", hold="more_came"
    )
    with pytest.raises(CannotCredit, match="on purpose"):
        credit_held_payment(payment_id=payment.pk, deposit=deposit, actor=owner, came_in=21)
    dismiss_payment(payment_id=payment.pk, actor=owner, note="posted by hand")
    assert balance(alice) == 0


def test_sandbox_money_when_it_is_no_sandbox_any_more_then_still_none(alice, owner):
    method, secret = signed_method(is_sandbox=True)
    deposit = make.pending_deposit(alice, "20", method=method)
    arrive(method, secret, deposit)
    payment = Payment.objects.get()
    assert payment.hold == "sandbox"
    type(method).objects.filter(pk=method.pk).update(is_sandbox=False)
    with pytest.raises(CannotCredit, match="sandbox"):
        credit_held_payment(payment_id=payment.pk, deposit=deposit, actor=owner, came_in=payment.came_in)


def test_request_when_its_account_was_closed_then_not_approved(alice, owner):
    deposit = make.pending_deposit(alice, "20")
    User.objects.filter(pk=alice.pk).update(closed_at=timezone.now())
    with pytest.raises(DecisionRefused, match="closed"):
        approve_deposit(deposit_id=deposit.pk, credited=20 * MICRO, actor=owner)
    assert balance(alice) == 0


# -- of gateways -----------------------------------------------------------------------------------------


@pytest.fixture
def invoice(alice, method_of):
    from billing.intake.invoices import open_invoice

    return open_invoice(deposit=make.pending_deposit(alice, "20", method=method_of()))


def test_growth_when_taken_back_before_it_was_credited_then_gone_too(invoice, alice, books):
    from billing.intake.sync import sync_invoice

    paid = books.pay(invoice.our_ref, "10")
    sync_invoice(invoice_id=invoice.pk)
    # As if the worker had been killed before it credited what came since.
    Payment.objects.update(came_in=20 * MICRO, due_at=timezone.now())
    paid.status = "charged back"
    sync_invoice(invoice_id=invoice.pk)
    run_payments()
    assert (balance(alice), Reversal.objects.get().amount / MICRO) == (10, 10)


def test_figure_when_it_falls_to_zero_then_the_others_are_credited(invoice, alice, books):
    from billing.intake.sync import sync_invoice

    first = books.pay(invoice.our_ref, "5", status="pending")
    sync_invoice(invoice_id=invoice.pk)
    first.amount, first.status = "0", "settled"
    books.pay(invoice.our_ref, "20")
    sync_invoice(invoice_id=invoice.pk)
    assert balance(alice) == 20
