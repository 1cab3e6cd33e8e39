"""An index is added while the panel writes, and an interrupted build is begun anew."""

from __future__ import annotations

from typing import Any

import pytest
from django.apps import apps
from django.db import connection, models
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.state import ProjectState
from django.test.utils import CaptureQueriesContext

from billing import append_only
from panel.lib.concurrent_index import AddIndexConcurrently

BEFORE = ("billing", "0007_entry_count")
INDEX = "entry_of_kind"


def migrate(*target: str) -> None:
    """Migrate to the target; without one, to the latest of all apps, as other tests need it."""
    executor = MigrationExecutor(connection)
    executor.migrate([target] if target else executor.loader.graph.leaf_nodes())


def columns() -> list[str] | None:
    with connection.cursor() as cursor:
        found: dict[str, Any] = connection.introspection.get_constraints(cursor, "billing_entry")
    return found[INDEX]["columns"] if INDEX in found else None


@pytest.mark.django_db(transaction=True)
def test_index_when_migrated_both_ways_then_built_concurrently():
    try:
        with CaptureQueriesContext(connection) as back:
            migrate(*BEFORE)
        assert columns() is None
        if connection.vendor == "postgresql":
            # As an interrupted build leaves one behind: of this name, and of no use.
            with connection.cursor() as cursor:
                cursor.execute(f"CREATE INDEX {INDEX} ON billing_entry (id)")
    finally:
        with CaptureQueriesContext(connection) as forth:
            migrate()
    assert columns() == ["kind", "id"]
    assert append_only.installed(connection)
    changes = [
        query["sql"] for query in (*back.captured_queries, *forth.captured_queries) if f'"{INDEX}"' in query["sql"]
    ]
    assert changes
    if connection.vendor == "postgresql":
        assert all("CONCURRENTLY" in one for one in changes)


@pytest.mark.django_db(transaction=True)
def test_index_when_it_was_built_before_then_built_again():
    """As where a migration is killed between two of them: it runs again from its beginning."""
    before = ProjectState.from_apps(apps)
    add = AddIndexConcurrently("orderevent", models.Index(fields=["text"], name="built_twice"))
    after = before.clone()
    add.state_forwards("orders", after)
    with connection.schema_editor(atomic=False) as editor:
        for _ in range(2):
            add.database_forwards("orders", editor, before, after)
        add.database_backwards("orders", editor, after, before)
