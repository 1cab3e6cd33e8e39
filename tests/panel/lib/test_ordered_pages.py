"""Keyset pages in an order of several columns, texts or ranks: each row once, there and back."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.db.models import Case, IntegerField, Value, When
from django.db.models.functions import Length

from billing.models import Wallet
from panel.accounts.models import User
from panel.lib.ordered_pages import page_in_order
from tests import make

pytestmark = pytest.mark.django_db

SHORT_FIRST = Case(When(first_name="b", then=Value(1)), default=Value(0), output_field=IntegerField())
ORDERS: dict[str, tuple[Any, ...]] = {
    "key": ("-pk",),
    "text": ("email",),
    "text that repeats": ("first_name", "pk"),
    "moment and flag": ("-is_staff", "-date_joined", "-pk"),
    "rank": (SHORT_FIRST.desc(), "-pk"),
    "function": (Length("email").asc(), "pk"),
}


@pytest.fixture
def people() -> Any:
    User.objects.bulk_create(
        User(
            email=f"{'x' * (number % 3)}{number:02}@example.org", first_name="ab"[number % 2], is_staff=number % 5 == 0
        )
        for number in range(11)
    )
    return User.objects.all()


@pytest.mark.parametrize("order", ORDERS.values(), ids=ORDERS)
def test_pages_when_walked_then_each_row_once_there_and_back(people, order):
    rows = people.order_by(*order)
    page = page_in_order(rows, params={}, size=3)
    assert page.previous is None
    shown = [page.rows]
    while page.next:
        page = page_in_order(rows, params=dict([page.next]), size=3)
        shown.append(page.rows)
    assert [row for some in shown for row in some] == list(rows)
    for expected in reversed(shown[:-1]):
        page = page_in_order(rows, params=dict([page.previous]), size=3)
        assert page.rows == expected
    assert page.previous is None


def test_page_when_its_last_row_moved_then_the_next_one_goes_on(people):
    rows = people.order_by("first_name", "pk")
    page = page_in_order(rows, params={}, size=3)
    User.objects.filter(pk=page.rows[-1].pk).update(first_name="z")
    assert page_in_order(rows, params=dict([page.next]), size=3).rows[0] == rows[2]


@pytest.mark.parametrize(
    "place",
    ["x", "[]", "{}", "[null,1]", '["a"]', "[1,2,3]", "[1e999,1]", '["a",99999999999999999999]', '["\\u0000",1]']
    + ['["\\ud800",1]', '["a","b"]', "[[],{}]", "[" * 2_000, '["a",1.5]'],
)
def test_page_when_the_place_is_unreadable_then_the_first(people, place):
    rows = people.order_by("first_name", "pk")
    assert page_in_order(rows, params={"after": place}, size=3).rows == list(rows[:3])
    assert page_in_order(rows, params={"before": place}, size=3).rows == list(rows[:3])


def test_order_when_it_goes_both_ways_or_by_a_relation_then_refused():
    make.customer(funds="1")
    for order in (("first_name", "-pk"), ("-first_name", "pk")):
        with pytest.raises(ImproperlyConfigured, match="both directions"):
            page_in_order(User.objects.order_by(*order), params={}, size=3)
    with pytest.raises(ImproperlyConfigured, match="customer_id"):
        page_in_order(Wallet.objects.order_by("customer", "pk"), params={}, size=3)
