"""How much is refunded: tables of cases, and properties that hold for all numbers.

Amounts are in whole units: 0.25 is 250,000 micro-units. A charge agrees with `remains` if it differs from the cost of
the delivered part by at most 5% of the expected cost, or by a cent if that is more.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orders.refunds.policy import Contradiction, Refund, charges_beyond, overcharged, refund_due
from orders.states import Status
from panel.lib.money import exact_micros
from tests import make

SOLD = make.SoldOrder(quantity=100, charge=250_000, expected_cost=200_000)

# `due` is what should have been refunded in all, or "review": then no money moves. "-" is nothing usable.
TABLE = """
what                                | status      | quantity | charge  | cost | remains | returned  | due

Partial with no returned charge: by remains.
nothing remains                     | partial     | 100      | 0.25    | 0.20 | 0       | -         | 0
one remains                         | partial     | 100      | 0.25    | 0.20 | 1       | -         | 0.0025
half remains                        | partial     | 100      | 0.25    | 0.20 | 50      | -         | 0.125
all but one remain                  | partial     | 100      | 0.25    | 0.20 | 99      | -         | 0.2475
all remain                          | partial     | 100      | 0.25    | 0.20 | 100     | -         | 0.25
one more than all                   | partial     | 100      | 0.25    | 0.20 | 101     | -         | 0.25
half more than all                  | partial     | 100      | 0.25    | 0.20 | 150     | -         | 0.25
absurdly many                       | partial     | 100      | 0.25    | 0.20 | 1e15    | -         | 0.25
one below nothing                   | partial     | 100      | 0.25    | 0.20 | -1      | -         | 0
ten below nothing                   | partial     | 100      | 0.25    | 0.20 | -10     | -         | 0
absurdly few                        | partial     | 100      | 0.25    | 0.20 | -1e15   | -         | 0

Rounded down, never up.
a third of ten micro-units          | partial     | 3        | 0.00001 | 0.00 | 1       | -         | 0.000003
two thirds of ten micro-units       | partial     | 3        | 0.00001 | 0.00 | 2       | -         | 0.000006
three sevenths of one               | partial     | 7        | 1       | 0.80 | 3       | -         | 0.428571
999 thousandths of a micro-unit     | partial     | 1000     | 1e-6    | 1e-6 | 999     | -         | 0
all of a micro-unit                 | partial     | 1000     | 1e-6    | 1e-6 | 1000    | -         | 0.000001

Partial, remains and returned charge agree, to the edge: 60 delivered should cost 0.12.
40 remain, charged exactly          | partial     | 100      | 0.25    | 0.20 | 40      | 0.12      | 0.10
40 remain, a cent more              | partial     | 100      | 0.25    | 0.20 | 40      | 0.13      | 0.10
40 remain, a cent less              | partial     | 100      | 0.25    | 0.20 | 40      | 0.11      | 0.10
40 remain, a micro-unit too much    | partial     | 100      | 0.25    | 0.20 | 40      | 0.130001  | review
40 remain, a micro-unit too little  | partial     | 100      | 0.25    | 0.20 | 40      | 0.109999  | review
large: 5% more                     | partial     | 10000    | 25      | 20   | 5000    | 11        | 12.5
large: 5% less                     | partial     | 10000    | 25      | 20   | 5000    | 9         | 12.5
large: a micro-unit too much        | partial     | 10000    | 25      | 20   | 5000    | 11.000001 | review
large: a micro-unit too little      | partial     | 10000    | 25      | 20   | 5000    | 8.999999  | review
small: a cent more                  | partial     | 100      | 0.05    | 0.04 | 50      | 0.03      | 0.025
small: a cent less                  | partial     | 100      | 0.05    | 0.04 | 50      | 0.01      | 0.025
small: a micro-unit too much        | partial     | 100      | 0.05    | 0.04 | 50      | 0.030001  | review
small: a micro-unit too little      | partial     | 100      | 0.05    | 0.04 | 50      | 0.009999  | review

