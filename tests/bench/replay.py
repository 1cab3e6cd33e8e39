"""Records the SQL statements of a request and replays them for another order, without the panel's code."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import groupby
from typing import Any
from uuid import uuid4

from django.db import connection, transaction

from tests.bench.measuring import Wrong

_SAVEPOINTS = ("SAVEPOINT", "RELEASE")
_INSERT = re.compile(r'INSERT INTO "(\w+)" \(([^)]*)\)')
# Reads the balance and the number of the entry after the wallet was debited.
_DEBITED = re.compile(
    r'SELECT "billing_wallet"\."balance" AS "balance", "billing_wallet"\."version" AS "entry_count" FROM'
)


@dataclass(frozen=True, slots=True)
class Statement:
    """A recorded statement. `inside`: it ran in a transaction."""

    sql: str
    params: tuple[Any, ...]
    inside: bool

    @property
    def is_savepoint(self) -> bool:
        return self.sql.startswith(_SAVEPOINTS)


@contextmanager
def recorded() -> Iterator[list[Statement]]:
    """Record the statements of the block on this thread's connection, in order."""
    found: list[Statement] = []

    def record(execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:
        if not sql.startswith(
            "BEGIN"
        ):  # Only SQLite begins with a statement, and the replay opens its own transactions.
            found.append(Statement(sql, tuple(params or ()), connection.in_atomic_block))
        return execute(sql, params, many, context)

    with connection.execute_wrapper(record):
        yield found


def replay_order(statements: Sequence[Statement]) -> int:
    """Run the statements of an `add` for a new order, in the same transactions. Return the order's primary key."""
    values: dict[str, Any] = {"orders_order.request_key": f"api:{uuid4().hex}"}
    for inside, group in groupby(statements, key=lambda statement: statement.inside):
        if inside:
            with transaction.atomic():
                _run(group, values)
        else:
            _run(group, values)
    return int(values["orders_orderevent.order_id"])


def _run(statements: Iterator[Statement], values: dict[str, Any]) -> None:
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement.sql, _params(statement, values) or None)
            if statement.sql.startswith('INSERT INTO "orders_order" '):
                pk = cursor.fetchone()[0]
                values["orders_orderevent.order_id"] = values["billing_entry.order_ref"] = pk
                values["billing_entry.key"] = f"order:{pk}:charge"
            elif _DEBITED.match(statement.sql):
                values["billing_entry.balance_after"], values["billing_entry.seq"] = cursor.fetchone()
            elif cursor.description:
                cursor.fetchall()


def _params(statement: Statement, values: dict[str, Any]) -> list[Any]:
    """Return the recorded parameters, with those that identify the order replaced by the new order's."""
    found = list(statement.params)
    if insert := _INSERT.match(statement.sql):
        columns = [f"{insert[1]}.{name.strip(chr(34) + ' ')}" for name in insert[2].split(",")]
        if len(columns) != len(found):
            raise Wrong(f"the numbers of columns and values differ: {statement.sql}")
        return [values.get(column, param) for column, param in zip(columns, found, strict=True)]
    is_key = [isinstance(param, str) and param.startswith("api:") for param in found]
    return [values["orders_order.request_key"] if its else param for its, param in zip(is_key, found, strict=True)]
