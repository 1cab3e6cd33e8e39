"""What waits for whom, and in which order."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from billing.models import Deposit
from orders.models import Order
from panel.accounts.models import User
from panel.accounts.roles import SUPPORT, set_up_roles
from panel.alerts.causes import Cause
from panel.alerts.services import raise_alert
from panel.ops.needs_you.money import DEPOSITS
from panel.ops.needs_you.orders import IN_DOUBT
from panel.ops.needs_you.queue import KINDS, count_left, find_item, first_items, items_after
from panel.staff.models import SecondLook
from tests import make
from tests.panel.ops.needs_you.conftest import deposit, doubt, look, one_of_each
from tests.panel.routes.shop import with_role

pytestmark = pytest.mark.django_db


def keys(items):
    return [item.key for item in items]


def test_items_when_one_of_each_kind_waits_then_the_urgent_kinds_first(staff, customer, sold):
    one_of_each(customer, sold)
    assert [item.kind for item in first_items(staff, later=(), count=20)] == list(KINDS)
    assert count_left(staff).count == len(KINDS)


@pytest.mark.parametrize("cause", [Cause.REVIEWS, Cause.DEPOSIT_WAITS, Cause.RATE_RISES, Cause.LATE_ORDERS])
def test_alert_when_it_tells_of_what_is_an_item_itself_then_none(staff, cause):
    raise_alert(cause=cause, about=7 if "{}" in cause else None, text="It waits for you.")
    assert first_items(staff, later=(), count=20) == []


def test_items_when_someone_is_support_then_only_what_they_decide(customer, sold):
    set_up_roles()
    one_of_each(customer, sold)
    found = first_items(with_role(SUPPORT), later=(), count=20)
    assert [item.kind.key for item in found] == ["doubt", "review", "look", "late"]


def test_items_when_of_ones_own_account_then_none(staff, customer, sold):
    deposit(staff)
    doubt(make.customer("rich@example.org", funds="10"), sold)
    Order.objects.update(customer=staff)
    look(staff, customer)
    look_asked = look(customer, staff)
    assert first_items(staff, later=(), count=20) == []
    SecondLook.objects.filter(pk=look_asked.pk).update(not_before=timezone.now())
    assert keys(first_items(staff, later=(), count=20)) == [("look", look_asked.pk)]


def test_items_after_one_when_several_wait_then_the_next_oldest_and_round(staff, customer):
    old, newer, newest = (deposit(customer, amount) for amount in ("10", "20", "30"))
    now = timezone.now()
    for hours, one in ((3, newest), (2, old), (2, newer)):
        Deposit.objects.filter(pk=one.pk).update(paid_at=now - timedelta(hours=hours))
    order = [newest.pk, old.pk, newer.pk]
    assert [item.obj.pk for item in first_items(staff, later=(), count=5)] == order
    item = find_item(staff, DEPOSITS, old.pk)
    following = items_after(staff, DEPOSITS, item.obj, later=(), count=5)
    assert [one.obj.pk for one in following] == [newer.pk, newest.pk]


def test_items_when_one_was_put_off_then_it_is_last(staff, customer, sold):
    waits, order = deposit(customer), doubt(customer, sold)
    later = [("doubt", order.pk)]
    assert keys(first_items(staff, later=later, count=5)) == [("deposit", waits.pk), ("doubt", order.pk)]
    after = items_after(staff, DEPOSITS, Deposit.objects.get(pk=waits.pk), later=later, count=5)
    assert keys(after) == [("doubt", order.pk)]
    assert keys(items_after(staff, IN_DOUBT, Order.objects.get(), later=later, count=5)) == [("deposit", waits.pk)]


def test_items_when_many_wait_then_as_many_statements(staff, django_assert_max_num_queries):
    user = User.objects.get(pk=staff.pk)
    user.has_perm("x")  # Reads the permissions.
    for number in range(1, 9):
        deposit(make.customer(f"payer-{number}@example.org"), f"{number}0")
    with django_assert_max_num_queries(len(KINDS)):
        assert len(first_items(user, later=(), count=8)) == 8
    first = Deposit.objects.order_by("paid_at", "pk")[0]
    with django_assert_max_num_queries(len(KINDS) + 1):
        assert len(items_after(user, DEPOSITS, first, later=(), count=8)) == 7