Partial, charged in full or not at all: that agrees with all or nothing delivered, or nearly so.
nothing remains, charged in full    | partial     | 100      | 0.25    | 0.20 | 0       | 0.20      | 0
below nothing, charged in full      | partial     | 100      | 0.25    | 0.20 | -10     | 0.20      | 0
5 remain, charged in full           | partial     | 100      | 0.25    | 0.20 | 5       | 0.20      | 0.0125
6 remain, charged in full           | partial     | 100      | 0.25    | 0.20 | 6       | 0.20      | review
half remains, charged in full       | partial     | 100      | 0.25    | 0.20 | 50      | 0.20      | review
all remain, charged in full         | partial     | 100      | 0.25    | 0.20 | 100     | 0.20      | review
more than all, charged in full      | partial     | 100      | 0.25    | 0.20 | 150     | 0.20      | review
nothing remains, a cent too much    | partial     | 100      | 0.25    | 0.20 | 0       | 0.21      | 0
nothing remains, a micro-unit more  | partial     | 100      | 0.25    | 0.20 | 0       | 0.210001  | review
an absurd charge                    | partial     | 100      | 0.25    | 0.20 | 10      | 1e9       | review
all remain, nothing charged         | partial     | 100      | 0.25    | 0.20 | 100     | 0         | 0.25
more than all, nothing charged      | partial     | 100      | 0.25    | 0.20 | 150     | 0         | 0.25
95 remain, nothing charged          | partial     | 100      | 0.25    | 0.20 | 95      | 0         | 0.2375
94 remain, nothing charged          | partial     | 100      | 0.25    | 0.20 | 94      | 0         | review
half remains, nothing charged       | partial     | 100      | 0.25    | 0.20 | 50      | 0         | review
nothing remains, nothing charged    | partial     | 100      | 0.25    | 0.20 | 0       | 0         | review

Partial with no usable remains: whole units of the share of the cost that was not charged.
neither remains nor charge          | partial     | 100      | 0.25    | 0.20 | -       | -         | review
nothing charged                     | partial     | 100      | 0.25    | 0.20 | -       | 0         | 0.25
a quarter charged                   | partial     | 100      | 0.25    | 0.20 | -       | 0.05      | 0.1875
half charged                        | partial     | 100      | 0.25    | 0.20 | -       | 0.10      | 0.125
a micro-unit more than half charged | partial     | 100      | 0.25    | 0.20 | -       | 0.100001  | 0.125
all but one unit charged            | partial     | 100      | 0.25    | 0.20 | -       | 0.198     | 0.0025
all but half a unit charged         | partial     | 100      | 0.25    | 0.20 | -       | 0.199     | 0.0025
all but less than half a unit       | partial     | 100      | 0.25    | 0.20 | -       | 0.199001  | review
charged in full                     | partial     | 100      | 0.25    | 0.20 | -       | 0.20      | review
charged a cent above the cost       | partial     | 100      | 0.25    | 0.20 | -       | 0.21      | review
charged far above the cost          | partial     | 100      | 0.25    | 0.20 | -       | 2         | review
a cost of nothing says nothing      | partial     | 100      | 0.25    | 0    | -       | 0         | review

