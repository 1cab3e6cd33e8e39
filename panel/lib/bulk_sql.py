"""Write many rows in one statement, on PostgreSQL and SQLite alike.

The rows travel as one JSON parameter. The ORM would send one parameter per value, more than SQLite accepts, and
write an update as a CASE with a branch for each row.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime
from itertools import islice
from typing import Any, TypeVar

from django.db import connection
from django.db.models import Field, Model

# Rows per statement: a catalog of ten thousand services takes ten short ones.
ROWS = 1_000

T = TypeVar("T")


def in_chunks(items: Iterable[T], size: int = ROWS) -> Iterator[list[T]]:
    """Yield lists of at most `size`, so that a statement does not grow with the data."""
    iterator = iter(items)
    while chunk := list(islice(iterator, size)):
        yield chunk


def insert_rows(*, model: type[Model], columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Insert `rows`, each with a value for each of `columns` (attribute names, such as "provider_id").

    Columns that are left out get the database default: name every column that has none. Raise IntegrityError, and
    TypeError for a model with an `only_writer`.
    """
    refuse_guarded(model)
    fields = [field_of(model, column) for column in columns]
    names = ", ".join(_quoted(field.column) for field in fields)
    source = _source([(f"c{number}", field) for number, field in enumerate(fields)])
    sql = f"INSERT INTO {_quoted(model._meta.db_table)} ({names}) SELECT * FROM {source}"  # noqa: S608  (our own names)
    for chunk in in_chunks(rows):
        _execute(sql, chunk)


def update_rows(
    *,
    model: type[Model],
    columns: Sequence[str],
    rows: Iterable[Sequence[object]],
    unmoved: Sequence[str] = (),
    skip_locked: bool = False,
) -> int:
    """Set `columns` of rows of `model`. Return how many rows were written.

    Each of `rows` has the primary key, then the values that the `unmoved` columns must still have for the row to be
    written, then the new values. With `skip_locked`, rows that another transaction holds are left out; without, they
    are waited for in no particular order. Raise TypeError for a model with an `only_writer`.
    """
    refuse_guarded(model)
    pk = model._meta.pk
    named = [("id", pk)]
    named.extend((f"w{number}", field_of(model, column)) for number, column in enumerate(unmoved))
    guards = "".join(f" AND o.{_quoted(field.column)} = v.{name}" for name, field in named[1:])
    fields = [(f"c{number}", field_of(model, column)) for number, column in enumerate(columns)]
    sets = ", ".join(f"{_quoted(field.column)} = v.{name}" for name, field in fields)
    table, key, source = _quoted(model._meta.db_table), _quoted(pk.column), _source([*named, *fields])
    sql = f"UPDATE {table} AS o SET {sets} FROM {source} WHERE o.{key} = v.id{guards}"  # noqa: S608  (our own names)
    if skip_locked and connection.vendor == "postgresql":
        sql = (
            f"WITH v AS MATERIALIZED (SELECT * FROM {source}), free AS MATERIALIZED (SELECT {key} AS id FROM {table} "  # noqa: S608
            f"WHERE {key} IN (SELECT id FROM v) ORDER BY {key} FOR UPDATE SKIP LOCKED) "
            f"UPDATE {table} AS o SET {sets} FROM v WHERE o.{key} = v.id{guards} AND v.id IN (SELECT id FROM free)"
        )
    return sum(_execute(sql, chunk) for chunk in in_chunks(rows))


def refuse_guarded(model: type[Model]) -> None:
    """Raise TypeError for a model with an `only_writer`: these statements bypass `save` and managers."""
    if writer := getattr(model, "only_writer", None):
        raise TypeError(f"{model.__name__} in bulk: only {writer} writes it")


def field_of(model: type[Model], name: str) -> Field[Any, Any]:
    """Return the field with this name or attribute name, such as "provider", "provider_id" or "pk"."""
    if name == "pk":
        return model._meta.pk
    return next(field for field in model._meta.concrete_fields if name in (field.name, field.attname))


def _quoted(name: str | None) -> str:
    return connection.ops.quote_name(name or "")


def _source(named: Sequence[tuple[str, Any]]) -> str:
    """Return SQL that reads the parameter as a table "v" with these columns."""
    if connection.vendor == "postgresql":
        columns = ", ".join(f"{_typed(place, field)} AS {name}" for place, (name, field) in enumerate(named))
        return f"(SELECT {columns} FROM jsonb_array_elements(%s::jsonb) AS r) AS v"  # noqa: S608  (our own names)
    columns = ", ".join(f"json_extract(value, '$[{place}]') AS {name}" for place, (name, _) in enumerate(named))
    return f"(SELECT {columns} FROM json_each(%s)) AS v"  # noqa: S608  (our own names)


def _typed(place: int, field: Field[Any, Any]) -> str:
    kind = field.db_type(connection) or "text"
    if kind == "jsonb":
        return f"r->{place}"
    if kind.startswith(("varchar", "char")):
        return f"r->>{place}"  # A cast to varchar(n) would silently truncate.
    return f"(r->>{place})::{kind}"


def _execute(sql: str, rows: Sequence[Sequence[object]]) -> int:
    with connection.cursor() as cursor:
        cursor.execute(sql, [json.dumps(rows, default=_plain, ensure_ascii=False)])
        return int(cursor.rowcount)


def _plain(value: object) -> str:
    """Return what JSON has no type for. Raise TypeError for what is neither a moment nor a day."""
    if isinstance(value, datetime):
        return str(connection.ops.adapt_datetimefield_value(value))
    if isinstance(value, date):
        return value.isoformat()
    raise TypeError(f"{type(value).__name__} cannot be written in bulk")
