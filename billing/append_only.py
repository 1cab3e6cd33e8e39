"""Database triggers that make entries append-only, for SQLite and PostgreSQL.

`check_ledger` verifies that they exist: SQLite drops a table's triggers whenever a migration rebuilds the table, so a
migration that alters `Entry` must install them again.
"""

from __future__ import annotations

from django.apps.registry import Apps
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

TABLE = "billing_entry"
NAMES = ("billing_entry_no_update", "billing_entry_no_delete")

INSTALL: dict[str, tuple[str, ...]] = {
    "sqlite": tuple(
        f"CREATE TRIGGER IF NOT EXISTS billing_entry_no_{action} BEFORE {action.upper()} ON {TABLE} "
        "BEGIN SELECT RAISE(ABORT, 'entries are append-only'); END"
        for action in ("update", "delete")
    ),
    "postgresql": (
        "CREATE OR REPLACE FUNCTION billing_entry_refuse() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION 'entries are append-only' USING ERRCODE = 'integrity_constraint_violation'; "
        "END $$",
        f"CREATE OR REPLACE TRIGGER billing_entry_no_update BEFORE UPDATE ON {TABLE} "
        "FOR EACH ROW EXECUTE FUNCTION billing_entry_refuse()",
        f"CREATE OR REPLACE TRIGGER billing_entry_no_delete BEFORE DELETE OR TRUNCATE ON {TABLE} "
        "FOR EACH STATEMENT EXECUTE FUNCTION billing_entry_refuse()",
    ),
}

REMOVE: dict[str, tuple[str, ...]] = {
    "sqlite": tuple(f"DROP TRIGGER IF EXISTS {name}" for name in NAMES),
    "postgresql": tuple(f"DROP TRIGGER IF EXISTS {name} ON {TABLE}" for name in NAMES),
}


def install(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """Install the triggers; for RunPython in a migration."""
    for statement in INSTALL[schema_editor.connection.vendor]:
        schema_editor.execute(statement)


def remove(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """Remove the triggers; the reverse of `install`."""
    for statement in REMOVE[schema_editor.connection.vendor]:
        schema_editor.execute(statement)


def installed(connection: BaseDatabaseWrapper) -> bool:
    """Return True if both triggers exist and are enabled."""
    query = (
        "SELECT COUNT(*) FROM sqlite_master WHERE type = 'trigger' AND name IN (%s, %s)"
        if connection.vendor == "sqlite"
        else "SELECT COUNT(*) FROM pg_trigger WHERE tgenabled <> 'D' AND tgname IN (%s, %s)"
    )
    with connection.cursor() as cursor:
        cursor.execute(query, NAMES)
        return bool(cursor.fetchone()[0] == len(NAMES))
