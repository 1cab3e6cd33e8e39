"""The range of balances that our orders explain, where a restored backup lacks orders."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection

from orders.models import Order, OrderEvent, OrderPoll, PlacementAttempt
from orders.reckoning.explain import expected_range
from panel.alerts.models import Alert
from tests.orders.reckoning.conftest import Read
from tests.scenes import create_accepted, poll_now, statements

# Without the invariants: the entries of the lost orders stay, as they are append-only.
pytestmark = pytest.mark.django_db

# A hundred of the service, at $2 for 1,000.
COST = 200_000


def lose(orders: list[Order]) -> None:
    """Delete the orders, as an older backup would."""
    pks = [one.pk for one in orders]
    OrderEvent.objects.filter(order__in=pks).delete()
    OrderPoll.objects.filter(order__in=pks).delete()
    Order.objects.filter(pk__in=pks).update(accepted_attempt=None)
    PlacementAttempt.objects.filter(order__in=pks).delete()
    Order.objects.filter(pk__in=pks).update(drip_feed=None)
    Order.objects.filter(pk__in=pks).delete()


def test_orders_when_lost_by_a_restore_then_balance_below_range(
    customer: Any, service: Any, provider: Any, read: Read
) -> None:
    made = create_accepted(customer, service, 3)
    poll_now()
    money = read()
    made += create_accepted(customer, service, 2)
    lose(made[-1:])
    explained = expected_range(provider=provider)
    assert explained is not None
    # The one that is left may not have been polled, and may cost twice as much: then the loss would not show.
    assert explained.lowest == money.base_balance - 2 * COST - 20_000
    poll_now()
    explained = expected_range(provider=provider)
    assert explained is not None
    assert explained.lowest == money.base_balance - COST - 20_000
    money = read()
    assert money.balance < explained.lowest
    assert money.unexplained == -COST
    assert Alert.objects.filter(cause__endswith=":money", resolved_at=None).exists()


@pytest.mark.skipif(connection.vendor != "sqlite", reason="reads SQLite's plans")
def test_statements_when_planned_then_none_scans_orders_or_attempts(customer: Any, service: Any, read: Read) -> None:
    """With a million orders, a scan of them every five minutes would be most of what the panel does."""
    read()
    create_accepted(customer, service)
    with statements() as found:
        read()
    plans = []
    with connection.cursor() as cursor:
        for sql in found:
            if sql.startswith("SELECT") and "placementattempt" in sql:
                cursor.execute(f"EXPLAIN QUERY PLAN {sql}")
                plans += [row[3] for row in cursor.fetchall()]
    assert any("attempt_by_account (account=? AND started_at>? AND started_at<?)" in line for line in plans)
    assert not any(line.startswith("SCAN") for line in plans), plans
