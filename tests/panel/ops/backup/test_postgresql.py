"""Dumps of PostgreSQL: figures of the dumped snapshot, no secret in an argument, one transaction."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from panel.ops.backup import postgresql, postgresql_tools
from panel.ops.backup.create import create_backup
from tests import make
from tests.commands import SECRETS, run_python
from tests.panel.ops.backup.databases import manage, name_of, rows_of
from tests.threads import in_threads

pytestmark = [pytest.mark.postgresql, pytest.mark.django_db(transaction=True)]


def test_dump_when_rows_come_before_it_starts_then_without_them(
    filled, customer, service, new_database, tmp_path, monkeypatch
):
    original = postgresql.run_tool

    def run_later(command: list[str], **values: Any) -> None:
        if command[0].endswith("pg_dump"):
            assert not isinstance(in_threads(lambda: make.order(customer, service))[0], Exception)
        original(command, **values)

    monkeypatch.setattr(postgresql, "run_tool", run_later)
    made = create_backup(into=tmp_path / "b")
    database = new_database()
    done = manage("restore", made.folder, database=database, var_dir=tmp_path / "host")
    assert done.returncode == 0, done.stderr
    assert rows_of(database.url, "SELECT COUNT(*) FROM orders_order") == [(4,)]


def test_password_when_set_then_in_the_environment_alone(filled, tmp_path, monkeypatch):
    monkeypatch.setitem(connection.settings_dict, "PASSWORD", "hunter2")
    commands = []
    original = postgresql.run_tool

    def seen(command: list[str], *, environment: dict[str, str]) -> None:
        commands.append((command, environment))
        original(command, environment=environment)

    monkeypatch.setattr(postgresql, "run_tool", seen)
    create_backup(into=tmp_path / "b")
    dump = next(one for one in commands if one[0][0].endswith("pg_dump"))
    assert dump[1]["PGPASSWORD"] == "hunter2"
    assert not any("hunter2" in argument for command, _ in commands for argument in command)


def test_dump_when_pg_dump_is_missing_then_nothing_is_left(filled, tmp_path, monkeypatch):
    monkeypatch.setattr(postgresql_tools, "_PACKAGES", ())
    monkeypatch.setenv("PATH", "")
    with pytest.raises(CommandError, match="postgresql-client"):
        call_command("backup", str(tmp_path / "b"))
    assert [path.name for path in (tmp_path / "b").iterdir()] == [".backup.lock"]


def test_load_when_the_dump_ends_early_then_nothing_changed(backup, new_database, tmp_path):
    database = new_database(empty=False)
    code = f"""
import django; django.setup()
from pathlib import Path
from panel.ops.backup import restore
from panel.ops.backup.manifest import read_manifest
dump = Path({str(backup.folder)!r}) / "database.dump"
dump.write_bytes(dump.read_bytes()[:-2000])
manifest = read_manifest(dump.parent)
restore.restore_backup(folder=dump.parent, manifest=manifest, replace={name_of(database)!r}, say=print)
"""
    done = run_python("-c", code, **SECRETS, DATABASE_URL=database.url, VAR_DIR=str(tmp_path / "host"))
    assert "pg_restore could not read the dump" in done.stderr, done.stderr
    assert rows_of(database.url, "SELECT COUNT(*) FROM orders_order") == [(0,)]


def test_load_when_other_objects_are_in_the_way_then_gone(backup, new_database, tmp_path):
    database = new_database(empty=False)
    for statement in (
        "CREATE TABLE orders_later (id bigint PRIMARY KEY, o bigint REFERENCES orders_order)",
        "CREATE VIEW seen AS SELECT * FROM orders_order",
        "CREATE MATERIALIZED VIEW kept AS SELECT * FROM seen",
        "CREATE SEQUENCE numbers",
        "CREATE FUNCTION billing_entry_later() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'",
        "CREATE TRIGGER later BEFORE INSERT ON billing_entry EXECUTE FUNCTION billing_entry_later()",
    ):
        with psycopg.connect(database.url) as opened:
            opened.execute(statement)
    arguments = ("restore", backup.folder, "--yes-replace", name_of(database))
    done = manage(*arguments, database=database, var_dir=tmp_path / "host")
    assert done.returncode == 0, done.stderr
    left = "SELECT relname FROM pg_class WHERE relname IN ('orders_later', 'seen', 'kept', 'numbers')"
    assert rows_of(database.url, left) == []
    assert rows_of(database.url, "SELECT 1 FROM pg_proc WHERE proname = 'billing_entry_later'") == []
