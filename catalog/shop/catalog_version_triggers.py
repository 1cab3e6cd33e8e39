"""Triggers that renew the catalog's version in the transaction that changes the catalog.

A dozen places write prices, some in plain SQL; if one forgot to renew it, the shop would sell at old prices. SQLite
drops a table's triggers when a migration rebuilds the table. A migration that alters a service, an upstream service, a
category or a provider must therefore end with `install`. `check_ledger` reports missing triggers.
"""

from __future__ import annotations

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

TABLE = "catalog_catalogversion"
WATCHED = ("catalog_service", "catalog_upstreamservice", "catalog_category")
# Polling writes to this table every few seconds, but only switching a provider on or off changes what is sold.
PROVIDERS = "catalog_provider"

_ACTIONS = ("insert", "update", "delete")
_SWITCHED = f"{PROVIDERS}_renews_version"

NAMES: dict[str, tuple[str, ...]] = {
    "sqlite": (*(f"{table}_{action}_renews_version" for table in WATCHED for action in _ACTIONS), _SWITCHED),
    "postgresql": (*(f"{table}_renews_version" for table in WATCHED), _SWITCHED),
}

_SQLITE_TOKEN = "lower(hex(randomblob(16)))"  # noqa: S105  (a version, not a secret)
_POSTGRESQL_TOKEN = "replace(gen_random_uuid()::text, '-', '')"  # noqa: S105

# Not an UPSERT: a conflict clause of the statement that fires the trigger would apply in here, too.
_SQLITE_RENEW = (
    f"BEGIN UPDATE {TABLE} SET token = {_SQLITE_TOKEN}; "  # noqa: S608  (our own names)
    f"INSERT INTO {TABLE} (token) SELECT {_SQLITE_TOKEN} WHERE NOT EXISTS (SELECT 1 FROM {TABLE}); END"
)

# This must never wait for another transaction: a lock taken in the middle of any write would deadlock writers. Each
# transaction inserts its own row, and deletes other rows that nobody else is deleting. The setting holds the id of the
# transaction's own row; a rollback to a savepoint reverts both.
_POSTGRESQL_RENEW = f"""CREATE OR REPLACE FUNCTION catalog_renew_version() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    own bigint := NULLIF(current_setting('panel.catalog_version', true), '')::bigint;
BEGIN
    IF own IS NULL THEN
        DELETE FROM {TABLE} WHERE id IN (SELECT id FROM {TABLE} FOR UPDATE SKIP LOCKED);
    ELSE
        DELETE FROM {TABLE} WHERE id = own;
    END IF;
    INSERT INTO {TABLE} (token) VALUES ({_POSTGRESQL_TOKEN}) RETURNING id INTO own;
    PERFORM set_config('panel.catalog_version', own::text, true);
    RETURN NULL;
END $$"""  # noqa: S608

# The first version, and a new one after a time without triggers, when changes were not recorded.
_RENEW = {
    "sqlite": (f"DELETE FROM {TABLE}", f"INSERT INTO {TABLE} (token) VALUES ({_SQLITE_TOKEN})"),  # noqa: S608
    "postgresql": (f"DELETE FROM {TABLE}", f"INSERT INTO {TABLE} (token) VALUES ({_POSTGRESQL_TOKEN})"),  # noqa: S608
}

INSTALL: dict[str, tuple[str, ...]] = {
    "sqlite": (
        *(
            f"CREATE TRIGGER IF NOT EXISTS {table}_{action}_renews_version AFTER {action.upper()} ON {table} "
            f"{_SQLITE_RENEW}"
            for table in WATCHED
            for action in _ACTIONS
        ),
        f"CREATE TRIGGER IF NOT EXISTS {_SWITCHED} AFTER UPDATE OF is_active ON {PROVIDERS} "
        f"WHEN OLD.is_active IS NOT NEW.is_active {_SQLITE_RENEW}",
        *_RENEW["sqlite"],
    ),
    "postgresql": (
        _POSTGRESQL_RENEW,
        *(
            # Runs once per statement, however many rows it writes.
            f"CREATE OR REPLACE TRIGGER {table}_renews_version AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON {table} "
            "FOR EACH STATEMENT EXECUTE FUNCTION catalog_renew_version()"
            for table in WATCHED
        ),
        f"CREATE OR REPLACE TRIGGER {_SWITCHED} AFTER UPDATE ON {PROVIDERS} FOR EACH ROW "
        "WHEN (OLD.is_active IS DISTINCT FROM NEW.is_active) EXECUTE FUNCTION catalog_renew_version()",
        *_RENEW["postgresql"],
    ),
}

REMOVE: dict[str, tuple[str, ...]] = {
    "sqlite": tuple(f"DROP TRIGGER IF EXISTS {name}" for name in NAMES["sqlite"]),
    "postgresql": tuple(f"DROP TRIGGER IF EXISTS {table}_renews_version ON {table}" for table in (*WATCHED, PROVIDERS)),
}


def install(apps: object, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """Install the triggers and renew the version. For RunPython in a migration."""
    for statement in INSTALL[schema_editor.connection.vendor]:
        schema_editor.execute(statement)


def remove(apps: object, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """Remove the triggers. The reverse of `install`."""
    for statement in REMOVE[schema_editor.connection.vendor]:
        schema_editor.execute(statement)


def installed(connection: BaseDatabaseWrapper) -> bool:
    """Return True if all triggers exist and are enabled in this database."""
    names = NAMES[connection.vendor]
    places = ", ".join(["%s"] * len(names))
    query = (
        f"SELECT COUNT(*) FROM sqlite_master WHERE type = 'trigger' AND name IN ({places})"  # noqa: S608
        if connection.vendor == "sqlite"
        else f"SELECT COUNT(*) FROM pg_trigger WHERE tgenabled IN ('O', 'A') AND tgname IN ({places})"  # noqa: S608
    )
    with connection.cursor() as cursor:
        cursor.execute(query, names)
        return bool(cursor.fetchone()[0] == len(names))
