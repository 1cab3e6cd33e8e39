"""Write rows by `INSERT … SELECT`. On both databases, columns without a value get the default of their model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from django.db import connection
from django.db.models import Field, GeneratedField, JSONField, Max, Model


class Writer:
    """All moments are relative to `now`, in whole seconds since 1970."""

    def __init__(self, now: int) -> None:
        self.now = now
        self.on_postgresql = connection.vendor == "postgresql"

    def insert(self, model: type[Model], *, source: str, order: str = "", **values: str) -> None:
        """Insert a row for each row of `source`, a FROM clause. `values` are SQL expressions by field name."""
        columns, exprs = [], []
        for field in model._meta.concrete_fields:
            given = values.pop(field.attname, None)
            if given is None and (field.primary_key or isinstance(field, GeneratedField)):
                continue
            columns.append(f'"{field.column}"')
            exprs.append(self._default(field) if given is None else given)
        if values:
            raise ValueError(f"{model.__name__} has no {', '.join(values)}")
        self.execute(
            f'INSERT INTO "{model._meta.db_table}" ({", ".join(columns)}) '
            f"SELECT {', '.join(exprs)} FROM {source}{f' ORDER BY {order}' if order else ''}"
        )

    def execute(self, statement: str) -> None:
        """Execute without parameters, so that percent signs need no escaping."""
        with connection.cursor() as cursor:
            cursor.execute(statement)

    def numbers(self, count: int) -> str:
        """Return a table with one column `n`, 1 to `count`. Not every build of SQLite has generate_series."""
        if self.on_postgresql:
            return f"generate_series(CAST(1 AS BIGINT), {count}) AS numbers(n)"
        return (
            "(WITH RECURSIVE counted(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM counted "
            f"WHERE n < {count}) SELECT n FROM counted WHERE n <= {count}) AS numbers"
        )

    def moment(self, seconds: str | int) -> str:
        """Return the moment that is `seconds` after 1970, as SQL."""
        if self.on_postgresql:
            return f"TO_TIMESTAMP({seconds})"
        return f"STRFTIME('%Y-%m-%d %H:%M:%S', {seconds}, 'unixepoch')"

    def ago(self, seconds: str | int) -> str:
        return self.moment(f"{self.now} - ({seconds})")

    def ahead(self, seconds: str | int) -> str:
        return self.moment(f"{self.now} + ({seconds})")

    def whole(self, number: str) -> str:
        """Return a sum as a whole number: PostgreSQL returns a numeric."""
        return f"CAST({number} AS BIGINT)"

    def padded(self, number: str, digits: int) -> str:
        return f"SUBSTR('{'0' * digits}' || {number}, LENGTH('' || {number}) + 1)"

    def last_id(self, model: type[Model]) -> int:
        last: int | None = model._default_manager.aggregate(last=Max("pk"))["last"]
        return last or 0

    def _default(self, field: Field[Any, Any]) -> str:
        value = field.get_default()
        if isinstance(value, datetime):
            return self.moment(self.now)
        if isinstance(field, JSONField):
            return {dict: "'{}'", list: "'[]'", type(None): "NULL"}[type(value)]
        return literal(value)


def literal(value: str | int | None) -> str:
    if value is None:
        return "NULL"
    if isinstance(value, bool):
        return str(value).upper()
    return str(value) if isinstance(value, int) else "'{}'".format(value.replace("'", "''"))


def choose(number: str, words: Sequence[str | int]) -> str:
    """Return SQL that picks one of the words by the number, in turn."""
    return by_value(f"({number}) % {len(words)}", dict(enumerate(words)))


def by_value(expr: str, words: Mapping[str | int, str | int], *, otherwise: str = "NULL") -> str:
    cases = " ".join(f"WHEN {literal(value)} THEN {literal(word)}" for value, word in words.items())
    return f"CASE {expr} {cases} ELSE {otherwise} END"
