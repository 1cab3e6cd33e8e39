"""Crediting payments: what is credited by itself, what waits for staff, and what staff decide."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from billing.deposits import approve_deposit, cancel_deposit, refuse_deposit, request_deposit, waiting_deposits
from billing.intake import crediting
from billing.intake.crediting import (
    CannotCredit,
    PaymentMoved,
    credit_due_payments,
    credit_held_payment,
    credit_payment,
)
from billing.intake.crediting import dismiss_payment as dismiss
from billing.models import Deposit, Entry, Payment
from billing.references import codes_in, deposit_of, shown_code
from billing.wallets import balance_of
from panel.alerts.models import Alert
from panel.lib.money import MICRO
from panel.lib.own_account import OwnAccount
from panel.ops.invariants import find_breaches
from tests import make
from tests.billing.intake.calls import arrival_of, send, signed_method

pytestmark = pytest.mark.django_db


@pytest.fixture
def alice():
    return make.customer()


def paid(of, /, *, method, amount="20.00", **fields):
    """Send what a payment for the deposit `of` would, and let it be credited."""
    method, secret = method
    wanted = {} if fields.keys() & {"reference", "deposit"} else {"deposit": of.pk}
    send(method, secret, arrival_of(amount=amount, **wanted, **fields))
    credit_due_payments()
    return Payment.objects.first()


def balance(user):
    return balance_of(customer=user) / MICRO


# -- how much --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("amount", ["0.01", "99.999999", "250"])
def test_payment_when_not_as_announced_then_what_came_is_credited(alice, amount):
    method = signed_method(minimum=5 * MICRO)
    paid(make.pending_deposit(alice, "100", method=method[0]), method=method, amount=amount)
    assert balance(alice) == float(amount)
    assert not find_breaches()


def test_payment_when_finer_than_the_money_then_rounded_down_once(alice):
    method = signed_method(bonus_bp=333)
    paid(make.pending_deposit(alice, method=method[0]), method=method, amount="10.0000019")
    assert list(Entry.objects.order_by("pk").values_list("amount", flat=True)) == [10_000_001, 333_000]


def test_payment_when_its_figure_grows_then_the_difference_is_credited(alice):
    method = signed_method(bonus_bp=333)
    payment = paid(make.pending_deposit(alice, method=method[0]), method=method, amount="1.000001")
    for figure in (1_000_031, 3_000_001):
        Payment.objects.filter(pk=payment.pk).update(came_in=figure, due_at=timezone.now())
        credit_due_payments()
        credit_payment(payment_id=payment.pk)
    payment.refresh_from_db()
    assert (payment.credited, payment.bonus) == (3_000_001, 3_000_001 * 333 // 10_000)
    assert balance_of(customer=alice) == payment.credited + payment.bonus
    assert not find_breaches()


# -- late money ------------------------------------------------------------------------------------------


def test_requests_when_expired_then_late_money_is_credited(alice):
    method = signed_method()
    first = make.pending_deposit(alice, method=method[0])
    for _ in range(4):
        make.pending_deposit(alice, method=method[0])
    Deposit.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    make.pending_deposit(alice, method=method[0])
    assert waiting_deposits(customer_id=alice.pk).count() == 1
    paid(first, method=method)
    assert balance(alice) == 20


def test_payment_when_the_customer_canceled_the_request_then_credited_all_the_same(alice):
    method = signed_method()
    deposit = make.pending_deposit(alice, method=method[0])
    cancel_deposit(deposit=deposit)
    paid(deposit, method=method)
    deposit.refresh_from_db()
    assert (balance(alice), deposit.state) == (20, "approved")


# -- what waits for staff --------------------------------------------------------------------------------


def refuse(deposit):
    refuse_deposit(deposit_id=deposit.pk, reason="Nothing came in.", actor=make.owner())


def approve(deposit):
    approve_deposit(deposit_id=deposit.pk, credited=20 * MICRO, actor=make.owner())


@pytest.mark.parametrize(
    ("prepare", "fields", "hold"),
    [
        (None, {"reference": "no idea"}, "unknown_reference"),
        (None, {"deposit": 999_999}, "unknown_reference"),
        (None, {"deposit": 1, "currency": "EUR"}, "currency"),
        (refuse, {}, "refused"),
        (approve, {}, "by_hand"),
    ],
)
def test_payment_when_in_doubt_then_held_told_and_nothing_credited(alice, prepare, fields, hold):
    method = signed_method()
    deposit = make.pending_deposit(alice, method=method[0])
    if prepare:
        prepare(deposit)
    before = balance(alice)
    payment = paid(deposit, method=method, **fields)
    assert (payment.state, payment.hold, payment.credited) == ("held", hold, 0)
    assert balance(alice) == before
    assert Alert.objects.filter(cause=f"payment:{payment.pk}:held", resolved_at=None).exists()
    assert credit_payment(payment_id=payment.pk).state == "held"


@pytest.mark.parametrize(
    ("limits", "amounts", "credited", "hold"),
    [
        ({"max_payment": 50 * MICRO}, ["50", "50.01"], 50, "over_call"),
        ({"max_day": 50 * MICRO}, ["30", "20", "0.01"], 50, "over_day"),
    ],
)
def test_payment_when_above_a_limit_then_held_and_those_below_credited(alice, limits, amounts, credited, hold):
    method = signed_method(**limits)
    for amount in amounts:
        payment = paid(make.pending_deposit(alice, method=method[0]), method=method, amount=amount)
    assert (balance(alice), payment.hold) == (credited, hold)


# -- what staff decide -----------------------------------------------------------------------------------


@pytest.fixture
def held(alice):
    """A payment whose reference nobody knows, and the request that it belongs to."""
    method = signed_method(bonus_bp=1_000)
    deposit = make.pending_deposit(alice, method=method[0])
    return paid(deposit, method=method, reference="from Alice"), deposit


def test_held_payment_when_credited_by_staff_then_once_and_by_name(held, alice):
    payment, deposit = held
    owner = make.owner()
    credit_held_payment(payment_id=payment.pk, deposit=deposit, actor=owner, came_in=payment.came_in)
    with pytest.raises(PaymentMoved):
        credit_held_payment(payment_id=payment.pk, deposit=deposit, actor=owner, came_in=payment.came_in)
    payment.refresh_from_db()
    assert (balance(alice), payment.state, payment.decided_by) == (22, "credited", owner)
    assert not Alert.objects.filter(cause=f"payment:{payment.pk}:held", resolved_at=None).exists()
    assert not find_breaches()


def test_held_payment_when_dismissed_then_never_credited(held, alice):
    payment, deposit = held
    dismiss(payment_id=payment.pk, actor=make.owner(), note="Paid for something else.")
    assert credit_payment(payment_id=payment.pk).state == "dismissed"
    with pytest.raises(PaymentMoved):
        credit_held_payment(
            payment_id=payment.pk, deposit=deposit, actor=make.owner("bob@example.org"), came_in=payment.came_in
        )
    assert balance(alice) == 0


def test_held_payment_when_of_the_actors_own_account_then_refused(held):
    payment, _ = held
    owner = make.owner()
    own = request_deposit(customer=owner, method=payment.method, amount=20 * MICRO, request_key="own").deposit
    with pytest.raises(OwnAccount):
        credit_held_payment(payment_id=payment.pk, deposit=own, actor=owner, came_in=payment.came_in)


# -- references ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["{}", "REF {} /JOHN", "{}.", "order:{}", "thanks{}", "a {} b c"])
def test_reference_when_the_code_stands_in_a_text_then_found(alice, text):
    deposit = make.pending_deposit(alice)
    shown = shown_code(deposit.code)
    found = [deposit_of(reference=text.format(one)) for one in (shown, shown.lower(), shown.replace("-", " "))]
    assert found == ([deposit] * 3 if not text.startswith("thanks") else [None, None, None])


def test_reference_when_it_names_two_requests_then_nobody_guesses(alice):
    first, second = make.pending_deposit(alice), make.pending_deposit(alice)
    assert deposit_of(reference=f"{first.code} {second.code}") is None


def test_codes_when_a_text_is_long_or_strange_then_few_and_quick():
    assert len(codes_in("7F3C9A2K " * 10_000)) <= 40
    assert codes_in("\u0131\u00df\u1e9e") == []


# -- tricks ----------------------------------------------------------------------------------------------


def test_reference_when_it_is_a_number_then_nobodys_request(alice):
    method = signed_method()
    deposit = make.pending_deposit(alice, method=method[0])
    for text in (f"#{deposit.pk}", str(deposit.pk), f"order {deposit.pk}"):
        assert paid(deposit, method=method, reference=text).hold == "unknown_reference"
    assert balance(alice) == 0


def test_payment_when_number_and_code_disagree_then_held(alice):
    method = signed_method()
    first, second = (make.pending_deposit(alice, method=method[0]) for _ in range(2))
    assert paid(first, method=method, reference=second.code, deposit=first.pk).hold == "unknown_reference"


def test_payment_when_its_request_is_for_another_method_then_held(alice):
    rich = make.payment_method(name="Rich", bonus_bp=10_000)
    assert paid(make.pending_deposit(alice, method=rich), method=signed_method()).hold == "other_method"
    assert balance(alice) == 0


def test_payment_when_the_account_is_closed_then_held_and_nobody_credits_it(alice):
    method = signed_method()
    deposit = make.pending_deposit(alice, method=method[0])
    type(alice).objects.filter(pk=alice.pk).update(closed_at=timezone.now())
    payment = paid(deposit, method=method)
    assert payment.hold == "closed"
    with pytest.raises(CannotCredit):
        credit_held_payment(payment_id=payment.pk, deposit=deposit, actor=make.owner(), came_in=payment.came_in)


def test_held_payment_when_its_figure_changed_since_it_was_read_then_refused(held):
    payment, deposit = held
    with pytest.raises(PaymentMoved):
        credit_held_payment(payment_id=payment.pk, deposit=deposit, actor=make.owner(), came_in=1)


def test_round_when_one_payment_cannot_be_credited_then_the_others_are(alice, monkeypatch):
    method, secret = signed_method()
    for _ in range(3):
        send(method, secret, arrival_of(deposit=make.pending_deposit(alice, method=method).pk))
    poisoned, credit = Payment.objects.order_by("pk").first().pk, crediting.credit_payment

    def spoil(*, payment_id):
        if payment_id == poisoned:
            raise ValueError("poison")
        return credit(payment_id=payment_id)

    monkeypatch.setattr(crediting, "credit_payment", spoil)
    assert credit_due_payments() == 3
    assert balance(alice) == 40
    assert Payment.objects.get(pk=poisoned).due_at > timezone.now()
