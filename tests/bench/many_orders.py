"""A customer with very many orders, written in a few statements: each charged, most of them ended."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import uuid4

from django.db import connection, transaction

from billing.models import Entry, Wallet
from catalog.models import Service
from orders.models import Order, OrderEvent
from panel.accounts.models import User
from tests import make, unguarded

# The newest ones still run.
OPEN = 40
SECONDS_APART = 30
LINKS = 100_000


def many_orders(*, customer: User, services: Sequence[Service], count: int) -> None:
    """`count` orders of the customer, the services in turn, over the last `count` half minutes."""
    template = make.accepted_order(customer, services[0], upstream_id=f"t{uuid4().hex[:8]}")
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(_insert_orders(template, services, count))
        cursor.execute(_insert_entries(), [customer.pk, template.pk])
        cursor.execute(
            f'INSERT INTO "{OrderEvent._meta.db_table}" (order_id, created_at, kind, old, new, text, is_public)'
            " SELECT id, created_at, 'ordered', '', status, 'Order received', TRUE FROM orders_order WHERE id > %s",
            [template.pk],
        )
        wallet = Wallet.objects.get(customer=customer)
        last = Entry.objects.filter(wallet=wallet).order_by("-seq").first()
        assert last is not None
        unguarded.wallets().filter(pk=wallet.pk).update(balance=last.balance_after, version=last.seq)


def _insert_orders(template: Order, services: Sequence[Service], count: int) -> str:
    """Columns that are not named here are those of the template."""
    ages = f"(({count} - n) * {SECONDS_APART})"
    moment = (
        f"(CURRENT_TIMESTAMP - {ages} * INTERVAL '1 second')"
        if connection.vendor == "postgresql"
        else f"STRFTIME('%%Y-%%m-%%d %%H:%%M:%%S', 'now', '-' || {ages} || ' seconds')"
    )
    ended = f"n <= {count - OPEN}"
    pks = ", ".join(f"({place}, {service.pk})" for place, service in enumerate(services))
    link = f"'example.com/p/' || (n * 7919 %% {LINKS})"
    exprs = {
        "service_id": "s.pk",
        "link": f"'https://www.' || {link}",
        "link_key": link,
        "charge": "1000 + 10 * (n * 7919 %% 50000)",
        "price": "1000000",
        "quantity": "1000",
        "request_key": "'bench' || n",
        "created_at": moment,
        "accepted_at": moment,
        "finished_at": f"CASE WHEN {ended} THEN {moment} END",
        "upstream_id": "'b' || n",
        "remains": "n %% 1000",
        "start_count": "n %% 5000",
        "next_poll_at": "NULL",
        "status": (
            f"CASE WHEN NOT ({ended}) THEN 'in_progress' WHEN n %% 100 < 80 THEN 'completed' "
            "WHEN n %% 100 < 99 THEN 'partial' ELSE 'canceled' END"
        ),
    }
    columns = [field.column for field in Order._meta.concrete_fields if not field.primary_key]
    names = ", ".join(f'"{column}"' for column in columns)
    values = ", ".join(exprs.get(column, f't."{column}"') for column in columns)
    return (
        "WITH RECURSIVE numbers(n) AS "
        f"(SELECT CAST(1 AS BIGINT) UNION ALL SELECT n + 1 FROM numbers WHERE n < {count}), "
        f"s(place, pk) AS (VALUES {pks}) "
        f'INSERT INTO "orders_order" ({names}) SELECT {values} FROM numbers '
        f"JOIN s ON s.place = n * 31 %% {len(services)} CROSS JOIN orders_order t WHERE t.id = {template.pk} ORDER BY n"
    ).replace("%%", "%")


def _insert_entries() -> str:
    return """
        INSERT INTO billing_entry
            (wallet_id, seq, amount, balance_after, kind, "key", order_ref, memo, created_at)
        SELECT w.id, w.version + ROW_NUMBER() OVER (ORDER BY o.id), -o.charge,
               w.balance - SUM(o.charge) OVER (ORDER BY o.id), 'order', 'order:' || o.id || ':charge', o.id,
               o.service_name, o.created_at
        FROM orders_order o JOIN billing_wallet w ON w.customer_id = o.customer_id
        WHERE o.customer_id = %s AND o.id > %s
    """
