"""Backups: complete, of one moment, private, and never half."""

from __future__ import annotations

import json
import stat
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from billing.models import Entry, Wallet
from orders.models import DatabaseIdentity, Order, PlacementAttempt
from panel.alerts.models import Heartbeat
from panel.ops.backup import create
from panel.ops.backup.create import create_backup, engine
from panel.ops.backup.files import BackupError
from panel.ops.backup.manifest import read_manifest, verified
from tests import make

pytestmark = pytest.mark.django_db(transaction=True)


def run(*arguments: object) -> str:
    out = StringIO()
    call_command("backup", *map(str, arguments), stdout=out)
    return out.getvalue()


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.suffix != ".lock")


def test_manifest_when_backup_made_then_figures_of_the_database(backup, filled):
    facts = read_manifest(backup.folder).database.facts
    identity = DatabaseIdentity.objects.get()
    assert (facts.identity, facts.generation) == (identity.token, identity.generation)
    assert facts.highest["orders"] == filled[-1].pk
    assert facts.highest["entries"] == Entry.objects.order_by("pk").last().pk
    assert facts.highest["attempts"] == PlacementAttempt.objects.order_by("pk").last().pk
    assert facts.counts["orders_order"] == 4
    assert facts.sums["billing_wallet.balance"] == Wallet.objects.get().balance
    assert facts.migrations["orders"] >= "0020"


def test_backup_when_made_then_only_its_owner_can_read_it(backup):
    assert stat.S_IMODE(backup.folder.stat().st_mode) == 0o700
    for path in backup.folder.rglob("*"):
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600), path


def test_command_when_run_then_says_what_is_left_out(filled, tmp_path, var_dir):
    said = run(tmp_path / "here")
    assert "4 orders" in said
    assert "Receipts: 1 files" in said
    assert "FIELD_ENCRYPTION_KEYS" in said
    assert "made and verified" in said
    assert Heartbeat.objects.filter(task="backup").exists()


def test_folder_when_not_named_then_in_var_dir(filled, var_dir):
    run()
    [folder] = (var_dir / "backups").glob("upmark-*")
    assert verified(folder)


def test_older_backups_when_keep_is_given_then_removed_after(filled, tmp_path):
    first, second = (create_backup(into=tmp_path / "b").folder for _ in range(2))
    third = create_backup(into=tmp_path / "b", keep=2)
    assert third.removed == [first]
    assert names(tmp_path / "b") == [second.name, third.folder.name]


def test_older_backups_when_the_new_one_fails_then_kept(backup, monkeypatch):
    def damaged(path: Path) -> None:
        raise BackupError("damaged")

    into = backup.folder.parent
    second = create_backup(into=into).folder
    beat = Heartbeat.objects.get(task="backup").beat_at
    monkeypatch.setattr(engine(), "check", damaged)
    with pytest.raises(CommandError, match="No backup was made. damaged"):
        run(into, "--keep", "1")
    assert names(into) == [backup.folder.name, second.name]
    assert Heartbeat.objects.get(task="backup").beat_at == beat


def test_copy_when_not_what_was_written_then_refused(filled, tmp_path, monkeypatch):
    original = create.write_manifest

    def write_and_damage(folder: Path, manifest: create.Manifest) -> None:
        original(folder, manifest)
        (folder / "private/receipts/0123.pdf").write_bytes(b"")

    monkeypatch.setattr(create, "write_manifest", write_and_damage)
    with pytest.raises(BackupError, match="was changed"):
        create_backup(into=tmp_path / "b")
    assert names(tmp_path / "b") == []


def test_leftovers_when_a_backup_was_killed_then_removed(filled, tmp_path):
    leftover = tmp_path / "b" / ".unfinished-upmark-x"
    leftover.mkdir(parents=True)
    made = create_backup(into=tmp_path / "b")
    assert names(tmp_path / "b") == [made.folder.name]


def test_backup_when_another_is_running_then_refused(filled, tmp_path):
    (tmp_path / "b").mkdir()
    with create.only_one(tmp_path / "b", doing="backup"), pytest.raises(BackupError, match="Another backup"):
        create_backup(into=tmp_path / "b")


@pytest.mark.parametrize("place", ["static", "private"])
def test_folder_when_served_or_copied_then_refused(filled, var_dir, settings, place):
    settings.STATIC_ROOT = var_dir / "static"
    with pytest.raises(BackupError, match="no place for backups"):
        create_backup(into=var_dir / place / "backups")


def test_rows_when_written_during_the_copy_then_not_in_the_figures(filled, customer, service, tmp_path, monkeypatch):
    # Figures that were read before or after the copy would make its restore fail.
    original = create.engine().dump
    before = Order.objects.count()

    def dump(folder: Path):
        copy = original(folder)
        make.order(customer, service)
        return copy

    monkeypatch.setattr(create.engine(), "dump", dump)
    made = create_backup(into=tmp_path / "b")
    assert made.manifest.database.facts.counts["orders_order"] == before


def test_receipt_when_stored_after_the_database_then_copied(filled, receipt, tmp_path, monkeypatch):
    original = create.engine().dump

    def dump(folder: Path):
        copy = original(folder)
        receipt.with_name("later.pdf").write_bytes(b"later")
        return copy

    monkeypatch.setattr(create.engine(), "dump", dump)
    made = create_backup(into=tmp_path / "b")
    assert "private/receipts/later.pdf" in made.manifest.files


@pytest.mark.parametrize("name", ["../outside", "/etc/passwd"])
def test_manifest_when_a_path_leaves_the_backup_then_refused(backup, name):
    path = backup.folder / "manifest.json"
    content = json.loads(path.read_text())
    content["files"][name] = {"size": 1, "sha256": ""}
    path.write_text(json.dumps(content))
    with pytest.raises(BackupError, match="damaged"):
        read_manifest(backup.folder)
