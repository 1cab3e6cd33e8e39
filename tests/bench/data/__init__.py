"""Write the data of a whole panel in a few statements: orders in every state, and books that `check_ledger` approves.

    python -m tests.bench data --many 1000000

Writes into the database of DATABASE_URL itself, which must be migrated and have no orders yet, and leaves it there.
"""

from __future__ import annotations

import time
from argparse import Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from django.apps import apps
from django.core.management.color import no_style
from django.db import connection, transaction
from django.utils import timezone

from billing.models import Deposit, Entry, Wallet
from catalog.models import Provider, Service, UpstreamService
from orders.models import DripFeed, Order, OrderEvent, PlacementAttempt
from panel.accounts.models import ApiKey, User
from tests import unguarded
from tests.bench.data.catalog import write_catalog
from tests.bench.data.customers import write_customers
from tests.bench.data.figures import write_customer_figures
from tests.bench.data.money import write_deposits, write_entries, write_wallets
from tests.bench.data.orders import write_drips, write_orders, write_polls
from tests.bench.data.plan import Plan
from tests.bench.data.requests import write_attempts, write_events, write_requests
from tests.bench.data.writer import Writer
from tests.bench.environment import settle
from tests.bench.measuring import Wrong
from tests.bench.report import as_text

MIN_ORDERS = 1_000
MAX_SECONDS = 300
# SQLite gets a tenth of the orders.
ON_SQLITE = 10
# Indexes of these tables are built after all rows are written, which takes a third of the time.
_LARGE = (Order, OrderEvent, PlacementAttempt, Entry, Deposit)


@dataclass(frozen=True, slots=True)
class Filled:
    """What was written, and the seconds of each step."""

    orders: int
    seconds: dict[str, float]
    rows: dict[str, int]

    @property
    def over(self) -> list[str]:
        total = sum(self.seconds.values())
        return [f"filling took {total:.0f} s of {MAX_SECONDS}"] if total > MAX_SECONDS else []

    def __str__(self) -> str:
        table = [("step", "seconds"), *((name, f"{took:.1f}") for name, took in self.seconds.items())]
        table.append(("in all", f"{sum(self.seconds.values()):.1f}"))
        rows = ", ".join(f"{count:,} {name}" for name, count in self.rows.items())
        verdict = "NOT met" if self.over else "met"
        return as_text(
            f"data: {self.orders:,} orders",
            table,
            [f"{verdict}: at most {MAX_SECONDS} s.", f"Rows: {rows}."],
        )


def run(options: Namespace) -> Iterator[Filled]:
    yield fill(orders=orders_here(options.many))


def orders_here(orders: int) -> int:
    return orders if connection.vendor == "postgresql" else max(MIN_ORDERS, orders // ON_SQLITE)


def fill(*, orders: int, url: str = "http://127.0.0.1:9/api/v2") -> Filled:
    """Write this many orders and everything that belongs to them, of providers at `url`; everything or nothing.

    Raise Wrong if the database has orders.
    """
    if orders < MIN_ORDERS:
        raise Wrong(f"fewer than {MIN_ORDERS:,} orders are not in every state")
    if Order.objects.exists():
        raise Wrong("this database has orders: name one without")
    writer = Writer(int(timezone.now().timestamp()))
    plan = Plan(
        orders,
        *map(
            writer.last_id,
            (User, Wallet, Provider, Service, UpstreamService, Order, PlacementAttempt, DripFeed, Deposit, ApiKey),
        ),
    )
    seconds: dict[str, float] = {}

    @contextmanager
    def step(name: str) -> Iterator[None]:
        started = time.perf_counter()
        yield
        seconds[name] = time.perf_counter() - started

    with unguarded.no_foreign_keys(), transaction.atomic():
        if writer.on_postgresql:
            writer.execute("SET LOCAL work_mem = '256MB'")
            writer.execute("SET LOCAL maintenance_work_mem = '512MB'")
            writer.execute("SET LOCAL synchronous_commit = off")
        indexes = _indexes()
        for drop, _ in indexes:
            writer.execute(drop)
        with step("catalog"):
            write_catalog(writer, plan, url=url)
        with step("customers"):
            write_customers(writer, plan)
        with step("drip-feeds"):
            write_drips(writer, plan)
        with step("orders"):
            write_orders(writer, plan)
            write_polls(writer)
        with step("attempts"):
            write_attempts(writer, plan)
        with step("events"):
            write_events(writer, plan)
        with step("requests"):
            write_requests(writer, plan)
        with step("deposits"):
            write_deposits(writer, plan)
        with step("entries"):
            write_entries(writer, plan)
        with step("wallets"):
            write_wallets(writer, plan)
        with step("figures of customers"):
            write_customer_figures(writer, plan)
        with step("indexes"):
            for _, build in reversed(indexes):
                writer.execute(build)
    with step("sequences and statistics"):
        for statement in connection.ops.sequence_reset_sql(no_style(), apps.get_models()):
            writer.execute(statement)
        # The triggers that update the catalog's version were disabled.
        Service.objects.filter(pk=plan.first_service + 1).update(position=1)
        settle()
    rows = {str(model._meta.verbose_name_plural): model._default_manager.count() for model in (*_LARGE, User, Service)}
    return Filled(orders, seconds, rows)


def _indexes() -> list[tuple[str, str]]:
    """Return, for each index of the large tables except primary keys, the statements that drop and rebuild it.

    A foreign key stands on an index, too; it goes first and comes last.
    """
    tables = [model._meta.db_table for model in _LARGE]
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute(
                """SELECT format('ALTER TABLE %%s DROP CONSTRAINT %%I', conrelid::regclass, conname),
                          format('ALTER TABLE %%s ADD CONSTRAINT %%I %%s', conrelid::regclass, conname,
                                 pg_get_constraintdef(oid))
                   FROM pg_constraint k
                   WHERE contype = 'f' AND conindid IN (
                           SELECT conindid FROM pg_constraint
                           WHERE contype = 'u' AND conrelid = ANY (%(tables)s::regclass[]))
                      OR contype = 'u' AND conrelid = ANY (%(tables)s::regclass[])
                   ORDER BY contype, conname""",
                {"tables": tables},
            )
            constraints = list(cursor.fetchall())
            cursor.execute(
                """SELECT format('DROP INDEX %%I', c.relname), pg_get_indexdef(i.indexrelid) FROM pg_index i
                   JOIN pg_class c ON c.oid = i.indexrelid
                   WHERE i.indrelid = ANY (%s::regclass[])
                     AND NOT EXISTS (SELECT 1 FROM pg_constraint k WHERE k.conindid = i.indexrelid)
                   ORDER BY c.relname""",
                [tables],
            )
            return [*constraints, *cursor.fetchall()]
        places = ", ".join(["%s"] * len(_LARGE))
        cursor.execute(
            "SELECT 'DROP INDEX \"' || name || '\"', sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL "
            f"AND tbl_name IN ({places}) ORDER BY name",
            tables,
        )
        return list(cursor.fetchall())
