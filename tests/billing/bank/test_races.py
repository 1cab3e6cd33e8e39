"""The same line approved by two of the staff at once, two lines for one request, and one statement stored twice."""

from __future__ import annotations

import pytest

from billing.bank.decide import LineRefused, approve_line
from billing.bank.lines import store_lines
from billing.bank.read import Incoming
from billing.deposits import DecisionRefused, approve_deposit
from billing.models import BankLine, Deposit
from billing.wallets import balance_of
from panel.lib.money import MICRO
from panel.lib.panel_days import panel_day
from tests import make
from tests.threads import in_threads

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def alice():
    return make.customer("alice@example.org")


@pytest.fixture
def staff_of_two():
    return [make.owner("first@example.org"), make.owner("second@example.org")]


@pytest.fixture
def method():
    return make.payment_method()


def stored(method, actor, count=1):
    rows = [Incoming(place, panel_day(), 100 * MICRO, "a", place) for place in range(count)]
    store_lines(method=method, incoming=rows, actor=actor)
    return list(BankLine.objects.order_by("pk"))


def test_line_when_two_approve_it_at_once_then_one_credit(alice, staff_of_two, method):
    [line] = stored(method, staff_of_two[0])
    deposit = make.pending_deposit(alice, method=method)
    acts = [
        lambda actor=actor: approve_line(line_id=line.pk, deposit_id=deposit.pk, actor=actor) for actor in staff_of_two
    ]
    results = in_threads(*acts)
    assert [type(one) for one in results].count(Deposit) == 1
    assert all(isinstance(one, (Deposit, LineRefused, DecisionRefused)) for one in results), results
    assert balance_of(customer=alice) == 100 * MICRO


def test_line_when_two_approve_it_for_two_requests_at_once_then_one_credit(alice, staff_of_two, method):
    [line] = stored(method, staff_of_two[0])
    requests = [make.pending_deposit(alice, method=method) for _ in range(2)]
    acts = [
        lambda actor=actor, one=one: approve_line(line_id=line.pk, deposit_id=one.pk, actor=actor)
        for actor, one in zip(staff_of_two, requests, strict=True)
    ]
    results = in_threads(*acts)
    assert sorted(type(one).__name__ for one in results) == ["Deposit", "LineRefused"], results
    assert balance_of(customer=alice) == 100 * MICRO


def test_request_when_two_lines_are_approved_for_it_at_once_then_one_credit(alice, staff_of_two, method):
    lines = stored(method, staff_of_two[0], 2)
    deposit = make.pending_deposit(alice, method=method)
    acts = [
        lambda actor=actor, one=one: approve_line(line_id=one.pk, deposit_id=deposit.pk, actor=actor)
        for actor, one in zip(staff_of_two, lines, strict=True)
    ]
    results = in_threads(*acts)
    assert sorted(type(one).__name__ for one in results) == ["Deposit", "LineRefused"], results
    assert sorted(BankLine.objects.values_list("state", flat=True)) == ["approved", "waiting"]
    assert balance_of(customer=alice) == 100 * MICRO


def test_request_when_approved_by_hand_and_by_a_line_at_once_then_one_credit(alice, staff_of_two, method):
    [line] = stored(method, staff_of_two[0])
    deposit = make.pending_deposit(alice, method=method)
    first, second = staff_of_two
    results = in_threads(
        lambda: approve_line(line_id=line.pk, deposit_id=deposit.pk, actor=first),
        lambda: approve_deposit(deposit_id=deposit.pk, credited=100 * MICRO, actor=second),
    )
    assert sorted(type(one).__name__ for one in results) == ["AlreadyDecided", "Deposit"], results
    assert balance_of(customer=alice) == 100 * MICRO
    assert (BankLine.objects.get().state == "approved") is isinstance(results[0], Deposit)


def test_statement_when_stored_twice_at_once_then_each_line_once(staff_of_two, method):
    results = in_threads(*[lambda actor=actor: stored(method, actor, 50) for actor in staff_of_two])
    assert not [one for one in results if isinstance(one, BaseException)], results
    assert BankLine.objects.count() == 50
