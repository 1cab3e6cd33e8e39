"""The bench's data is what the panel itself would have written: clean books, every state, nothing dangling."""

from __future__ import annotations

from typing import Any

import pytest
from django.apps import apps
from django.db import connection
from django.db.models import Exists, ForeignKey, OuterRef

from billing.models import Deposit, Entry
from catalog.models import Service
from catalog.shop.changelog import record_shop_changes
from orders.models import CancelRequest, CustomerFigures, DripFeed, Order, Refill
from orders.states import SUBMISSION_MOVES, CancelState, DripState, RefillState, ReviewReason, Status, Submission
from panel.accounts.models import User
from panel.lib.links.keys import link_key
from panel.ops.customers.count import COLUMNS, count_customers
from panel.ops.invariants import find_breaches
from panel.ops.rounds import ROUNDS
from tests import make
from tests.bench.data import fill
from tests.bench.data.orders import STANDINGS
from tests.bench.measuring import Wrong

ORDERS = 20_000


def schema() -> list[tuple[Any, ...]]:
    """The names of all indexes and constraints."""
    statement = (
        "SELECT tablename, indexname FROM pg_indexes WHERE schemaname = 'public' "
        "UNION SELECT conrelid::regclass::text, conname FROM pg_constraint WHERE convalidated ORDER BY 1, 2"
        if connection.vendor == "postgresql"
        else "SELECT tbl_name, name FROM sqlite_master ORDER BY 1, 2"
    )
    with connection.cursor() as cursor:
        cursor.execute(statement)
        return list(cursor.fetchall())


def values(model: Any, *columns: str) -> set[Any]:
    rows = model.objects.order_by().values_list(*columns).distinct()
    return {row[0] if len(row) == 1 else row for row in rows}


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_data_when_filled_then_like_what_the_panel_writes():
    """One test: filling takes seconds, and emptying the tables afterwards does."""
    staff = make.customer("here-before@example.org", funds="5")
    before = schema()
    filled = fill(orders=ORDERS)
    assert schema() == before
    assert filled.rows["orders"] == Order.objects.count() == ORDERS
    assert 3.9 < Entry.objects.count() / ORDERS < 4.4
    assert find_breaches() == []

    assert values(Order, "submission", "status") == {(one.submission, one.status) for one in STANDINGS}
    assert {one.submission for one in STANDINGS} == set(Submission) == set(SUBMISSION_MOVES)
    assert {one.status for one in STANDINGS if one.submission == Submission.ACCEPTED} == set(Status)
    assert values(Order, "review_reason") == {"", *ReviewReason}
    assert values(CancelRequest, "state") == set(CancelState)
    assert values(Refill, "state") == set(RefillState)
    assert values(DripFeed, "state") == set(DripState)
    assert values(Deposit, "state") == set(Deposit.State)
    assert values(Entry, "kind") == set(Entry.Kind)
    assert not Order.objects.filter(finished_at=None, status__in=("completed", "partial", "canceled")).exists()

    # The keys that were off meanwhile.
    for model in apps.get_models():
        for field in model._meta.concrete_fields:
            if isinstance(field, ForeignKey):
                to = field.remote_field.model
                parent = to._base_manager.filter(pk=OuterRef(field.attname))
                rows = model._base_manager.exclude(**{f"{field.name}__isnull": True})
                assert not rows.filter(~Exists(parent)).exists(), field

    assert make.reprice(services=Service.objects.all()) == 0
    assert record_shop_changes() == 0
    assert all(link_key(link) == key for link, key in Order.objects.values_list("link", "link_key")[:500])
    first = User.objects.filter(orders__isnull=False).order_by("pk")[0]
    assert first.orders.count() / ORDERS == pytest.approx(0.05, abs=0.01)
    written = list(CustomerFigures.objects.order_by("pk").values_list("pk", *COLUMNS))
    CustomerFigures.objects.all().delete()
    count_customers()
    counted = CustomerFigures.objects.filter(pk__in=[row[0] for row in written])
    assert list(counted.order_by("pk").values_list("pk", *COLUMNS)) == written
    for name in ("submit_orders", "poll_orders", "send_requests", "poll_refills", "begin_runs", "reconcile_orders"):
        assert ROUNDS[name].run() == 0, name

    # Ids go on behind those that were written.
    assert make.order(staff, Service.objects.filter(is_on_sale=True)[0]).pk > ORDERS
    with pytest.raises(Wrong, match="has orders"):
        fill(orders=ORDERS)
    # Nothing indexes this reference: while it is there, deleting an attempt reads all orders.
    Order.objects.update(accepted_attempt=None)