Canceled: all of it, unless remains and a charge agree that a part was delivered.
nothing delivered, nothing charged  | canceled    | 100      | 0.25    | 0.20 | 100     | 0         | 0.25
nothing delivered, no charge        | canceled    | 100      | 0.25    | 0.20 | 100     | -         | 0.25
nothing remains, no charge          | canceled    | 100      | 0.25    | 0.20 | 0       | -         | 0.25
nothing remains, nothing charged    | canceled    | 100      | 0.25    | 0.20 | 0       | 0         | 0.25
37 remain, no charge                | canceled    | 100      | 0.25    | 0.20 | 37      | -         | 0.25
37 remain, nothing charged          | canceled    | 100      | 0.25    | 0.20 | 37      | 0         | 0.25
not a number said                   | canceled    | 100      | 0.25    | 0.20 | -       | -         | 0.25
no remains, nothing charged         | canceled    | 100      | 0.25    | 0.20 | -       | 0         | 0.25
no remains, charged in full         | canceled    | 100      | 0.25    | 0.20 | -       | 0.20      | 0.25
below nothing remains, no charge    | canceled    | 100      | 0.25    | 0.20 | -10     | -         | 0.25
all remain, charged in full         | canceled    | 100      | 0.25    | 0.20 | 100     | 0.20      | 0.25
more than all, charged in full      | canceled    | 100      | 0.25    | 0.20 | 150     | 0.20      | 0.25
40 remain, 60 charged               | canceled    | 100      | 0.25    | 0.20 | 40      | 0.12      | 0.10
40 remain, 60 charged and a cent    | canceled    | 100      | 0.25    | 0.20 | 40      | 0.13      | 0.10
40 remain, 60 charged less a cent   | canceled    | 100      | 0.25    | 0.20 | 40      | 0.11      | 0.10
40 remain, a micro-unit too much    | canceled    | 100      | 0.25    | 0.20 | 40      | 0.130001  | review
40 remain, a micro-unit too little  | canceled    | 100      | 0.25    | 0.20 | 40      | 0.109999  | review
40 remain, charged in full          | canceled    | 100      | 0.25    | 0.20 | 40      | 0.20      | review
40 remain, next to nothing charged  | canceled    | 100      | 0.25    | 0.20 | 40      | 0.000001  | review
99 remain, one charged              | canceled    | 100      | 0.25    | 0.20 | 99      | 0.002     | 0.2475
nothing remains, charged in full    | canceled    | 100      | 0.25    | 0.20 | 0       | 0.20      | review
below nothing, charged in full      | canceled    | 100      | 0.25    | 0.20 | -10     | 0.20      | review
a cost of nothing, nothing charged  | canceled    | 100      | 0.25    | 0    | 40      | 0         | 0.25
a micro-unit                        | canceled    | 1000     | 1e-6    | 1e-6 | 0       | 0         | 0.000001

A package: one to us, and anything to its provider, whose remains say nothing but when there are none.
delivered                           | partial     | package  | 3.75    | 3    | 0       | -         | 0
delivered and charged               | partial     | package  | 3.75    | 3    | 0       | 3         | 0
delivered, not charged              | partial     | package  | 3.75    | 3    | 0       | 0         | review
one remains, of how many            | partial     | package  | 3.75    | 3    | 1       | -         | review
400 remain, of how many             | partial     | package  | 3.75    | 3    | 400     | 0         | review
below nothing remains               | partial     | package  | 3.75    | 3    | -10     | 3         | review
no remains, not charged             | partial     | package  | 3.75    | 3    | -       | 0         | review
no remains, half charged            | partial     | package  | 3.75    | 3    | -       | 1.5       | review
canceled, not charged               | canceled    | package  | 3.75    | 3    | 0       | 0         | 3.75
canceled, not a number said         | canceled    | package  | 3.75    | 3    | -       | -         | 3.75
canceled, 400 remain                | canceled    | package  | 3.75    | 3    | 400     | -         | 3.75
canceled, and charged               | canceled    | package  | 3.75    | 3    | 1       | 3         | review
canceled, and half charged          | canceled    | package  | 3.75    | 3    | -       | 1.5       | review

Custom Comments: the quantity is that of the lines. 12 for 0.30.
5 of 12 not written                 | partial     | 12       | 0.30    | 0.24 | 5       | 0.14      | 0.125
canceled after 7 of 12              | canceled    | 12       | 0.30    | 0.24 | 5       | 0.14      | 0.125

Tiny: a provider that rounds to cents contradicts nobody.
charged a whole cent                | partial     | 3        | 0.00001 | 8e-6 | 1       | 0.01      | 0.000003
charged nothing                     | partial     | 3        | 0.00001 | 8e-6 | 1       | 0         | 0.000003
canceled                            | canceled    | 3        | 0.00001 | 8e-6 | 3       | 0         | 0.00001

