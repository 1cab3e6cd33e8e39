"""Database triggers that keep what people did, for SQLite and PostgreSQL: entries and details are only ever added.

`check_ledger` verifies that they exist: SQLite drops a table's triggers whenever a migration rebuilds the table.
"""

from __future__ import annotations

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

TABLES = ("django_admin_log", "activity_activitydetail")
NAMES = tuple(f"{table}_no_{action}" for table in TABLES for action in ("update", "delete"))

INSTALL: dict[str, tuple[str, ...]] = {
    "sqlite": tuple(
        f"CREATE TRIGGER IF NOT EXISTS {table}_no_{action} BEFORE {action.upper()} ON {table} "
        "BEGIN SELECT RAISE(ABORT, 'what people did is append-only'); END"
        for table in TABLES
        for action in ("update", "delete")
    ),
    "postgresql": (
        "CREATE OR REPLACE FUNCTION activity_refuse() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION 'what people did is append-only' USING ERRCODE = 'integrity_constraint_violation'; "
        "END $$",
        *(
            statement
            for table in TABLES
            for statement in (
                f"CREATE OR REPLACE TRIGGER {table}_no_update BEFORE UPDATE ON {table} "
                "FOR EACH ROW EXECUTE FUNCTION activity_refuse()",
                f"CREATE OR REPLACE TRIGGER {table}_no_delete BEFORE DELETE ON {table} "
                "FOR EACH ROW EXECUTE FUNCTION activity_refuse()",
                f"CREATE OR REPLACE TRIGGER {table}_no_truncate BEFORE TRUNCATE ON {table} "
                "FOR EACH STATEMENT EXECUTE FUNCTION activity_refuse()",
            )
        ),
    ),
}

REMOVE: dict[str, tuple[str, ...]] = {
    "sqlite": tuple(f"DROP TRIGGER IF EXISTS {name}" for name in NAMES),
    "postgresql": tuple(
        f"DROP TRIGGER IF EXISTS {table}_no_{action} ON {table}"
        for table in TABLES
        for action in ("update", "delete", "truncate")
    ),
}


def install(apps: object, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """Install the triggers; for RunPython in a migration."""
    for statement in INSTALL[schema_editor.connection.vendor]:
        schema_editor.execute(statement)


def remove(apps: object, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """Remove the triggers; the reverse of `install`."""
    for statement in REMOVE[schema_editor.connection.vendor]:
        schema_editor.execute(statement)


def installed(connection: BaseDatabaseWrapper) -> bool:
    """Return True if all triggers exist and are enabled in this database."""
    places = ", ".join(["%s"] * len(NAMES))
    query = (
        f"SELECT COUNT(*) FROM sqlite_master WHERE type = 'trigger' AND name IN ({places})"  # noqa: S608
        if connection.vendor == "sqlite"
        else f"SELECT COUNT(*) FROM pg_trigger WHERE tgenabled IN ('O', 'A') AND tgname IN ({places})"  # noqa: S608
    )
    with connection.cursor() as cursor:
        cursor.execute(query, NAMES)
        return bool(cursor.fetchone()[0] == len(NAMES))
