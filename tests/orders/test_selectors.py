"""What is read of orders for pages."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from orders.models import Order
from orders.selectors import count_open_orders
from orders.states import FINAL, Status, Submission
from tests import make


@pytest.fixture
def service(db) -> Any:
    return make.service(make.provider())


def test_open_orders_when_in_every_state_then_unfinished_counted(customer, service):
    now = timezone.now()
    states: list[tuple[Submission, Status]] = [
        (Submission.QUEUED, Status.PENDING),
        (Submission.SUBMITTING, Status.PENDING),
        (Submission.IN_DOUBT, Status.PENDING),
        *((Submission.ACCEPTED, status) for status in Status),
        (Submission.REFUSED, Status.CANCELED),
        (Submission.WITHDRAWN, Status.CANCELED),
    ]
    for number, (submission, status) in enumerate(states):
        order = make.order(customer, service)
        Order.objects.filter(pk=order.pk).update(
            submission=submission,
            status=status,
            refunded=order.charge if status == Status.CANCELED else 0,
            upstream_id=str(number) if submission == Submission.ACCEPTED else None,
            doubt_until=now,
            finished_at=now if status in FINAL else None,
        )
    assert count_open_orders() == 6
    assert count_open_orders() == Order.objects.exclude(status__in=FINAL).count()


def test_open_orders_when_counted_then_each_part_by_its_own_index(customer, service):
    """The plan of SQLite names the index; PostgreSQL prefers to read a table this small."""
    if connection.vendor != "sqlite":
        pytest.skip("a plan of SQLite")
    make.order(customer, service)
    with CaptureQueriesContext(connection) as found:
        count_open_orders()
    plans = []
    with connection.cursor() as cursor:
        for query in found.captured_queries:
            cursor.execute(f"EXPLAIN QUERY PLAN {query['sql']}")
            plans.append(" ".join(row[-1] for row in cursor.fetchall()))
    assert [plan.rpartition("INDEX ")[2].split()[0] for plan in plans] == [
        "order_open",
        "order_to_submit",
        "order_unsettled",
    ]
