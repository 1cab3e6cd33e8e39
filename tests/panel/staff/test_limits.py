"""Limits: which one holds for whom, what is within it, and two acts at once."""

from __future__ import annotations

from uuid import uuid4

import pytest
from django.db import transaction
from django.db.models import F

from billing.adjusting import adjust_wallet
from billing.models import Entry
from billing.wallets import wallet_of
from panel.accounts.models import User
from panel.accounts.roles import MANAGER, OWNER, SUPPORT
from panel.staff import deeds, limits
from panel.staff.deeds import AboveLimit
from panel.staff.kinds import DEFAULTS, Kind, Limit
from panel.staff.limits import alert_threshold, is_raised, limit_of, role_of, why_above
from panel.staff.models import StaffDay, StaffDeed, StaffLimit
from tests import make
from tests.threads import in_threads

LIMIT = Limit(at_once=100, a_day=250)


@pytest.mark.parametrize(
    ("amount", "moved", "words"),
    [
        (100, 0, ""),
        (101, 0, "above your limit of $0.0001 at once"),
        (100, 150, ""),
        (100, 151, "above your limit of $0.00025 a day, of which $0.000099 is left today"),
        (1, 250, "of which $0.00 is left today"),
        (1, 999, "of which $0.00 is left today"),
    ],
)
def test_limit_when_an_amount_is_asked_then_within_or_told_why(amount, moved, words):
    why = why_above(limit=LIMIT, amount=amount, moved=moved)
    assert words in why and bool(words) == bool(why)


def test_limit_when_zero_then_everything_takes_a_second_person():
    assert "moves nothing of this kind alone" in why_above(limit=Limit(0, 0), amount=1, moved=0)


@pytest.mark.parametrize(
    ("after", "raised"),
    [(LIMIT, False), (Limit(99, 250), False), (Limit(101, 250), True), (Limit(100, 251), True), (Limit(1, 251), True)],
)
def test_limit_when_changed_then_raised_if_either_part_rises(after, raised):
    assert is_raised(LIMIT, after) is raised


def test_defaults_when_roles_are_compared_then_the_higher_has_more():
    for kind in Kind:
        support, manager, owner = (DEFAULTS[role, kind] for role in (SUPPORT, MANAGER, OWNER))
        assert support.at_once <= manager.at_once <= owner.at_once
        assert support.a_day <= manager.a_day <= owner.a_day
        assert owner.at_once <= owner.a_day <= 25_000_000_000


@pytest.mark.django_db
def test_role_when_a_person_has_several_then_the_highest_counts():
    user = make.staff_member(SUPPORT)
    assert role_of(user) == SUPPORT
    user.groups.add(*make.Group.objects.filter(name=MANAGER))
    assert role_of(user) == MANAGER
    assert role_of(make.owner()) == OWNER
    assert role_of(make.customer("accountant@example.org")) == SUPPORT


@pytest.mark.django_db
def test_limit_when_stored_then_the_default_gives_way():
    user = make.staff_member(MANAGER)
    assert limit_of(user=user, kind=Kind.REFUND) == DEFAULTS[MANAGER, Kind.REFUND]
    StaffLimit.objects.create(role=MANAGER, kind=Kind.REFUND, at_once=5, a_day=7)
    assert limit_of(user=user, kind=Kind.REFUND) == Limit(5, 7)
    assert alert_threshold().at_once == 1_000_000_000


# -- credits of an owner, one after the other and at once ---------------------------------------------


def credit(actor: User, customer: User, amount: str, *, key: str = "", kind: str = "adjustment"):
    return adjust_wallet(
        wallet=wallet_of(customer=customer),
        amount=make.micros(amount),
        kind=kind,
        reason="x",
        request_key=key or uuid4().hex,
        actor=actor,
    )


def test_credit_when_above_the_limit_at_once_then_nothing_moves(staff, customer):
    with pytest.raises(AboveLimit, match="at once"):
        credit(staff, customer, "1000000")
    assert make.wallet(customer).balance == 10_000_000
    assert not StaffDay.objects.exists() and not StaffDeed.objects.exists()


def test_credit_when_the_day_is_used_up_then_nothing_moves_till_tomorrow(staff, customer, monkeypatch):
    for _ in range(5):
        credit(staff, customer, "1000")
    with pytest.raises(AboveLimit, match="a day"):
        credit(staff, customer, "0.000001")
    with pytest.raises(AboveLimit, match="a day"):
        credit(staff, customer, "-1")
    credit(staff, customer, "1", kind="bonus")  # A limit of its own.
    today = limits._today()
    monkeypatch.setattr(limits, "_today", lambda: today.replace(year=today.year + 1))
    credit(staff, customer, "1000")
    assert StaffDeed.objects.count() == 7


def test_credit_when_its_form_is_sent_twice_then_counted_once(staff, customer):
    key = uuid4().hex
    assert [credit(staff, customer, "600", key=key).created for _ in range(2)] == [True, False]
    assert (StaffDay.objects.get().moved, StaffDeed.objects.count()) == (600_000_000, 1)


def test_debit_when_taken_then_it_counts_like_a_credit(staff, customer):
    credit(staff, customer, "-4")
    assert (StaffDay.objects.get().moved, StaffDeed.objects.get().amount) == (4_000_000, -4_000_000)


def race(staff: User, customer: User) -> int:
    """Two credits of $600 at the same time, of a limit of $1,000 a day; return how many were posted."""
    StaffLimit.objects.create(role=OWNER, kind=Kind.CREDIT, at_once=600_000_000, a_day=1_000_000_000)
    results = in_threads(*[lambda: credit(staff, customer, "600")] * 2)
    assert {type(one).__name__ for one in results} <= {"Posting", "AboveLimit"}, results
    return Entry.objects.filter(kind="adjustment").count()


@pytest.mark.django_db(transaction=True)
def test_day_when_two_acts_come_at_once_then_one_passes(staff, customer):
    assert race(staff, customer) == 1


@pytest.mark.django_db(transaction=True)
def test_day_when_the_guard_is_off_then_both_pass(staff, customer, monkeypatch):
    """The race is real: with check-then-write both are within the limit."""
    from threading import Barrier

    both = Barrier(2)

    def unguarded(*, user: User, kind: str, amount: int) -> str:
        return ""

    monkeypatch.setattr(deeds, "count_moved", unguarded)
    real = adjust_wallet

    def checked_first(**values):
        row, _ = StaffDay.objects.get_or_create(person=staff, kind=Kind.CREDIT, day=limits._today())
        if row.moved + values["amount"] > 1_000_000_000:
            raise AboveLimit("above", kind=Kind.CREDIT, amount=values["amount"])
        both.wait(30)
        with transaction.atomic():
            StaffDay.objects.filter(pk=row.pk).update(moved=F("moved") + values["amount"])
            return real(**values)

    monkeypatch.setitem(globals(), "adjust_wallet", checked_first)
    assert race(staff, customer) == 2
