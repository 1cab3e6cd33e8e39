"""Export margins and names of services as CSV, and turn an imported file into edits."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from django.db.models import QuerySet

from catalog.models import Service
from catalog.prices.csv_format import COLUMNS, SETS, FileRefused, FileRow, read_rows
from catalog.prices.edits import Edit, grouped
from panel.lib.admin.fields import PercentField
from panel.lib.bulk_sql import ROWS, in_chunks
from panel.lib.csv_files import as_csv
from panel.lib.money import format_plain

_WRITTEN = (
    "pk",
    "upstream__provider__name",
    "upstream__external_id",
    "name",
    "category__name",
    "margin_bp",
    "margin_fixed",
    "is_on_sale",
    "cost",
    "price",
)


def write_services(*, services: QuerySet[Service]) -> Iterator[str]:
    """Yield the services as CSV lines, in their order: UTF-8 with a BOM, for spreadsheets."""
    return as_csv(COLUMNS, (_cells(*row) for row in services.values_list(*_WRITTEN).iterator(chunk_size=ROWS)))


def _cells(
    pk: int,
    provider: str,
    external_id: str,
    name: str,
    category: str,
    margin_bp: int | None,
    margin_fixed: int | None,
    is_on_sale: bool,
    cost: int,
    price: int,
) -> tuple[str, ...]:
    return (
        str(pk),
        provider,
        external_id,
        name,
        category,
        "" if margin_bp is None else PercentField().show(margin_bp),
        "" if margin_fixed is None else format_plain(margin_fixed),
        "yes" if is_on_sale else "no",
        format_plain(cost),
        format_plain(price),
    )


def edits_of_file(*, data: bytes) -> list[Edit]:
    """Return the edits of a file, only where it differs from the stored values. Raise FileRefused."""
    rows = read_rows(data)
    stored = _stored(row.pk for row in rows)
    if unknown := [f"Line {row.line}: there is no service {row.pk}." for row in rows if row.pk not in stored]:
        raise FileRefused(unknown)
    return grouped("service", ((row.pk, _differing(row, stored[row.pk])) for row in rows))


def _stored(pks: Iterable[int]) -> dict[int, dict[str, Any]]:
    columns = tuple(SETS.values())
    found: dict[int, dict[str, Any]] = {}
    for chunk in in_chunks(pks):
        for pk, *values in Service.objects.filter(pk__in=chunk).order_by().values_list("pk", *columns):
            found[pk] = dict(zip(columns, values, strict=True))
    return found


def _differing(row: FileRow, stored: dict[str, Any]) -> dict[str, Any]:
    found = {column: value for column, value in row.values.items() if value != stored[column]}
    if "name" in found:
        found["name"] = found["name"].strip()
    return found
