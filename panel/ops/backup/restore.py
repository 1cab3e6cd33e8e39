"""Restore a backup. The panel then sends no order until a person has walked through what was lost."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from django.conf import settings
from django.db import connection, connections
from django.db.migrations.loader import MigrationLoader
from django.utils import timezone

from orders.recovery.after_restore import skip_given_numbers
from panel.ops.backup.copies import RestoreStop
from panel.ops.backup.create import PRIVATE, engine, private_folder
from panel.ops.backup.files import BackupError, copy_file, only_one, record_of, sync_folder, write_file
from panel.ops.backup.manifest import Manifest, key_fingerprints, verified

RESTORED = "restored.json"


def fitting_manifest(folder: Path) -> Manifest:
    """Return the manifest of a sound backup that this panel can restore. Raise BackupError. Changes nothing."""
    manifest = verified(folder)
    if manifest.vendor != connection.vendor:
        raise BackupError(f"It is a backup of {manifest.vendor}, and DATABASE_URL names {connection.vendor}.")
    if manifest.currency != settings.PANEL_CURRENCY:
        raise BackupError(
            f"Its amounts are in {manifest.currency}, and PANEL_CURRENCY is {settings.PANEL_CURRENCY}. Amounts are "
            "never converted: restore the .env of the backup first."
        )
    known = MigrationLoader(None).disk_migrations
    newer = [f"{app} {name}" for app, name in manifest.database.facts.migrations.items() if (app, name) not in known]
    if newer:
        raise BackupError(
            f"It was made by a newer version of the panel ({', '.join(newer)}). Install version "
            f"{manifest.panel_version}{f', commit {manifest.commit}' if manifest.commit else ''}, first."
        )
    engine().check(folder / manifest.database.file)
    return manifest


def lacks_keys(manifest: Manifest) -> bool:
    """Return True if no key in FIELD_ENCRYPTION_KEYS can decrypt what the backup's newest key encrypted."""
    return manifest.encryption_keys[0] not in key_fingerprints()


def restore_backup(*, folder: Path, manifest: Manifest, replace: str, say: Callable[[str], None]) -> None:
    """Replace database and receipts by those of the backup. Raise BackupError.

    `replace` is the name of the database if its content may be overwritten, else "". A kill at any line leaves the old
    database, or the new one with the stop of sending in it.
    """
    database = engine()
    if replace and replace != database.database_name():
        raise BackupError(f"The database is not named {replace}, but {database.database_name()}. Nothing was changed.")
    settings.VAR_DIR.mkdir(parents=True, exist_ok=True)
    _refuse_other_user()
    with only_one(settings.VAR_DIR, doing="restore"):
        database.refuse_in_use()
        if not replace and not database.is_empty():
            raise BackupError(
                f"The database {database.database_name()} is not empty. Make a backup of it, then add --replace."
            )
        say("Copying the receipts …")
        # Before their rows: a row never lacks its file.
        added = _add_private_files(folder, manifest)
        say(f"Receipts: {added:,} were missing or damaged and are back.")
        say("Loading the database …")
        stop = RestoreStop(
            at=timezone.now(),
            text=f"Restored from the backup of {manifest.made_at:%Y-%m-%d %H:%M:%S} UTC. Orders that were sent after "
            "it are not known here. Walk through after_restore before anything is sent.",
        )
        database.load(
            folder / manifest.database.file,
            manifest.database,
            stop=stop,
            before_commit=lambda: _write_restored(manifest, stop.at),
        )
        say("Migrating …")
        database.migrate()
        connections.close_all()  # They may lead to the database of before.
        skip_given_numbers()  # Customers can order from now on, and know the numbers of orders that are lost.


def _refuse_other_user() -> None:
    """Raise BackupError if the panel runs as another user, who could not read what is restored."""
    owner = settings.VAR_DIR.stat().st_uid
    if owner != os.geteuid():
        raise BackupError(f"{settings.VAR_DIR} belongs to another user. Run this as that user, number {owner}.")


def _write_restored(manifest: Manifest, stopped_at: datetime) -> None:
    """Write down for after_restore what the backup contained. It belongs to the stop with this `created_at`."""
    content = {
        "backup_at": manifest.made_at.isoformat(),
        "stopped_at": stopped_at.isoformat(),
        "orders": 0,
        "attempts": 0,
        "entries": 0,
        **manifest.database.facts.highest,
    }
    write_file(settings.VAR_DIR / RESTORED, (json.dumps(content, indent=1) + "\n").encode())


def _add_private_files(folder: Path, manifest: Manifest) -> int:
    """Add the files of the backup; return how many were missing or different. Files that only exist here stay.

    A file never changes after it was stored. One that differs is kept beside the backup's.
    """
    root, added = private_folder(), 0
    for name, record in manifest.files.items():
        if not name.startswith(f"{PRIVATE}/"):
            continue
        target = root / Path(name).relative_to(PRIVATE)
        if target.exists():
            if record_of(target) == record:
                continue
            kept = target.with_name(f"{target.name}.before-restore-{timezone.now():%Y%m%dT%H%M%S}")
            os.link(target, kept)
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        unfinished = target.with_name(f".{target.name}.unfinished")
        copy_file(folder / name, unfinished)
        unfinished.replace(target)
        sync_folder(target.parent)
        added += 1
    return added
