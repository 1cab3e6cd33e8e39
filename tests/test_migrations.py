"""Migrations on a database with rows: an empty one shows neither locks nor lost values."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import pytest
from django.apps import apps
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.utils import timezone

from orders.models import Order, PlacementAttempt
from panel.lib.money import EXCHANGE_ONE
from tests import make

BEFORE = [("orders", "0001_initial"), ("catalog", "0001_initial")]


def migrate(targets: list[tuple[str, str]]) -> Any:
    """Migrate to these migrations, forward or back, and return the apps as they are there."""
    executor = MigrationExecutor(connection)
    executor.migrate(targets)
    return executor.loader.project_state(targets).apps


def latest() -> list[tuple[str, str]]:
    """Return the last migrations of both apps."""
    return [
        node for node in MigrationExecutor(connection).loader.graph.leaf_nodes() if node[0] in ("orders", "catalog")
    ]


@pytest.mark.proof
@pytest.mark.django_db(transaction=True)
def test_new_columns_when_orders_exist_then_filled_from_the_old_ones(customer):
    service = make.service(make.provider(exchange_rate=2 * EXCHANGE_ONE))
    made = [make.order(customer, service, link=f"https://example.com/{number}").pk for number in range(6)]
    try:
        old = migrate(BEFORE).get_model("orders", "Order").objects
        now = timezone.now()
        values: dict[int, dict[str, Any]] = {
            made[0]: {"placement": "placed", "upstream_id": "23501"},
            made[1]: {"placement": "placed", "upstream_id": "ord_1"},
            made[2]: {"placement": "placed", "upstream_id": "007"},
            made[3]: {"placement": "in_doubt", "next_action_at": now},
            made[4]: {"review_reason": "held", "review_since": now, "review_note": "x"},
        }
        for pk, changes in values.items():
            old.filter(pk=pk).update(**changes)
        created = dict(old.values_list("pk", "created_at"))
    finally:
        new = migrate(latest())
    orders = new.get_model("orders", "Order").objects.in_bulk()
    assert [orders[pk].upstream_number for pk in made] == [23501, None, None, None, None, None]
    assert orders[made[3]].doubt_until == now
    assert (orders[made[4]].review_reason, orders[made[4]].review_since) == ("", None)
    assert orders[made[4]].queued_at >= now
    assert orders[made[5]].queued_at == created[made[5]]
    assert {one.exchange_rate for one in orders.values()} == {2 * EXCHANGE_ONE}


@pytest.mark.proof
@pytest.mark.django_db(transaction=True)
def test_accepted_attempts_when_orders_exist_then_filled_by_token(customer, monkeypatch):
    service = make.service(make.provider())
    made = [make.accepted_order(customer, service, upstream_id=f"{number}") for number in range(3)]
    made.append(make.order(customer, service))
    attempts = [PlacementAttempt.objects.create(order=order, token=f"{order.pk:032}") for order in made]
    try:
        old = migrate([("orders", "0010_api_key_ref")]).get_model("orders", "Order").objects
        for order in (made[0], made[2], made[3]):
            old.filter(pk=order.pk).update(claim_token=f"{order.pk:032}")
        filling = import_module("orders.migrations.0012_fill_accepted_attempts")
        monkeypatch.setattr(filling, "BATCH", 2)
    finally:
        new = migrate(latest())
    orders = new.get_model("orders", "Order").objects.order_by("pk")
    accepted = [order.accepted_attempt_id for order in orders]
    assert accepted == [attempts[0].pk, None, attempts[2].pk, None]


@pytest.mark.django_db
def test_link_keys_when_filled_then_those_of_today(customer, service, monkeypatch):
    filling = import_module("orders.migrations.0029_link_keys")
    monkeypatch.setattr(filling, "BATCH", 2)
    links = [f"https://www.instagram.com/p/A{number}/?igsh=1" for number in range(5)]
    made = [make.order(customer, service, link=link).pk for link in (*links, "https://example.com/a")]
    Order.objects.filter(pk__in=made[:4]).update(link_key="instagram.com/p/A/?igsh=1")
    for _again in range(2):
        filling.fill(apps, None)
        keys = list(Order.objects.order_by("pk").values_list("link_key", flat=True))
        assert keys == [*(f"instagram.com/p/A{number}" for number in range(5)), "example.com/a"]


@pytest.mark.django_db
def test_bulk_orders_of_before_when_marked_then_by_their_keys(customer):
    service = make.service(make.provider())
    bulk, single, api = (make.order(customer, service, link=f"https://example.com/{one}").pk for one in range(3))
    keys = {bulk: f"{'a' * 32}.{'b' * 16}.2", single: "c" * 32, api: f"api:{'d' * 32}"}
    for pk, key in keys.items():
        Order.objects.filter(pk=pk).update(request_key=key)
    import_module("orders.migrations.0039_list_by_service_and_provider").mark_bulk_orders(apps, None)
    assert list(Order.objects.filter(is_bulk=True).values_list("pk", flat=True)) == [bulk]