Partial without remains, a charge that the provider rounded: to the nearest unit.
334 delivered, rounded up           | partial     | 1000     | 0.458588 | 0.36687 | -    | 0.1226    | 0.305419
334 delivered, rounded down         | partial     | 1000     | 0.458588 | 0.36687 | -    | 0.1225    | 0.305419
less than half a unit was charged   | partial     | 100      | 0.25    | 0.20 | -       | 0.0009    | 0.25

Huge: the largest charge and quantities that there are.
one of a million remains            | partial     | 1000000  | 1e9     | 9e8  | 1       | -         | 1000
one of very many remains            | partial     | 3e14     | 1e9     | 9e8  | 1       | -         | 0.000003
two thirds of very many remain      | partial     | 3e14     | 1e9     | 9e8  | 2e14    | -         | 666666666.666666
canceled                            | canceled    | 3e14     | 1e9     | 9e8  | 3e14    | 0         | 1e9

What has not ended, or was delivered, gives nothing back.
completed                           | completed   | 100      | 0.25    | 0.20 | 0       | 0.20      | 0
completed, nothing charged          | completed   | 100      | 0.25    | 0.20 | 100     | 0         | 0
completed, not a number said        | completed   | 100      | 0.25    | 0.20 | -       | -         | 0
in progress                         | in_progress | 100      | 0.25    | 0.20 | 50      | 0.10      | 0
pending                             | pending     | 100      | 0.25    | 0.20 | 100     | 0         | 0
processing                          | processing  | 100      | 0.25    | 0.20 | -       | -         | 0
an unknown word                     | frozen      | 100      | 0.25    | 0.20 | 100     | 0         | 0
"""


def rows() -> list[Any]:
    cells = [[cell.strip() for cell in line.split("|")] for line in TABLE.splitlines() if "|" in line][1:]
    return [pytest.param(*row[1:], id=f"{row[1]}: {row[0]}") for row in cells]


def micros(text: str) -> int:
    return exact_micros(Decimal(text))


@pytest.mark.parametrize(("status", "quantity", "charge", "cost", "remains", "returned", "due"), rows())
def test_refund_when_answer_is_as_listed_then_it_is_the_amount_due(
    status, quantity, charge, cost, remains, returned, due
):
    """Remains of 150 of 100 refunded 150%, remains of −10 debited the customer; Partial with remains of 0 refunded
    everything, Canceled with remains of 0 nothing.
    """
    is_package = quantity == "package"
    sold = make.SoldOrder(
        quantity=1 if is_package else int(Decimal(quantity)),
        charge=micros(charge),
        expected_cost=micros(cost),
        is_package=is_package,
    )
    found = refund_due(
        sold,
        status=status,
        remains=None if remains == "-" else int(Decimal(remains)),
        upstream_charge=None if returned == "-" else micros(returned),
    )
    if due == "review":
        assert isinstance(found, Contradiction)
    else:
        assert isinstance(found, Refund)
        assert found.target == micros(due)


def test_contradiction_when_shown_to_staff_then_it_has_both_numbers():
    due = refund_due(SOLD, status=Status.PARTIAL, remains=50, upstream_charge=200_000)
    assert due == Contradiction("It says that 50 of 100 remain. It charged 0.2 of an expected 0.2.")


def test_contradiction_when_remains_are_missing_then_shows_charge():
    due = refund_due(SOLD, status=Status.PARTIAL, remains=None, upstream_charge=200_000)
    assert due == Contradiction("Partial, and it does not say how many remain. It charged 0.2 of an expected 0.2.")


# -- what holds for all numbers ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("expected", "charged", "is_over"),
    [
        (200_000, 200_000, False),
        (200_000, 210_000, False),
        (200_000, 210_001, True),
        (20_000_000, 21_000_000, False),
        (20_000_000, 21_000_001, True),
        (0, 10_000, False),
        (0, 10_001, True),
    ],
)
def test_charge_when_above_cost_and_tolerance_then_it_is_excessive(expected, charged, is_over):
    assert overcharged(make.SoldOrder(quantity=100, charge=1, expected_cost=expected), charged) == is_over


def test_charge_when_owner_chose_another_percent_then_it_applies():
    sold = make.SoldOrder(quantity=100, charge=1, expected_cost=20_000_000)
    assert overcharged(sold, 20_400_001, percent=2) and not overcharged(sold, 20_400_000, percent=2)
    assert overcharged(sold, 20_010_001, percent=0) and not overcharged(sold, 20_010_000, percent=0)


@pytest.mark.parametrize(
    ("undelivered", "charge", "expected"),
    [
        (40, 130_000, False),
        (40, 130_001, True),
        (0, 210_000, False),
        (0, 210_001, True),
        (100, 0, False),
        (100, 1, True),
    ],
)
def test_charge_when_beyond_what_was_delivered_then_it_is_seen(undelivered, charge, expected):
    assert charges_beyond(SOLD, undelivered, charge) is expected


amounts = st.integers(min_value=1, max_value=10**15)
quantities = st.integers(min_value=1, max_value=10**15)
numbers = st.integers(min_value=-(10**15), max_value=10**15)
remains_of_all_kinds = st.one_of(st.none(), numbers)
charges = st.one_of(st.none(), st.integers(min_value=0, max_value=10**15))
sold_of_all_kinds = st.builds(
    make.SoldOrder, quantity=quantities, charge=amounts, expected_cost=st.integers(min_value=0, max_value=10**15)
)


@given(sold=sold_of_all_kinds, status=st.sampled_from(list(Status)), remains=remains_of_all_kinds, charge=charges)
def test_refund_when_answer_is_arbitrary_then_within_the_charge(sold, status, remains, charge):
    due = refund_due(sold, status=status, remains=remains, upstream_charge=charge)
    if isinstance(due, Refund):
        assert 0 <= due.target <= sold.charge
        assert 0 <= due.undelivered <= sold.quantity
        assert isinstance(due.target, int)
        # Rounded down, and by less than one micro-unit.
        assert due.target == sold.charge * due.undelivered // sold.quantity
    if status not in (Status.PARTIAL, Status.CANCELED):
        assert due == Refund(0, 0)


@given(sold=sold_of_all_kinds, remains=st.lists(numbers, min_size=2, max_size=20))
def test_refund_when_more_remains_then_it_is_not_smaller(sold, remains):
    targets = []
    for one in sorted(remains):
        due = refund_due(sold, status=Status.PARTIAL, remains=one, upstream_charge=None)
        assert isinstance(due, Refund)
        targets.append(due.target)
    assert targets == sorted(targets)


@given(sold=sold_of_all_kinds, two=st.tuples(amounts, amounts))
def test_refund_when_less_was_charged_then_it_is_not_smaller(sold, two):
    less, more = sorted(two)
    dues = [refund_due(sold, status=Status.PARTIAL, remains=None, upstream_charge=charge) for charge in (less, more)]
    if all(isinstance(due, Refund) for due in dues):
        assert dues[0].target >= dues[1].target


@given(sold=sold_of_all_kinds, remains=st.integers(min_value=1, max_value=10**15), charge=charges)
def test_refund_when_all_remains_then_all_is_refunded_or_nothing(sold, remains, charge):
    due = refund_due(sold, status=Status.PARTIAL, remains=sold.quantity + remains, upstream_charge=charge)
    assert isinstance(due, Contradiction) or due.target == sold.charge
    assert refund_due(sold, status=Status.CANCELED, remains=sold.quantity + remains, upstream_charge=charge) == Refund(
        sold.charge, sold.quantity
    )


@given(sold=sold_of_all_kinds, remains=remains_of_all_kinds)
def test_canceled_when_nothing_was_charged_then_all_is_refunded(sold, remains):
    for charge in (None, 0):
        assert refund_due(sold, status=Status.CANCELED, remains=remains, upstream_charge=charge) == Refund(
            sold.charge, sold.quantity
        )
