"""The foreign key that ties every balance to its last entry, for SQLite and PostgreSQL.

It is in `Wallet.Meta.constraints`, so Django writes it again whenever a migration rebuilds the table on SQLite.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.db import DEFAULT_DB_ALIAS
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import BaseConstraint, Model

BALANCE_KEY = "wallet_balance_of_last_entry"
EMPTY_CHECK = "wallet_without_entries_is_empty"


class CompositeForeignKey(BaseConstraint):
    """A deferred foreign key of several columns: at commit, the database refuses a row whose parent is missing.

    Rows with NULL in any of `columns` have no parent. `to_columns` of the table `to_table` need a unique constraint.
    SQLite's message does not contain the name.
    """

    def __init__(
        self, *, columns: Sequence[str], to_table: str, to_columns: Sequence[str], name: str, **kwargs: Any
    ) -> None:
        super().__init__(name=name, **kwargs)
        self.columns = tuple(columns)
        self.to_table = to_table
        self.to_columns = tuple(to_columns)

    def constraint_sql(self, model: Any, schema_editor: Any) -> str:
        """Return the clause for CREATE TABLE; PostgreSQL gets a separate statement once the parent table exists."""
        if schema_editor.connection.vendor == "sqlite":
            return self._clause(schema_editor)
        schema_editor.deferred_sql.append(self.create_sql(model, schema_editor))
        return ""

    def create_sql(self, model: Any, schema_editor: Any) -> str:
        """Return the statement for an existing table. SQLite has none: there Django rebuilds the table."""
        return f"ALTER TABLE {schema_editor.quote_name(model._meta.db_table)} ADD {self._clause(schema_editor)}"

    def _clause(self, schema_editor: Any) -> str:
        def quoted(names: Sequence[str]) -> str:
            return ", ".join(map(schema_editor.quote_name, names))

        return (
            f"CONSTRAINT {quoted([self.name])} FOREIGN KEY ({quoted(self.columns)}) "
            f"REFERENCES {quoted([self.to_table])} ({quoted(self.to_columns)}) DEFERRABLE INITIALLY DEFERRED"
        )

    def remove_sql(self, model: Any, schema_editor: Any) -> Any:
        return schema_editor._delete_fk_sql(model, self.name)

    def validate(self, model: type[Model], instance: Model, exclude: Any = None, using: str = DEFAULT_DB_ALIAS) -> None:
        """Accept every instance: the parent may still be written before the commit."""

    def deconstruct(self) -> Any:
        path, args, kwargs = super().deconstruct()
        return path, args, {**kwargs, "columns": self.columns, "to_table": self.to_table, "to_columns": self.to_columns}

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, CompositeForeignKey):
            return NotImplemented
        return bool(self.deconstruct() == other.deconstruct())

    def __hash__(self) -> int:
        return hash(self.name)


def missing_guards(connection: BaseDatabaseWrapper) -> list[str]:
    """Return sentences for the guards of the balances that this connection lacks; [] if it has all."""
    guards_of = _guards_of_sqlite if connection.vendor == "sqlite" else _guards_of_postgresql
    return [sentence for sentence, holds in guards_of(connection).items() if not holds]


def _guards_of_sqlite(connection: BaseDatabaseWrapper) -> dict[str, bool]:
    wanted = {("id", "wallet_id"), ("last_seq", "seq"), ("balance", "balance_after")}
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA foreign_keys")
        [enforced] = cursor.fetchone()
        cursor.execute("PRAGMA ignore_check_constraints")
        [unchecked] = cursor.fetchone()
        cursor.execute(
            """SELECT id, "from", "to" FROM pragma_foreign_key_list('billing_wallet') WHERE "table" = 'billing_entry'"""
        )
        keys: dict[int, set[tuple[str, str]]] = {}
        for number, column, parent in cursor.fetchall():
            keys.setdefault(number, set()).add((column, parent))
        cursor.execute("SELECT sql FROM sqlite_master WHERE type = 'table' AND name = 'billing_wallet'")
        [table] = cursor.fetchone()
    return {
        "this connection does not enforce foreign keys": bool(enforced),
        "this connection ignores check constraints": not unchecked,
        f"the foreign key {BALANCE_KEY} is missing": wanted in keys.values(),
        f"the check {EMPTY_CHECK} is missing": f'"{EMPTY_CHECK}"' in table,
    }


def _guards_of_postgresql(connection: BaseDatabaseWrapper) -> dict[str, bool]:
    with connection.cursor() as cursor:
        cursor.execute("SHOW session_replication_role")
        [role] = cursor.fetchone()
        cursor.execute(
            # DISABLE TRIGGER ALL also disables the triggers that enforce a foreign key, on either table.
            """SELECT conname FROM pg_constraint c
               WHERE conrelid = 'billing_wallet'::regclass AND conname IN (%s, %s) AND convalidated AND NOT EXISTS (
                 SELECT 1 FROM pg_trigger WHERE tgconstraint = c.oid AND tgenabled NOT IN ('O', 'A'))""",
            [BALANCE_KEY, EMPTY_CHECK],
        )
        holding = {name for [name] in cursor.fetchall()}
    return {
        "this connection skips triggers and foreign keys": role == "origin",
        f"the foreign key {BALANCE_KEY} is missing or switched off": BALANCE_KEY in holding,
        f"the check {EMPTY_CHECK} is missing": EMPTY_CHECK in holding,
    }
