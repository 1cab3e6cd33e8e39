"""Restores: complete, refused if in doubt, and stopped from the first moment."""

from __future__ import annotations

import json
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from orders.common.stops import stop_sending
from orders.models import Order
from orders.states import StopReason
from panel.ops.backup import create, restore
from panel.ops.backup.create import create_backup
from panel.ops.backup.files import BackupError
from panel.ops.backup.restore import fitting_manifest, lacks_keys, restore_backup
from tests.commands import SECRETS, database_url
from tests.panel.ops.backup.conftest import RECEIPT
from tests.panel.ops.backup.databases import manage, name_of, own_rows, rows_of

pytestmark = pytest.mark.django_db(transaction=True)

COMPARED = ("orders_order", "orders_placementattempt", "orders_orderevent", "billing_entry", "billing_wallet")
STOPS = "SELECT reason, text FROM orders_sendingstop WHERE ended_at IS NULL AND provider_id IS NULL"


def change_manifest(folder: Path, **values: Any) -> None:
    path = folder / "manifest.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))


def restore_here(folder: Path, *, replace: str = "") -> None:
    """Restore into the test's own database, for restores that are refused."""
    restore_backup(folder=folder, manifest=fitting_manifest(folder), replace=replace, say=lambda text: None)


def next_number(url: str) -> int:
    """Return about which number the next order gets."""
    query = "SELECT seq FROM sqlite_sequence WHERE name = 'orders_order'"
    if url.startswith("postgres"):
        query = "SELECT last_value FROM orders_order_id_seq"
    [(number,)] = rows_of(url, query)
    return number


def test_restore_when_into_nothing_then_all_is_back_and_stopped(backup, new_database, tmp_path, upstream):
    database, new_host, sent = new_database(), tmp_path / "new-host", len(upstream.requests_of("add"))
    done = manage("restore", backup.folder, database=database, var_dir=new_host)
    assert done.returncode == 0, done.stderr
    assert "No order is sent" in done.stdout
    for table in COMPARED:
        query = f"SELECT * FROM {table} ORDER BY 1"
        assert rows_of(database.url, query) == own_rows(query) != [], table
    [(reason, text)] = rows_of(database.url, STOPS)
    assert reason == "restored"
    assert f"{backup.manifest.made_at:%Y-%m-%d %H:%M:%S} UTC" in text
    assert rows_of(database.url, "SELECT level FROM ops_alert WHERE cause = 'sending' AND resolved_at IS NULL") == [
        ("danger",)
    ]
    assert (new_host / "private/receipts/0123.pdf").read_bytes() == RECEIPT
    noted = json.loads((new_host / "restored.json").read_text())
    assert noted["backup_at"] == backup.manifest.made_at.isoformat()
    assert {name: noted[name] for name in ("orders", "attempts", "entries")} == backup.manifest.database.facts.highest
    # Customers know the numbers of orders that are lost.
    assert next_number(database.url) > Order.objects.latest("pk").pk + 1_000
    for command in (("check_ledger",), ("run_round", "submit_orders")):
        done = manage(*command, database=database, var_dir=new_host, UPSTREAM_ALLOW_PRIVATE="true")
        assert done.returncode == 0, done.stdout + done.stderr
    assert len(upstream.requests_of("add")) == sent
    for statement in ("UPDATE billing_entry SET amount = 1", "DELETE FROM billing_entry"):
        with pytest.raises((sqlite3.IntegrityError, psycopg.errors.IntegrityError), match="append-only"):
            rows_of(database.url, statement)


def test_stops_when_the_backup_had_some_then_only_the_new_one(filled, new_database, tmp_path):
    for reason in (StopReason.OLDER, StopReason.RESTORED):
        stop_sending(reason=reason, text="Of an earlier restore.")
    database, host = new_database(empty=False), tmp_path / "host"
    again = create_backup(into=tmp_path / "backups").folder
    arguments = ("restore", again, "--yes-replace", name_of(database))
    done = manage(*arguments, database=database, var_dir=host)
    assert done.returncode == 0, done.stderr
    [(reason, text)] = rows_of(database.url, STOPS)
    made_at = json.loads((again / "manifest.json").read_text())["made_at"]
    assert f"{made_at[:10]} {made_at[11:19]} UTC" in text
    [(stopped_at,)] = rows_of(database.url, "SELECT created_at FROM orders_sendingstop WHERE ended_at IS NULL")
    noted = json.loads((host / "restored.json").read_text())["stopped_at"]
    assert str(stopped_at)[:26].replace(" ", "T") == noted[:26]


