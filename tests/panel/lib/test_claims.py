"""Claims: each due row goes to one worker until its lease ends."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection, transaction
from django.db.models import F
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from orders.models import OrderPoll
from panel.lib.claims import claim_due, hold
from tests import make
from tests.scenes import at_once
from tests.threads import in_threads

LEASE = timedelta(minutes=2)


@pytest.fixture
def waiting(customer, service):
    """Five orders to poll, the last one waiting longest; a sixth is not due yet."""
    now = timezone.now()
    made = [make.accepted_order(customer, service, upstream_id=f"{number}") for number in range(6)]
    for number, order in enumerate(made):
        due_at = now - timedelta(minutes=number + 1) if number < 5 else now + timedelta(hours=1)
        OrderPoll.objects.filter(pk=order.pk).update(due_at=due_at)
    return [order.pk for order in made]


def claimed(limit: int = 10, **values: object) -> list[OrderPoll]:
    return claim_due(OrderPoll.objects.all(), due="due_at", lease=LEASE, limit=limit, values=values)


@pytest.mark.django_db
def test_claim_when_more_due_than_limit_then_longest_waiting_first(waiting):
    assert [row.pk for row in claimed(2)] == [waiting[4], waiting[3]]
    assert [row.pk for row in claimed(9)] == [waiting[2], waiting[1], waiting[0]]
    assert claimed() == []


@pytest.mark.django_db
def test_claim_when_its_lease_ends_then_another_may_claim(waiting, monkeypatch):
    assert len(claimed()) == 5
    later = timezone.now() + LEASE + timedelta(seconds=1)
    monkeypatch.setattr(timezone, "now", lambda: later)
    assert len(claimed()) == 5


@pytest.mark.django_db
def test_claim_when_it_writes_values_then_rows_omit_expressions(waiting):
    row = claimed(1, unchanged=7, errors=F("errors") + 1)[0]
    stored = OrderPoll.objects.get(pk=row.pk)
    assert (row.unchanged, stored.unchanged, row.errors, stored.errors) == (7, 7, 0, 1)
    assert row.due_at == stored.due_at > timezone.now() + LEASE - timedelta(seconds=30)


@pytest.mark.postgresql
@pytest.mark.django_db(transaction=True)
def test_claim_when_a_row_is_locked_then_skipped_without_waiting(waiting):
    def claim() -> list[int]:
        with connection.cursor() as cursor:
            cursor.execute("SET lock_timeout = '1s'")  # A connection that waits for the row fails.
        return [row.pk for row in claimed()]

    with transaction.atomic():
        OrderPoll.objects.select_for_update().get(pk=waiting[4])
        [found] = in_threads(claim)
    assert found == [waiting[3], waiting[2], waiting[1], waiting[0]]


@pytest.mark.django_db
def test_claim_when_rows_are_due_then_two_statements_else_one(waiting):
    with CaptureQueriesContext(connection) as queries:
        claimed()
    assert len([one for one in queries if "SAVEPOINT" not in one["sql"]]) == 2
    with CaptureQueriesContext(connection) as queries:
        claimed()
        hold([], due="due_at", lease=LEASE)
    assert len([one for one in queries if "SAVEPOINT" not in one["sql"]]) == 1


@pytest.mark.django_db(transaction=True)
def test_claim_when_many_workers_claim_at_once_then_each_row_once(waiting):
    found = at_once(5, lambda number: [row.pk for row in claimed(2)])
    taken = [pk for batch in found for pk in batch]
    assert sorted(taken) == sorted(set(taken))
    taken += [row.pk for row in claimed()]
    assert sorted(taken) == sorted(waiting[:5])
