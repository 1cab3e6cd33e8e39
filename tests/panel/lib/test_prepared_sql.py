"""Prepared statements do what the ORM's do, with any values, and are composed once."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import IntegrityError
from django.db.models import F

from billing.models import Entry, Wallet
from catalog.models import Provider
from orders.models import Order, OrderEvent, OrderPoll
from orders.states import EventKind
from panel.lib import clock, prepared_sql
from panel.lib.prepared_sql import Bound, PreparedRows, column_names, insert_row, instances, update_row
from tests import make
from tests.scenes import statements

pytestmark = pytest.mark.django_db


@pytest.fixture
def order(customer, service):
    return make.order(customer, service)


@pytest.fixture
def composed():
    """Count the statements that are composed."""
    for cached in (prepared_sql._composed_update, prepared_sql._composed_insert):
        cached.cache_clear()
    yield lambda: prepared_sql._composed_update.cache_info().misses + prepared_sql._composed_insert.cache_info().misses


@pytest.fixture
def rows():
    number = Order._meta.pk
    return PreparedRows(
        lambda: Order.objects.filter(pk=Bound("pk", number)).values_list(
            *column_names(Order), *column_names(Provider, path="provider__")
        )
    )


def test_row_when_read_then_equal_to_the_ORMs(order, rows):
    for _ in range(2):
        found, provider = instances(rows.first(pk=order.pk), Order, Provider)
        stored = Order.objects.select_related("provider").get(pk=order.pk)
        for one, other in ((found, stored), (provider, stored.provider)):
            assert type(one) is type(other)
            names = column_names(type(one))
            assert [getattr(one, name) for name in names] == [getattr(other, name) for name in names]
    assert rows.first(pk=0) is None


def test_update_when_values_differ_then_composed_once(order, composed):
    for text in ("one", "two"):
        assert update_row(model=Order, same={"pk": order.pk}, values={"status_note": text}) == 1
        assert Order.objects.get(pk=order.pk).status_note == text
    assert composed() == 1


def test_update_when_a_column_is_another_then_nothing_is_written(order):
    values = {"status_note": "new"}
    assert update_row(model=Order, same={"pk": order.pk, "claim_token": "other"}, values=values) == 0
    assert update_row(model=Order, same={"pk": order.pk, "upstream_id": "7"}, values=values) == 0
    assert update_row(model=Order, same={"pk": order.pk, "upstream_id": None}, values=values) == 1


def test_update_when_values_are_expressions_null_or_times_then_as_the_ORM(order):
    now, one_more = clock.now(), F("attempts") + 1
    for attempts in (1, 2):
        values = {"attempts": one_more, "lease_until": now, "next_action_at": None}
        assert update_row(model=Order, same={"pk": order.pk, "provider_id": order.provider_id}, values=values) == 1
        order.refresh_from_db()
        assert (order.attempts, order.lease_until, order.next_action_at) == (attempts, now, None)


def test_insert_when_of_a_new_instance_then_it_has_a_key(order, composed):
    events = [OrderEvent(order=order, kind=EventKind.STAFF, text=text) for text in ("it's one", "100% two")]
    with statements() as found:
        for event in events:
            insert_row(event)
    assert (len(found), composed()) == (2, 1)
    assert [OrderEvent.objects.get(pk=event.pk).text for event in events] == ["it's one", "100% two"]
    assert not events[0]._state.adding


def test_insert_when_the_key_is_taken_then_refused_or_replaced(order):
    now = clock.now()
    poll = OrderPoll(order_id=order.pk, provider_id=order.provider_id, due_at=now, unchanged=3, checked_at=now)
    insert_row(poll)
    later = OrderPoll(order_id=order.pk, provider_id=order.provider_id, due_at=now + timedelta(hours=1))
    insert_row(later, keeps=("checked_at",))
    stored = OrderPoll.objects.get(pk=order.pk)
    assert (stored.due_at, stored.unchanged, stored.checked_at) == (later.due_at, 0, now)
    with pytest.raises(IntegrityError):
        insert_row(OrderPoll(order_id=order.pk, provider_id=order.provider_id, due_at=now))


def test_money_when_written_by_a_statement_then_refused(customer):
    with pytest.raises(TypeError):
        update_row(model=Wallet, same={"customer_id": customer.pk}, values={"balance": 1})
    with pytest.raises(TypeError):
        insert_row(Entry(amount=1))
