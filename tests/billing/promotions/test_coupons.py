"""Coupons and bonuses by amount: what is promised, what is given, and who gets the last use."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import IntegrityError
from django.urls import reverse
from django.utils import timezone

from billing.bonus_terms import BonusTerms, check_tiers, read_words
from billing.deposits import DepositRefused, approve_deposit, cancel_deposit, refuse_deposit
from billing.intake.rounds import run_payments
from billing.models import Coupon, Deposit, Entry, Payment, PaymentMethod, Redemption
from billing.promotions.coupons import give_back_expired
from billing.wallets import balance_of
from panel.lib.money import MICRO
from panel.ops.invariants import find_breaches
from tests import make
from tests.billing.intake.calls import arrival_of, send, signed_method
from tests.threads import in_threads

pytestmark = pytest.mark.django_db


@pytest.fixture
def alice():
    return make.customer()


def coupon(code="WELCOME", **values):
    return Coupon.objects.create(code=code, **({"bonus_bp": 1_000} | values))


def balance(user):
    return balance_of(customer=user) / MICRO


def approve(deposit, amount):
    return approve_deposit(deposit_id=deposit.pk, credited=make.micros(amount), actor=make.owner())


# -- by amount -------------------------------------------------------------------------------------------

TERMS = BonusTerms.of(100, [(500 * MICRO, 500), (100 * MICRO, 300)])


@pytest.mark.parametrize(("amount", "bp"), [("99.999999", 100), ("100", 300), ("499.999999", 300), ("9999", 500)])
def test_bonus_when_by_amount_then_that_of_the_highest_tier_reached(amount, bp):
    assert TERMS.bp_of(make.micros(amount)) == bp


def test_words_when_carried_by_a_form_then_read_again_and_garbage_is_none():
    assert read_words(TERMS.words()) == TERMS
    assert [read_words(text) for text in ("", "x", "-1", "1;2", "1;" * 1_000)] == [None] * 5


@pytest.mark.parametrize("tiers", [[(0, 1)], [(1, 1), (1, 2)], [(1, 10_001)], [(n, 1) for n in range(1, 12)]])
def test_tiers_when_senseless_then_refused_in_words(tiers):
    with pytest.raises(ValueError, match=r".+"):
        check_tiers(tiers)


def test_bonus_when_paid_in_parts_then_as_if_at_once(alice):
    method, secret = signed_method(tiers=[(100 * MICRO, 1_000)])
    deposit = make.pending_deposit(alice, "100", method=method)
    PaymentMethod.objects.update(tiers=None)
    for amount, expected in (("60", 60), ("40", 110), ("0.01", 110.01)):
        send(method, secret, arrival_of(deposit=deposit.pk, amount=amount))
        run_payments()
        assert balance(alice) == expected
    assert not find_breaches()


# -- coupons ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "amount", "expected"),
    [
        ({}, "100", 115),
        ({"bonus_bp": 0, "amount": 7 * MICRO}, "100", 112),
        ({"minimum": 100 * MICRO}, "99", 103.95),
    ],
)
def test_coupon_when_redeemed_then_added_beside_the_bonus(alice, values, amount, expected):
    coupon(**values)
    deposit = make.pending_deposit(alice, "100", method=make.payment_method(bonus_bp=500), coupon=" welcome ")
    approve(deposit, amount)
    assert balance(alice) == expected
    assert not find_breaches()


def test_coupon_when_changed_after_the_promise_then_the_promise_holds(alice):
    coupon()
    deposit = make.pending_deposit(alice, "100", coupon="WELCOME")
    Coupon.objects.update(bonus_bp=1, is_active=False, ends_at=timezone.now())
    approve(deposit, "100")
    assert balance(alice) == 110


DAY = timedelta(days=1)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"is_active": False}, "no such coupon"),
        ({"starts_at": timezone.now() + DAY}, "no such coupon"),
        ({"ends_at": timezone.now() - DAY}, "has ended"),
        ({"minimum": 101 * MICRO}, "for \\$101.00 or more"),
        ({"max_uses": 0}, "used up"),
        ({"max_uses_each": 0}, "used this coupon already"),
    ],
)
def test_coupon_when_not_to_be_used_then_refused_with_why(alice, values, words):
    coupon(**values)
    with pytest.raises(DepositRefused, match=words) as refused:
        make.pending_deposit(alice, "100", coupon="WELCOME")
    assert refused.value.field == "coupon"
    assert not Deposit.objects.exists()


def test_coupon_when_of_other_methods_then_refused(alice):
    coupon().methods.add(make.payment_method(name="Other"))
    with pytest.raises(DepositRefused, match="not for this way"):
        make.pending_deposit(alice, "100", method=make.payment_method(), coupon="WELCOME")


def test_coupon_when_for_the_first_deposit_then_neither_twice_waiting_nor_later(alice):
    coupon(is_for_first=True, max_uses_each=9)
    first = make.pending_deposit(alice, "100", coupon="WELCOME")
    for _ in range(2):
        with pytest.raises(DepositRefused, match="first deposit only"):
            make.pending_deposit(alice, "100", coupon="WELCOME")
        if first.state == "pending":
            first = approve(first, "100")


def test_coupon_when_unknown_then_said_at_the_field(client, alice):
    method = make.payment_method()
    client.force_login(alice)
    typed = {"method": method.pk, "amount": "100", "coupon": "NOPE", "request_key": "a" * 32}
    shown = client.post(reverse("add_funds"), typed).content.decode()
    assert "no such coupon" in shown
    assert 'value="NOPE"' in shown
    preview = client.get(reverse("add_funds_preview"), typed).content.decode()
    assert "no such coupon" in preview


# -- giving back -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["cancel", "refuse", "expire"])
def test_coupon_when_nothing_comes_of_the_request_then_free_again_once(alice, how):
    coupon(max_uses=1)
    deposit = make.pending_deposit(alice, "100", coupon="WELCOME")
    if how == "cancel":
        cancel_deposit(deposit=deposit)
    elif how == "refuse":
        refuse_deposit(deposit_id=deposit.pk, reason="No.", actor=make.owner())
    else:
        Deposit.objects.update(expires_at=timezone.now() - DAY)
        assert give_back_expired() == 1
    assert give_back_expired() == 0
    assert Coupon.objects.get().uses == 0
    make.pending_deposit(make.customer("bob@example.org"), "100", coupon="WELCOME")


@pytest.mark.parametrize(("is_taken", "expected"), [(False, 22), (True, 20)])
def test_coupon_when_the_money_comes_late_then_given_if_it_has_a_use_left(alice, is_taken, expected):
    coupon(max_uses=1)
    method, secret = signed_method()
    late = make.pending_deposit(alice, "20", method=method, coupon="WELCOME")
    Deposit.objects.update(expires_at=timezone.now() - DAY)
    run_payments()
    if is_taken:
        make.pending_deposit(make.customer("bob@example.org"), "20", method=method, coupon="WELCOME")
    send(method, secret, arrival_of(deposit=late.pk))
    run_payments()
    assert balance(alice) == expected
    assert Coupon.objects.get().uses == 1
    assert Payment.objects.get().bonus == (expected - 20) * MICRO


# -- the database ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "values", [{"bonus_bp": 0}, {"amount": 1}, {"bonus_bp": 10_001}, {"max_uses": 1, "uses": 2}, {"minimum": -1}]
)
def test_database_when_a_coupon_is_overused_or_senseless_then_refused(values):
    with pytest.raises(IntegrityError):
        coupon(**values)


@pytest.mark.django_db(transaction=True)
def test_last_use_when_fifty_want_it_at_once_then_exactly_one_gets_it():
    coupon(max_uses=1)
    method = make.payment_method()
    people = [make.customer(f"c{number}@example.org") for number in range(50)]

    def ask(person):
        return lambda: make.pending_deposit(person, "100", method=method, coupon="WELCOME")

    results = in_threads(*[ask(person) for person in people])
    assert sum(isinstance(result, Deposit) for result in results) == 1
    assert all(isinstance(result, Deposit | DepositRefused) for result in results)
    assert (Coupon.objects.get().uses, Redemption.objects.count(), Deposit.objects.count()) == (1, 1, 1)
    assert not Entry.objects.exists()


# -- tricks ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["cancel", "expire"])
def test_coupon_when_requested_often_then_used_as_often_as_allowed(alice, how):
    coupon(is_for_first=True, bonus_bp=10_000)
    method, secret = signed_method()
    requests = []
    for _ in range(3):
        requests.append(make.pending_deposit(alice, "20", method=method, coupon="WELCOME"))
        if how == "cancel":
            cancel_deposit(deposit=requests[-1])
        else:
            Deposit.objects.update(expires_at=timezone.now() - DAY)
            run_payments()
    for request in requests:
        send(method, secret, arrival_of(deposit=request.pk))
        run_payments()
    assert balance(alice) == (60 if how == "cancel" else 80)
    assert Coupon.objects.get().uses == (how == "expire")
    assert not find_breaches()


def test_coupon_of_an_amount_when_a_cent_comes_then_nothing_on_top(alice):
    coupon(bonus_bp=0, amount=10 * MICRO)
    method, secret = signed_method()
    deposit = make.pending_deposit(alice, "20", method=method, coupon="WELCOME")
    send(method, secret, arrival_of(deposit=deposit.pk, amount="0.01"))
    run_payments()
    assert balance(alice) == 0.01


def test_coupon_when_money_comes_while_it_is_given_back_then_not_given_twice(alice):
    coupon(max_uses=1)
    method, secret = signed_method()
    deposit = make.pending_deposit(alice, "20", method=method, coupon="WELCOME")
    send(method, secret, arrival_of(deposit=deposit.pk))
    run_payments()
    Deposit.objects.update(expires_at=timezone.now() - DAY)
    assert give_back_expired() == 0
    assert Coupon.objects.get().uses == 1
