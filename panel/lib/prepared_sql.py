"""Statements that the ORM composes once and that are then run with other values.

To build and compile a queryset takes ten times as long as the database needs for the statement. Here it is done once
for each shape; conversions of values and the models' own names stay those of the ORM.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeVar

from django.db import DEFAULT_DB_ALIAS, connection, connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.utils import CursorWrapper
from django.db.models import CharField, Expression, Field, IntegerField, Model, Q, QuerySet, TextField
from django.db.models.sql import UpdateQuery

from panel.lib.bulk_sql import field_of, refuse_guarded

M = TypeVar("M", bound=Model)


class Bound(Expression):
    """A value of a prepared statement that is given when it runs, by `name`; it is stored as `field` stores it."""

    def __init__(self, name: str, field: Field[Any, Any]) -> None:
        super().__init__(output_field=field)
        self.name = name

    def as_sql(self, compiler: Any, connection: Any) -> Any:
        return "%s", [_Slot.of(self.name, self.output_field)]


@dataclass(frozen=True, slots=True)
class _Slot:
    """The place of a value among the parameters."""

    name: str
    field: Field[Any, Any]
    is_plain: bool

    @classmethod
    def of(cls, name: str, field: Field[Any, Any]) -> _Slot:
        return cls(name, field, isinstance(getattr(field, "target_field", field), _PLAIN_FIELDS))

    def stored(self, value: Any, database: BaseDatabaseWrapper) -> Any:
        """Return the value as the column stores it."""
        if value is None or (self.is_plain and type(value) in _PLAIN_VALUES):
            return value  # What Django would return, too: most values are so.
        return self.field.get_db_prep_save(value, database)


_PLAIN_FIELDS = (CharField, TextField, IntegerField)
_PLAIN_VALUES = (str, int)


@dataclass(frozen=True, slots=True)
class _Statement:
    sql: str
    params: Sequence[object]

    def run(self, database: BaseDatabaseWrapper, cursor: CursorWrapper, values: Mapping[str, object]) -> None:
        given: list[Any] = [
            param.stored(values[param.name], database) if isinstance(param, _Slot) else param for param in self.params
        ]
        cursor.execute(self.sql, given)


class PreparedRows:
    """A query that is composed once for each database. `build` returns a `values_list` with Bound values."""

    def __init__(self, build: Callable[[], QuerySet[Any, Any]]) -> None:
        self._build = build
        self._composed: dict[str, tuple[_Statement, list[tuple[int, Any, Any]]]] = {}

    def first(self, **values: object) -> tuple[Any, ...] | None:
        """Return the first row with these Bound values; None if there is none."""
        database = _database()
        statement, converters = self._composed.get(database.vendor) or self._compose(database)
        with database.cursor() as cursor:
            statement.run(database, cursor, values)
            row = cursor.fetchone()
        if row is None:
            return None
        converted = list(row)
        for place, convert, expression in converters:
            converted[place] = convert(converted[place], expression, database)
        return tuple(converted)

    def _compose(self, database: BaseDatabaseWrapper) -> tuple[_Statement, list[tuple[int, Any, Any]]]:
        compiler = self._build()[:1].query.get_compiler(connection=database)
        sql, params = compiler.as_sql()
        converters = compiler.get_converters([column for column, _sql, _alias in compiler.select])
        flat = [(place, one, expression) for place, (each, expression) in converters.items() for one in each]
        composed = _Statement(sql, params), flat
        self._composed[database.vendor] = composed
        return composed


def column_names(model: type[Model], *, path: str = "") -> list[str]:
    """Return the names by which `values_list` gives all columns of `model`, which is reached by `path`."""
    return [f"{path}{field.attname}" for field in model._meta.concrete_fields]


def instances(row: Sequence[object], *models: type[Model]) -> Iterator[Any]:
    """Yield an instance of each model, from a row that begins with all their columns one after another."""
    place = 0
    for model in models:
        names = column_names(model)
        yield model.from_db(connection.alias, names, row[place : place + len(names)])
        place += len(names)


def update_row(*, model: type[Model], same: Mapping[str, object], values: Mapping[str, object]) -> int:
    """Set `values` in the rows whose columns are equal to `same`. Return how many rows were written.

    A statement is composed for each set of names. Values that are expressions are part of it: they hold no values of
    one row.
    """
    shape = (
        tuple((name, value is None) for name, value in same.items()),
        tuple((name, value if hasattr(value, "resolve_expression") else None) for name, value in values.items()),
    )
    database = _database()
    statement = _composed_update(database.vendor, model, *shape)
    given = {f"was_{name}": value for name, value in same.items()} | dict(values)
    with database.cursor() as cursor:
        statement.run(database, cursor, given)
        return int(cursor.rowcount)


@lru_cache(maxsize=256)
def _composed_update(
    vendor: str, model: type[Model], same: Sequence[tuple[str, bool]], values: Sequence[tuple[str, object]]
) -> _Statement:
    refuse_guarded(model)
    condition = Q()
    for name, is_null in same:
        condition &= Q(**{name: None if is_null else Bound(f"was_{name}", field_of(model, name))})
    query: Any = model._base_manager.filter(condition).query.chain(UpdateQuery)
    query.add_update_values(
        {name: Bound(name, field_of(model, name)) if fixed is None else fixed for name, fixed in values}
    )
    sql, params = query.get_compiler(connection=_database()).as_sql()
    return _Statement(sql, params)


def insert_row(row: M, *, keeps: tuple[str, ...] | None = None) -> M:
    """Insert a new instance and return it. Without signals and without its `save`.

    If there is a row with its primary key, raise IntegrityError. With `keeps`, that row gets its values instead, except
    in the columns of those attribute names.
    """
    model = type(row)
    has_key = row.pk is not None
    database = _database()
    statement, attnames = _composed_insert(database.vendor, model, has_key, keeps)
    with database.cursor() as cursor:
        statement.run(database, cursor, {attname: getattr(row, attname) for attname in attnames})
        if not has_key:
            row.pk = cursor.fetchone()[0] if database.vendor == "postgresql" else cursor.lastrowid
    row._state.adding = False
    row._state.db = database.alias
    return row


@lru_cache(maxsize=64)
def _composed_insert(
    vendor: str, model: type[Model], has_key: bool, keeps: tuple[str, ...] | None
) -> tuple[_Statement, Sequence[str]]:
    refuse_guarded(model)
    fields = [field for field in model._meta.concrete_fields if has_key or not field.primary_key]
    quote: Callable[[Any], str] = connection.ops.quote_name
    key = quote(model._meta.pk.column)
    names = ", ".join(quote(field.column) for field in fields)
    places = ", ".join("%s" for _ in fields)
    sql = f"INSERT INTO {quote(model._meta.db_table)} ({names}) VALUES ({places})"  # noqa: S608  (our own names)
    if keeps is not None:
        others = [quote(one.column) for one in fields if not one.primary_key and one.attname not in keeps]
        sql += f" ON CONFLICT ({key}) DO UPDATE SET " + ", ".join(f"{name} = EXCLUDED.{name}" for name in others)
    if not has_key and vendor == "postgresql":
        sql += f" RETURNING {key}"
    return _Statement(sql, [_Slot.of(field.attname, field) for field in fields]), [field.attname for field in fields]


def _database() -> BaseDatabaseWrapper:
    """Return this thread's connection itself: `connection` looks it up again for each attribute."""
    return connections[DEFAULT_DB_ALIAS]
