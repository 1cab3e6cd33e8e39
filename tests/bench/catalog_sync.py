"""Imports a provider's whole list: for the first time, unchanged and 5% changed, compared with a loop over its rows."""

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

# The budget: seconds for the three imports of a list of this length, statements of any import, and memory.
BUDGET_SERVICES = 10_000
MAX_FIRST, MAX_UNCHANGED, MAX_CHANGED = 5.0, 1.5, 2.5
MAX_STATEMENTS = 60
MAX_MB = 200

# An unchanged list must not write these tables.
_CATALOG_TABLES = ("catalog_upstreamservice", "catalog_service", "catalog_category", "catalog_catalogchange")
_WRITES = ("INSERT", "UPDATE", "DELETE")


def run(options: Namespace) -> Iterator[Report]:
    with CatalogUpstream(options.catalog) as upstream:
        bench = _Bench(upstream, options.catalog)
        first = bench.import_list("first", added=options.catalog)
        unchanged = bench.import_list("unchanged")
        if bench.writes:
            raise Wrong(f"the import of an unchanged list wrote: {bench.writes[0]}")
        changed = upstream.change_some()
        some = bench.import_list(f"{changed / options.catalog:.0%} changed", changed=changed)
        # The baseline comes last, when all categories exist already, which favors it.
        baseline = _RowByRow(upstream, options.row_by_row)
        baselines = [baseline.import_list("row by row: first"), baseline.import_list("row by row: unchanged")]
    yield Report(
        title=f"catalog_sync: a list of {options.catalog:,} services",
        rows=(*baselines, first, unchanged, some),
        remarks=_remarks(options.catalog, baselines, (first, unchanged, some)),
        unit="service",
    )


def _remarks(count: int, baselines: list[Row], rows: tuple[Row, Row, Row]) -> list[str]:
    first, unchanged, some = ((row.what, row.measured) for row in rows)
    scale = BUDGET_SERVICES / count
    peak_mb = max(row.measured.peak_mb for row in rows)
    found = [
        _budget(
            one.seconds * scale <= limit,
            f"{BUDGET_SERVICES:,} services, {what}, in at most {limit:g} s: {_seconds(one, scale)}",
        )
        for (what, one), limit in ((first, MAX_FIRST), (unchanged, MAX_UNCHANGED), (some, MAX_CHANGED))
    ]
    statements = {what: one.statements for what, one in (first, unchanged, some)}
    counts = ", ".join(f"{what} {number}" for what, number in statements.items())
    row_by_row = " and ".join(_seconds(row.measured, BUDGET_SERVICES / row.count) for row in baselines)
    computing = ", ".join(f"{what} {one.computing * scale:.2f} s" for what, one in (first, unchanged, some))
    return [
        *found,
        _budget(
            max(statements.values()) <= MAX_STATEMENTS, f"at most {MAX_STATEMENTS} statements per import: {counts}"
        ),
        _budget(peak_mb <= MAX_MB, f"at most {MAX_MB} MB for the whole process: {peak_mb:.0f}"),
        "met: the import of an unchanged list writes no row of the catalog.",
        f"Row by row, {BUDGET_SERVICES:,} services would take {row_by_row} (first, unchanged).",
        f"Processor time of this process, mostly for reading the list: {computing}.",
        "The seconds include the HTTP calls for the list and the balance to a provider in its own process. "
        "BEGIN, COMMIT and savepoints do not count as statements.",
        "All prices are right, every sellable service is on sale, and the inbox has exactly the changes.",
    ]


def _budget(met: bool, text: str) -> str:
    return f"{'met' if met else 'NOT met'}: {text}"


def _seconds(found: Measured, scale: float) -> str:
    return f"{found.seconds * scale:.2f} s"


class _Bench:
    """A provider whose list the panel imports."""

    def __init__(self, upstream: CatalogUpstream, count: int) -> None:
        self._count = count
        self._provider = make.provider(url=upstream.url, api_key=KEY, name="Imported")
        self.writes: list[str] = []

    def import_list(self, what: str, *, added: int = 0, changed: int = 0) -> Row:
        settle()
        self.writes.clear()
        self._provider.refresh_from_db()
        with measured() as found, connection.execute_wrapper(self._record_write):
            result = import_services(provider=self._provider)
        expected = (SyncRun.Outcome.APPLIED, self._count, added, changed, 0, 0)
        if (
            result.outcome,
            result.listed,
            result.added,
            result.changed,
            result.vanished,
            result.skipped_count,
        ) != expected:
            raise Wrong(
                f"the import had another result: {result.outcome} {result.reason}, {result.added}, {result.changed}"
            )
        self._check(changed)
        return Row(what, self._count, 2, found)

    def _check(self, changed: int) -> None:
        """Raise Wrong unless all prices have the margin, all sellable services are on sale, and the inbox is right."""
        policy = price_policy()
        sold = Service.objects.filter(upstream__provider=self._provider)
        if sold.count() != self._count or CatalogChange.objects.count() != changed:
            raise Wrong("the number of services or of inbox rows is wrong")
        rows = sold.values_list("upstream__rate", "cost", "price", "upstream__type", "is_on_sale")
        for rate, cost, price, service_type, on_sale in rows:
            expected = money.price_from_cost(rate, margin_bp=policy.margin_bp, margin_fixed=0, step=policy.price_step)
            if (cost, price, on_sale) != (rate, expected, is_sellable(service_type)):
                raise Wrong(f"a service with the rate {rate} has the cost {cost} and the price {price}")
        if Alert.objects.filter(resolved_at=None).exists():
            raise Wrong(f"an alert is open: {Alert.objects.filter(resolved_at=None).first()}")

    def _record_write(self, execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        if sql.startswith(_WRITES) and any(f'"{table}"' in sql for table in _CATALOG_TABLES):
            self.writes.append(sql)
        return execute(sql, params, many, context)


class _RowByRow:
    """The baseline, an import without a diff: it reads and writes every row, changed or not."""

    def __init__(self, upstream: CatalogUpstream, count: int) -> None:
        self._count = count
        self._provider = make.provider(url=upstream.url, api_key=KEY, name="Row by row")

    def import_list(self, what: str) -> Row:
        settle()
        with measured() as found:
            for row in client_for(self._provider).services().rows[: self._count]:
                self._import(row)
        if UpstreamService.objects.filter(provider=self._provider).count() != self._count:
            raise Wrong("the baseline did not import all its rows")
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
