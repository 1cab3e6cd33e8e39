"""Make a backup: the database, then the receipts, then the manifest, and the folder gets its name last."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings
from django.core.files.storage import FileSystemStorage, storages
from django.db import connection
from django.utils import timezone

from panel.alerts.services import record_heartbeat
from panel.ops.backup import postgresql, sqlite
from panel.ops.backup.copies import Engine
from panel.ops.backup.files import BackupError, copy_folder, only_one, record_of, sync_folder
from panel.ops.backup.manifest import (
    NAME,
    Manifest,
    key_fingerprints,
    panel_commit,
    panel_version,
    verified,
    write_manifest,
)

PRIVATE = "private"
_UNFINISHED = ".unfinished-"


@dataclass(frozen=True, slots=True)
class Backup:
    """A finished backup, and the older ones that were removed for it."""

    folder: Path
    manifest: Manifest
    removed: list[Path]


def engine() -> Engine:
    """Return how the panel's database is copied and replaced."""
    if connection.vendor == "postgresql":
        return postgresql
    return sqlite


def private_folder() -> Path:
    """Return where customers' receipts are."""
    storage = storages["private"]
    assert isinstance(storage, FileSystemStorage)
    return Path(storage.location)


def create_backup(*, into: Path, keep: int | None = None) -> Backup:
    """Make a backup in a new folder of `into`; then remove all but the newest `keep`. Raise BackupError.

    The folder has another name until the backup is complete and was read again.
    """
    into = into.resolve()
    _refuse_served(into)
    into.mkdir(mode=0o700, parents=True, exist_ok=True)
    with only_one(into, doing="backup"):
        for stale in into.glob(f"{_UNFINISHED}*"):
            shutil.rmtree(stale)
        made_at = timezone.now()
        folder = into / f"upmark-{made_at:%Y%m%dT%H%M%S.%fZ}"
        unfinished = into / f"{_UNFINISHED}{folder.name}"
        unfinished.mkdir(mode=0o700)
        try:
            # Files after rows: each row of the copy has its file. A file without a row does no harm.
            database = engine().dump(unfinished)
            files = {database.file: record_of(unfinished / database.file)}
            files |= copy_folder(private_folder(), unfinished / PRIVATE)
            manifest = Manifest(
                made_at=made_at,
                panel_version=panel_version(),
                commit=panel_commit(),
                site_url=settings.SITE_URL,
                currency=settings.PANEL_CURRENCY,
                encryption_keys=key_fingerprints(),
                vendor=connection.vendor,
                database=database,
                files=files,
            )
            write_manifest(unfinished, manifest)
            verified(unfinished)
            engine().check(unfinished / database.file)
            unfinished.rename(folder)
        except BaseException:
            shutil.rmtree(unfinished, ignore_errors=True)
            raise
        sync_folder(into)
        record_heartbeat(task="backup")
        removed = [] if keep is None else _remove_older(into, keep)
    return Backup(folder, manifest, removed)


def _refuse_served(folder: Path) -> None:
    """Raise BackupError if the web server serves the folder to everybody, or if the next backup would contain it."""
    static = [Path(settings.STATIC_ROOT), *map(Path, settings.STATICFILES_DIRS)]
    for root in (*static, private_folder()):
        if folder.is_relative_to(root.resolve()):
            raise BackupError(f"Choose another folder: {root} is no place for backups.")


def _remove_older(folder: Path, keep: int) -> list[Path]:
    """Remove all finished backups but the newest `keep`; return them."""
    # Their names sort by time.
    finished = sorted(path for path in folder.glob("upmark-*") if (path / NAME).is_file())
    older = finished[:-keep]
    for path in older:
        # A kill while it is removed must not leave something that looks like a backup.
        path = path.rename(folder / f"{_UNFINISHED}{path.name}")
        shutil.rmtree(path)
    return older
