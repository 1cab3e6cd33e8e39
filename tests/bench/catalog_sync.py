"""Imports of a provider's whole list, first, unchanged and a little changed, against a loop of update_or_create."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterator
from typing import Any

from django.db import connection

from catalog.imports.run import import_services
from catalog.models import CatalogChange, Category, Service, SyncRun, UpstreamService
from catalog.prices.storage import price_policy
from catalog.provider_accounts import client_for
from catalog.service_types import is_sellable
from panel.alerts.models import Alert
from panel.lib import money
from panel.lib.money import BASIS
from tests import make
from tests.bench.catalog_upstream import KEY, CatalogUpstream
from tests.bench.environment import settle
from tests.bench.measuring import Measured, Wrong, measured
from tests.bench.report import Report, Row

# The budget, for a list of so many.
BUDGET = 10_000
MAX_FIRST, MAX_UNCHANGED, MAX_CHANGED = 5.0, 1.5, 2.5
MAX_STATEMENTS = 60
MAX_MB = 200

_CATALOG = ("catalog_upstreamservice", "catalog_service", "catalog_category", "catalog_catalogchange")
_WRITES = ("INSERT", "UPDATE", "DELETE")


def run(options: Namespace) -> Iterator[Report]:
    with CatalogUpstream(options.catalog) as upstream:
        bench = _Bench(upstream, options.catalog)
        first = bench.sync("first", added=options.catalog)
        unchanged = bench.sync("unchanged")
        if bench.writes:
            raise Wrong(f"an unchanged list was written: {bench.writes[0]}")
        changed = upstream.change_some()
        some = bench.sync(f"{changed / options.catalog:.0%} changed", changed=changed)
        # Last: the categories that it needs are there, and it is spared making them.
        naive = _Naive(upstream, options.row_by_row)
        baselines = [naive.sync("row by row: first"), naive.sync("row by row: unchanged")]
    yield Report(
        title=f"catalog_sync: a list of {options.catalog:,} services",
        rows=(*baselines, first, unchanged, some),
        remarks=_remarks(options.catalog, baselines, (first, unchanged, some)),
        unit="service",
    )


def _remarks(count: int, baselines: list[Row], rows: tuple[Row, Row, Row]) -> list[str]:
    first, unchanged, some = ((row.what, row.measured) for row in rows)
    scale = BUDGET / count
    most_mb = max(row.measured.peak_mb for row in rows)
    found = [
        _budget(
            one.seconds * scale <= most, f"{BUDGET:,} services, {what}, in at most {most:g} s: {_seconds(one, scale)}"
        )
        for (what, one), most in ((first, MAX_FIRST), (unchanged, MAX_UNCHANGED), (some, MAX_CHANGED))
    ]
    statements = {what: one.statements for what, one in (first, unchanged, some)}
    told = ", ".join(f"{what} {number}" for what, number in statements.items())
    naive = " and ".join(_seconds(row.measured, BUDGET / row.count) for row in baselines)
    computing = ", ".join(f"{what} {one.computing * scale:.2f} s" for what, one in (first, unchanged, some))
    return [
        *found,
        _budget(max(statements.values()) <= MAX_STATEMENTS, f"at most {MAX_STATEMENTS} statements an import: {told}"),
        _budget(most_mb <= MAX_MB, f"at most {MAX_MB} MB for the whole process: {most_mb:.0f}"),
        "met: no row of the catalog is written where nothing changed.",
        f"Row by row, {BUDGET:,} services would take {naive}, first and unchanged.",
        f"Of the seconds, this process computes, most of it reading the list: {computing}.",
        "Each import asks for the list and the balance, over HTTP, of a provider in a process of its own; the seconds "
        "are with that. BEGIN, COMMIT and savepoints are no statements.",
        "All services are priced and on sale as they should, and the inbox has exactly what changed.",
    ]


def _budget(met: bool, text: str) -> str:
    return f"{'met' if met else 'NOT met'}: {text}"


def _seconds(found: Measured, scale: float) -> str:
    return f"{found.seconds * scale:.2f} s"


class _Bench:
    """A provider whose list is imported as the panel does."""

    def __init__(self, upstream: CatalogUpstream, count: int) -> None:
        self._count = count
        self._provider = make.provider(url=upstream.url, api_key=KEY, name="Imported")
        self.writes: list[str] = []

    def sync(self, what: str, *, added: int = 0, changed: int = 0) -> Row:
        settle()
        self.writes.clear()
        self._provider.refresh_from_db()
        with measured() as found, connection.execute_wrapper(self._note):
            done = import_services(provider=self._provider)
        expected = (SyncRun.Outcome.APPLIED, self._count, added, changed, 0, 0)
        if (done.outcome, done.listed, done.added, done.changed, done.vanished, done.skipped_count) != expected:
            raise Wrong(f"the import ended otherwise: {done.outcome} {done.reason}, {done.added}, {done.changed}")
        self._check(changed)
        return Row(what, self._count, 2, found)

    def _check(self, changed: int) -> None:
        """All is priced at the margin, what can be sold is on sale, and the inbox has what changed."""
        policy = price_policy()
        sold = Service.objects.filter(upstream__provider=self._provider)
        if sold.count() != self._count or CatalogChange.objects.count() != changed:
            raise Wrong("services or rows of the inbox are missing")
        rows = sold.values_list("upstream__rate", "cost", "price", "upstream__type", "is_on_sale")
        for rate, cost, price, service_type, on_sale in rows:
            wanted = money.price_from_cost(rate, margin_bp=policy.margin_bp, margin_fixed=0, step=policy.price_step)
            if (cost, price, on_sale) != (rate, wanted, is_sellable(service_type)):
                raise Wrong(f"a service of the rate {rate} costs {cost} and sells at {price}")
        if Alert.objects.filter(resolved_at=None).exists():
            raise Wrong(f"there is an alert: {Alert.objects.filter(resolved_at=None).first()}")

    def _note(self, execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        if sql.startswith(_WRITES) and any(f'"{table}"' in sql for table in _CATALOG):
            self.writes.append(sql)
        return execute(sql, params, many, context)


class _Naive:
    """What panels without a diff do: each row of the list is looked up and written, whatever it says."""

    def __init__(self, upstream: CatalogUpstream, count: int) -> None:
        self._count = count
        self._provider = make.provider(url=upstream.url, api_key=KEY, name="Row by row")

    def sync(self, what: str) -> Row:
        settle()
        with measured() as found:
            for row in client_for(self._provider).services().rows[: self._count]:
                self._import(row)
        if UpstreamService.objects.filter(provider=self._provider).count() != self._count:
            raise Wrong("the baseline did not import its rows")
        return Row(what, self._count, 1, found)

    def _import(self, row: Any) -> None:
        rate = money.micros_up(row.rate)
        upstream, _ = UpstreamService.objects.update_or_create(
            provider=self._provider,
            external_id=row.external_id,
            defaults={
                "name": row.name,
                "category": row.category,
                "type": row.type,
                "rate": rate,
                "min_quantity": row.min,
                "max_quantity": row.max,
                "refill": row.refill,
                "cancel": row.cancel,
                "dripfeed": row.dripfeed,
                "description": row.description,
            },
        )
        category, _ = Category.objects.get_or_create(name=row.category)
        price = rate * (BASIS + 2_500) // BASIS
        Service.objects.update_or_create(
            upstream=upstream,
            defaults={"category": category, "name": row.name, "cost": rate, "price": price, "is_on_sale": True},
        )
