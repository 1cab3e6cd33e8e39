"""How much goes back: a table with the numbers in the open, and what holds for all numbers.

Unless a row says otherwise: 100 ordered for $0.25, expected to cost us $0.20. So one of them is worth
$0.0025 to the customer, and a charge that agrees with `remains` is within $0.01 of $0.002 × delivered.
"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orders.refunds import Contradiction, Refund, Sold, refund_due
from orders.states import Status

SOLD = Sold(quantity=100, charge=250_000, expected_cost=200_000)
PACKAGE = Sold(quantity=1, charge=3_750_000, expected_cost=3_000_000)
TINY = Sold(quantity=3, charge=10, expected_cost=8)
ONE_MICRO = Sold(quantity=1_000, charge=1, expected_cost=1)
FREE = Sold(quantity=100, charge=250_000, expected_cost=0)
BIG = Sold(quantity=10_000, charge=25_000_000, expected_cost=20_000_000)
NO_MONEY = "no money moves"

P, C = Status.PARTIAL, Status.CANCELED

# sold, status, remains, returned charge → refund in all, or NO_MONEY
TABLE = [
    # Partial by remains, no charge stated.
    (SOLD, P, 0, None, 0),
    (SOLD, P, 1, None, 2_500),
    (SOLD, P, 50, None, 125_000),
    (SOLD, P, 99, None, 247_500),
    (SOLD, P, 100, None, 250_000),
    (SOLD, P, 150, None, 250_000),
    (SOLD, P, 10**15, None, 250_000),
    (SOLD, P, -1, None, 0),
    (SOLD, P, -10, None, 0),
    (SOLD, P, -(10**15), None, 0),
    # Partial, charge and remains agree.
    (SOLD, P, 0, 200_000, 0),
    (SOLD, P, 40, 120_000, 100_000),
    (SOLD, P, 40, 130_000, 100_000),
    (SOLD, P, 40, 110_000, 100_000),
    (SOLD, P, 100, 0, 250_000),
    (SOLD, P, 150, 0, 250_000),
    (SOLD, P, -10, 200_000, 0),
    (BIG, P, 5_000, 11_000_000, 12_500_000),
    # Partial, charge and remains contradict each other.
    (SOLD, P, 40, 130_001, NO_MONEY),
    (SOLD, P, 40, 109_999, NO_MONEY),
    (SOLD, P, 0, 0, NO_MONEY),
    (SOLD, P, 50, 0, NO_MONEY),
    (SOLD, P, 50, 200_000, NO_MONEY),
    (SOLD, P, 100, 200_000, NO_MONEY),
    (SOLD, P, 150, 200_000, NO_MONEY),
    (SOLD, P, 10, 10**15, NO_MONEY),
    (BIG, P, 5_000, 11_000_001, NO_MONEY),
    (BIG, P, 5_000, 8_999_999, NO_MONEY),
    # Partial, remains unusable: the share that was not charged.
    (SOLD, P, None, None, NO_MONEY),
    (SOLD, P, None, 0, 250_000),
    (SOLD, P, None, 50_000, 187_500),
    (SOLD, P, None, 100_000, 125_000),
    (SOLD, P, None, 100_001, 122_500),
    (SOLD, P, None, 200_000, 0),
    (SOLD, P, None, 210_000, 0),
    (SOLD, P, None, 210_001, NO_MONEY),
    (FREE, P, None, 0, NO_MONEY),
    # Canceled: all, unless charge and remains agree that a part was delivered and charged.
    (SOLD, C, 100, 0, 250_000),
    (SOLD, C, 100, None, 250_000),
    (SOLD, C, 0, None, 250_000),
    (SOLD, C, 0, 0, 250_000),
    (SOLD, C, 37, None, 250_000),
    (SOLD, C, 37, 0, 250_000),
    (SOLD, C, None, None, 250_000),
    (SOLD, C, None, 0, 250_000),
    (SOLD, C, None, 200_000, 250_000),
    (SOLD, C, -10, None, 250_000),
    (SOLD, C, 150, 200_000, 250_000),
    (SOLD, C, 100, 200_000, 250_000),
    (SOLD, C, 40, 120_000, 100_000),
    (SOLD, C, 40, 200_000, NO_MONEY),
    (SOLD, C, 40, 1, NO_MONEY),
    (SOLD, C, 0, 200_000, NO_MONEY),
    (SOLD, C, -10, 200_000, NO_MONEY),
    # One package.
    (PACKAGE, P, 0, None, 0),
    (PACKAGE, P, 1, None, 3_750_000),
    (PACKAGE, P, 1, 0, 3_750_000),
    (PACKAGE, P, 0, 3_000_000, 0),
    (PACKAGE, P, None, 0, 3_750_000),
    (PACKAGE, P, None, 1_500_000, NO_MONEY),
    (PACKAGE, C, 1, 0, 3_750_000),
    (PACKAGE, C, 0, 3_000_000, NO_MONEY),
    (PACKAGE, C, None, None, 3_750_000),
    # Tiny amounts: rounded down, and a provider that rounds to cents contradicts nobody.
    (TINY, P, 1, None, 3),
    (TINY, P, 2, None, 6),
    (TINY, P, 3, None, 10),
    (TINY, P, 1, 10_000, 3),
    (TINY, P, 1, 0, 3),
    (TINY, C, 3, 0, 10),
    (ONE_MICRO, P, 999, None, 0),
    (ONE_MICRO, P, 1_000, None, 1),
    (ONE_MICRO, C, 0, 0, 1),
    # What has not ended, or was delivered, gives nothing back.
    (SOLD, Status.COMPLETED, 0, 200_000, 0),
    (SOLD, Status.COMPLETED, 100, 0, 0),
    (SOLD, Status.COMPLETED, None, None, 0),
    (SOLD, Status.IN_PROGRESS, 50, 100_000, 0),
    (SOLD, Status.PENDING, 100, 0, 0),
    (SOLD, Status.PROCESSING, None, None, 0),
]


@pytest.mark.parametrize(("sold", "status", "remains", "charge", "expected"), TABLE)
def test_refund_when_the_provider_says_so_then_it_is_this(sold, status, remains, charge, expected):
    """Remains 150 of 100 gave back 150 %, remains −10 debited the customer; Partial with nothing remaining
    gave everything back, Canceled with nothing remaining gave nothing."""
    due = refund_due(sold, status=status, remains=remains, upstream_charge=charge)
    if expected == NO_MONEY:
        assert isinstance(due, Contradiction)
    else:
        assert isinstance(due, Refund)
        assert due.target == expected


def test_contradiction_when_told_to_staff_then_both_numbers_are_there():
    due = refund_due(SOLD, status=P, remains=50, upstream_charge=200_000)
    assert due == Contradiction("It says that 50 of 100 remain, but charged 0.2 of an expected 0.2.")


amounts = st.integers(min_value=1, max_value=10**15)
quantities = st.integers(min_value=1, max_value=10**15)
numbers = st.integers(min_value=-(10**15), max_value=10**15)
remains_of_all_kinds = st.one_of(st.none(), numbers)
charges = st.one_of(st.none(), st.integers(min_value=0, max_value=10**15))
sold_of_all_kinds = st.builds(
    Sold, quantity=quantities, charge=amounts, expected_cost=st.integers(min_value=0, max_value=10**15)
)


@given(sold=sold_of_all_kinds, status=st.sampled_from(list(Status)), remains=remains_of_all_kinds, charge=charges)
def test_refund_whatever_is_said_then_it_is_between_nothing_and_the_charge(sold, status, remains, charge):
    due = refund_due(sold, status=status, remains=remains, upstream_charge=charge)
    if isinstance(due, Refund):
        assert 0 <= due.target <= sold.charge
        assert 0 <= due.undelivered <= sold.quantity
        assert isinstance(due.target, int)
        # Rounded down, and by less than one micro-unit.
        assert due.target == sold.charge * due.undelivered // sold.quantity
    if status not in (P, C):
        assert due == Refund(0, 0)


@given(sold=sold_of_all_kinds, remains=st.lists(numbers, min_size=2, max_size=20))
def test_refund_when_more_remains_then_it_is_never_less(sold, remains):
    targets = []
    for one in sorted(remains):
        due = refund_due(sold, status=P, remains=one, upstream_charge=None)
        assert isinstance(due, Refund)
        targets.append(due.target)
    assert targets == sorted(targets)


@given(sold=sold_of_all_kinds, two=st.tuples(amounts, amounts))
def test_refund_when_less_was_charged_then_it_is_never_less(sold, two):
    less, more = sorted(two)
    dues = [refund_due(sold, status=P, remains=None, upstream_charge=charge) for charge in (less, more)]
    if all(isinstance(due, Refund) for due in dues):
        assert dues[0].target >= dues[1].target


@given(sold=sold_of_all_kinds, remains=st.integers(min_value=1, max_value=10**15), charge=charges)
def test_refund_when_all_remains_then_all_goes_back_or_nothing_moves(sold, remains, charge):
    due = refund_due(sold, status=P, remains=sold.quantity + remains, upstream_charge=charge)
    assert isinstance(due, Contradiction) or due.target == sold.charge
    assert refund_due(sold, status=C, remains=sold.quantity + remains, upstream_charge=charge) == Refund(
        sold.charge, sold.quantity
    )


@given(sold=sold_of_all_kinds, remains=remains_of_all_kinds)
def test_canceled_when_nothing_was_charged_then_all_goes_back(sold, remains):
    for charge in (None, 0):
        assert refund_due(sold, status=C, remains=remains, upstream_charge=charge) == Refund(sold.charge, sold.quantity)