def test_figures_when_not_as_in_the_manifest_then_nothing_changed(backup, new_database, tmp_path):
    database = new_database(empty=False)
    content = json.loads((backup.folder / "manifest.json").read_text())
    content["database"]["facts"]["sums"]["billing_wallet.balance"] += 1
    change_manifest(backup.folder, database=content["database"])
    arguments = ("restore", backup.folder, "--yes-replace", name_of(database))
    done = manage(*arguments, database=database, var_dir=tmp_path / "host")
    assert done.returncode == 1
    assert "sum of billing_wallet.balance" in done.stderr
    assert rows_of(database.url, "SELECT COUNT(*) FROM orders_order") == [(0,)]
    assert rows_of(database.url, STOPS) == []
    assert not (tmp_path / "host" / "restored.json").exists()


def test_database_when_not_empty_then_refused(backup):
    with pytest.raises(BackupError, match="not empty"):
        restore_here(backup.folder)
    assert Order.objects.count() == 4


def test_name_when_another_one_then_refused(backup):
    with pytest.raises(BackupError, match="not named panel"):
        restore_here(backup.folder, replace="panel")


def test_name_when_typed_wrongly_then_refused(backup, monkeypatch):
    monkeypatch.setattr("builtins.input", lambda prompt: "panel")
    with pytest.raises(CommandError, match="The name differs"):
        call_command("restore", str(backup.folder), "--replace")


def test_database_when_in_use_then_refused(backup):
    name = create.engine().database_name()
    url = database_url()
    if connection.vendor == "postgresql":
        with psycopg.connect(url, application_name="a worker"), pytest.raises(BackupError, match="1 by a worker"):
            restore_here(backup.folder, replace=name)
    else:
        with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as other:
            other.execute("SELECT 1 FROM orders_order").fetchone()
            with pytest.raises(BackupError, match="is in use"):
                restore_here(backup.folder, replace=name)
    assert Order.objects.count() == 4


def test_restore_when_run_by_another_user_then_refused(backup, monkeypatch):
    # Root's files would be unreadable to the panel.
    monkeypatch.setattr("os.geteuid", lambda: 4711)
    with pytest.raises(BackupError, match="belongs to another user"):
        restore_here(backup.folder, replace=create.engine().database_name())


@pytest.mark.parametrize("damage", ["changed", "missing", "linked"])
def test_file_when_not_as_in_the_manifest_then_refused(backup, damage):
    path = backup.folder / "private/receipts/0123.pdf"
    path.unlink()
    if damage == "changed":
        path.write_bytes(RECEIPT.swapcase())
    elif damage == "linked":
        path.symlink_to("/etc/hostname")
    with pytest.raises(BackupError, match="damaged|incomplete"):
        fitting_manifest(backup.folder)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"vendor": "oracle"}, "backup of oracle"),
        ({"currency": "EUR"}, "amounts are in EUR"),
        ({"format": 2}, "does not know"),
        ({"files": {}}, "damaged"),
    ],
)
def test_backup_when_it_does_not_fit_then_refused(backup, values, words):
    change_manifest(backup.folder, **values)
    with pytest.raises(BackupError, match=words):
        fitting_manifest(backup.folder)


def test_backup_when_of_newer_code_then_refused(backup):
    database = json.loads((backup.folder / "manifest.json").read_text())["database"]
    database["facts"]["migrations"]["orders"] = "9999_later"
    change_manifest(backup.folder, database=database)
    with pytest.raises(BackupError, match=r"newer version of the panel \(orders 9999_later\)"):
        fitting_manifest(backup.folder)


def test_folder_when_no_backup_then_refused(tmp_path):
    with pytest.raises(BackupError, match="no backup"):
        fitting_manifest(tmp_path)


def test_keys_when_those_of_the_backup_are_missing_then_noticed(backup, settings):
    assert not lacks_keys(backup.manifest)
    settings.FIELD_ENCRYPTION_KEYS = ["another"]
    assert lacks_keys(backup.manifest)
    settings.FIELD_ENCRYPTION_KEYS = ["another", SECRETS["FIELD_ENCRYPTION_KEYS"]]
    assert not lacks_keys(backup.manifest)


def test_receipts_when_newer_or_damaged_then_kept(backup, receipt):
    newer = receipt.with_name("newer.pdf")
    newer.write_bytes(b"newer")
    receipt.write_bytes(b"damaged")
    assert restore._add_private_files(backup.folder, backup.manifest) == 1
    assert receipt.read_bytes() == RECEIPT
    assert newer.read_bytes() == b"newer"
    [aside] = receipt.parent.glob("0123.pdf.before-restore-*")
    assert aside.read_bytes() == b"damaged"
    assert restore._add_private_files(backup.folder, backup.manifest) == 0


def test_receipts_when_the_folder_was_lost_then_back(backup, receipt):
    shutil.rmtree(receipt.parent.parent)
    assert restore._add_private_files(backup.folder, backup.manifest) == 1
    assert receipt.read_bytes() == RECEIPT
