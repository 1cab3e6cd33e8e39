"""Amounts by which requests are told apart: no two open ones of a method ask for the same."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from billing import unique_amounts
from billing.deposits import AlreadyRequested, DepositRefused, approve_deposit, cancel_deposit, request_deposit
from billing.models import Deposit
from panel.lib.money import CENT, MICRO, smallest_unit
from tests import make
from tests.scenes import at_once

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("invariants_hold")]


@pytest.fixture
def method():
    return make.payment_method(has_unique_amounts=True)


def asked_of(number, method, amount="50"):
    return make.pending_deposit(make.customer(f"c{number}@example.org"), amount, method=method).amount


def test_amounts_when_several_are_open_then_each_is_another_a_few_cents_above(method):
    asked = [asked_of(number, method) for number in range(6)]
    assert len(set(asked)) == 6
    assert all(0 < amount - 50 * MICRO <= 99 * CENT and amount % CENT == 0 for amount in asked)


def test_amount_when_finer_than_a_cent_then_asked_in_cents(method):
    deposit = make.pending_deposit(make.customer(), "50.001", method=method)
    assert deposit.amount % CENT == 0
    assert deposit.amount - deposit.raised == 50_001_000


def test_amount_when_the_method_tells_by_reference_then_as_typed():
    deposit = make.pending_deposit(make.customer(), "50")
    assert (deposit.amount, deposit.raised) == (50 * MICRO, 0)


def test_amount_when_one_was_asked_before_the_option_then_not_asked_again(method, monkeypatch):
    monkeypatch.setattr(unique_amounts, "MAX_UNITS", 1)
    type(method).objects.update(has_unique_amounts=False)
    make.pending_deposit(make.customer("before@example.org"), "50.01", method=method)
    type(method).objects.update(has_unique_amounts=True)
    with pytest.raises(DepositRefused):
        asked_of(1, method)


def test_amounts_when_all_are_taken_then_refused_in_words_until_one_is_over(method, monkeypatch):
    monkeypatch.setattr(unique_amounts, "MAX_UNITS", 2)
    first = make.pending_deposit(make.customer("first@example.org"), "50", method=method)
    asked_of(1, method)
    with pytest.raises(DepositRefused, match="another amount") as refusal:
        asked_of(2, method)
    assert refusal.value.field == "amount"
    assert Deposit.objects.count() == 2
    cancel_deposit(deposit=first)
    assert asked_of(3, method) == first.amount


def test_amounts_when_taken_by_expired_ones_then_theirs_are_given_up_last(method, monkeypatch):
    monkeypatch.setattr(unique_amounts, "MAX_UNITS", 2)
    old = make.pending_deposit(make.customer("old@example.org"), "50", method=method)
    Deposit.objects.update(expires_at=timezone.now() - timedelta(days=1))
    assert asked_of(1, method) != old.amount
    assert asked_of(2, method) == old.amount
    with pytest.raises(DepositRefused):
        asked_of(3, method)


def test_amounts_when_some_were_decided_lately_then_theirs_come_last_and_oldest(method, staff, monkeypatch):
    """The bank's line of a request that was approved by hand may still come, and would be taken for the next one's."""
    monkeypatch.setattr(unique_amounts, "MAX_UNITS", 3)
    first, second = (make.pending_deposit(make.customer(f"{n}@example.org"), "50", method=method) for n in "ab")
    cancel_deposit(deposit=first)
    approve_deposit(deposit_id=second.pk, credited=second.amount, actor=staff)
    Deposit.objects.filter(pk=second.pk).update(decided_at=timezone.now() - timedelta(days=9))
    asked = [asked_of(number, method) for number in range(3)]
    assert asked[0] not in (first.amount, second.amount)
    assert asked[1:] == [second.amount, first.amount]


def test_amount_when_decided_long_ago_then_asked_again(method, monkeypatch):
    monkeypatch.setattr(unique_amounts, "MAX_UNITS", 1)
    cancel_deposit(deposit=make.pending_deposit(make.customer(), "50", method=method))
    Deposit.objects.update(decided_at=timezone.now() - timedelta(days=31))
    assert asked_of(1, method) == 50 * MICRO + CENT


@pytest.mark.parametrize("amounts", [("20.90", "19.90"), ("19.90", "20.90")])
def test_amounts_when_the_fee_changed_then_none_is_to_be_paid_twice(method, monkeypatch, amounts):
    """20.91 without a fee, and 19.91 with a dollar of it."""
    monkeypatch.setattr(unique_amounts, "CHOICE", 1)
    fees = [{"fee_fixed": MICRO * (amount == "19.90"), "fee_payer": "customer"} for amount in amounts]
    for number, (amount, fee) in enumerate(zip(amounts, fees, strict=True)):
        type(method).objects.update(**fee)
        asked_of(number, method, amount)
    second, first = Deposit.objects.all()
    assert first.to_pay == 20 * MICRO + 91 * CENT
    assert second.to_pay == 20 * MICRO + 92 * CENT


def test_request_when_its_form_is_sent_again_then_the_same_amount(method, customer):
    values = {"customer": customer, "method": method, "request_key": "a" * 32}
    first = request_deposit(amount=50 * MICRO, **values)
    again = request_deposit(amount=50 * MICRO, **values)
    assert (again.created, again.deposit.amount) == (False, first.deposit.amount)
    with pytest.raises(AlreadyRequested, match=r"for \$50\.00"):
        request_deposit(amount=60 * MICRO, **values)


def test_approval_when_the_raised_amount_came_then_all_of_it_is_added(method, customer, staff):
    deposit = make.pending_deposit(customer, "50", method=method)
    approve_deposit(deposit_id=deposit.pk, credited=deposit.amount, actor=staff)
    deposit.refresh_from_db()
    assert deposit.credited == deposit.amount > 50 * MICRO


def test_database_when_two_open_ones_ask_the_same_then_refused(method):
    deposit = make.pending_deposit(make.customer(), "50", method=method)
    with pytest.raises(IntegrityError), transaction.atomic():
        Deposit.objects.create(
            customer=make.customer("b@example.org"), method=method, amount=deposit.amount, raised=1, request_key="b"
        )


@pytest.mark.parametrize(("currency", "unit"), [("USD", CENT), ("JPY", MICRO), ("VND", MICRO), ("XYZ", CENT)])
def test_smallest_unit_when_the_currency_has_cents_or_none(currency, unit):
    assert smallest_unit(currency) == unit


@pytest.mark.django_db(transaction=True)
def test_requests_when_many_come_at_once_then_each_asks_another(method, monkeypatch):
    monkeypatch.setattr(unique_amounts, "CHOICE", 1)
    people = [make.customer(f"c{number}@example.org") for number in range(8)]
    made = at_once(8, lambda number: make.pending_deposit(people[number], "50", method=method))
    assert sorted(one.amount - 50 * MICRO for one in made) == [(number + 1) * CENT for number in range(8)]
