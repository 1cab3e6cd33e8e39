"""Migrated template databases: a changed migration must never be tested on an old template."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from tests import templates


@pytest.fixture
def migration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A migration whose SQL is in a module that it imports through another one."""
    package = tmp_path / f"app_{uuid4().hex}"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "sql.py").write_text("TEXT = 'SELECT 1'\n")
    (package / "helper.py").write_text(f"from {package.name} import sql\n")
    (package / "m0001.py").write_text(f"import {package.name}.helper\n")
    (package / "unrelated.py").write_text("")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(templates, "ROOT", tmp_path)
    return package


@pytest.mark.parametrize("file", ["m0001.py", "helper.py", "sql.py", "__init__.py"])
def test_fingerprint_when_migration_code_changed_then_it_differs(migration, file):
    before = templates.fingerprint([f"{migration.name}.m0001"])
    with (migration / file).open("a") as source:
        source.write("CHANGED = True\n")
    assert templates.fingerprint([f"{migration.name}.m0001"]) != before


def test_fingerprint_when_a_migration_is_added_then_it_differs(migration):
    (migration / "m0002.py").write_text("")
    first, second = f"{migration.name}.m0001", f"{migration.name}.m0002"
    assert templates.fingerprint([first]) != templates.fingerprint([first, second])


def test_fingerprint_when_other_code_changed_then_it_is_the_same(migration):
    before = templates.fingerprint([f"{migration.name}.m0001"])
    (migration / "unrelated.py").write_text("CHANGED = True\n")
    assert templates.fingerprint([f"{migration.name}.m0001"]) == before


def test_fingerprint_when_computed_then_it_covers_apps_and_triggers():
    names = {f"{path.parent.name}/{path.name}" for path in templates._sources(templates.migration_modules())}
    assert {"migrations/0002_append_only.py", "billing/append_only.py", "shop/catalog_version_triggers.py"} <= names
    assert any(
        "django/contrib/auth/migrations" in str(one) for one in templates._sources(templates.migration_modules())
    )


@pytest.fixture
def migrated(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The names of the databases that were migrated, in order; the migrating itself is skipped."""
    names: list[Any] = []
    migrate = templates.migrate

    def record(connection: Any, name: Any) -> None:
        names.append(name)
        migrate(connection, name)

    monkeypatch.setattr(templates, "migrate", record)
    monkeypatch.setattr(templates, "call_command", lambda *_args, **_options: connection.ensure_connection())
    return names


@pytest.mark.skipif(connection.vendor != "sqlite", reason="the template is a file")
@pytest.mark.django_db(transaction=True)
def test_copy_when_the_fingerprint_changed_then_template_is_replaced(migrated, tmp_path, monkeypatch):
    folder = tmp_path / "templates"
    for value, count in (("a", 1), ("a", 1), ("b", 2)):
        monkeypatch.setattr(templates, "fingerprint", lambda _names, value=value: value)
        templates.copy_template(connection, tmp_path / "copy", folder=folder)
        assert len(migrated) == count
        assert [path.name for path in folder.glob("*.sqlite3*")] == [f"{value}.sqlite3"]
    assert (tmp_path / "copy").read_bytes() == (folder / "b.sqlite3").read_bytes()


@pytest.mark.skipif(connection.vendor != "sqlite", reason="the template is a file")
@pytest.mark.django_db(transaction=True)
def test_copy_when_migrating_was_interrupted_then_it_is_repeated(migrated, tmp_path, monkeypatch):
    monkeypatch.setattr(templates, "fingerprint", lambda _names: "a")
    folder = tmp_path / "templates"
    folder.mkdir()
    (folder / "unfinished.sqlite3").write_text("half a database")
    templates.copy_template(connection, tmp_path / "copy", folder=folder)
    assert [path.name for path in folder.glob("*.sqlite3*")] == ["a.sqlite3"]


@pytest.mark.postgresql
@pytest.mark.django_db(transaction=True)
def test_server_template_when_fingerprint_changed_then_replaced(migrated, monkeypatch):
    name = f"panel_{uuid4().hex[:12]}"

    def present() -> list[str]:
        with connection.cursor() as cursor:
            cursor.execute("SELECT datname FROM pg_database WHERE datname LIKE %s", [f"template_{name}%"])
            return [found for [found] in cursor.fetchall()]

    values = ["0" * 16, "0" * 16, "f" * 16]
    monkeypatch.setattr(templates, "fingerprint", lambda _names: values[0])
    original = connection.settings_dict["NAME"]
    try:
        for count in (1, 1, 2):
            connection.settings_dict["NAME"] = name
            template = templates.template_on_server(connection)
            connection.settings_dict["NAME"] = original
            assert len(migrated) == count
            assert present() == [template] == [f"template_{name}_{values.pop(0)}"]
    finally:
        connection.settings_dict["NAME"] = original
        with connection.cursor() as cursor:
            for left in present():
                cursor.execute(f'DROP DATABASE "{left}" WITH (FORCE)')


@pytest.mark.django_db
def test_copy_when_tests_run_on_it_then_no_migration_is_missing():
    executor = MigrationExecutor(connection)
    assert not executor.migration_plan(executor.loader.graph.leaf_nodes())
