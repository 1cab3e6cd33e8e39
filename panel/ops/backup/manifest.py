"""The manifest of a backup: what it was taken of, what the database held, and the checksum of each file."""

from __future__ import annotations

import hashlib
import json
import subprocess
import tomllib
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import Any

from django.conf import settings

from panel.ops.backup.copies import DatabaseCopy
from panel.ops.backup.facts import Facts
from panel.ops.backup.files import BackupError, FileRecord, record_of, write_file

FORMAT = 1
NAME = "manifest.json"


@dataclass(frozen=True, slots=True)
class Manifest:
    """`made_at` is a moment just before the database was read."""

    made_at: datetime
    panel_version: str
    commit: str | None
    site_url: str
    currency: str
    # Fingerprints of the keys that decrypt the providers' API keys.
    encryption_keys: list[str]
    vendor: str
    database: DatabaseCopy
    files: dict[str, FileRecord]

    @property
    def size(self) -> int:
        """Return the size of all files, in bytes."""
        return sum(one.size for one in self.files.values())

    @property
    def database_size(self) -> int:
        return self.files[self.database.file].size


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write the manifest of the backup in this folder."""
    content = {"format": FORMAT, **asdict(manifest), "made_at": manifest.made_at.isoformat()}
    write_file(folder / NAME, (json.dumps(content, indent=1, ensure_ascii=False) + "\n").encode())


def read_manifest(folder: Path) -> Manifest:
    """Return the manifest of the backup in this folder. Raise BackupError."""
    path = folder / NAME
    try:
        content = json.loads(path.read_text())
    except FileNotFoundError:
        raise BackupError(f"{folder} is no backup: it has no {NAME}.") from None
    except (OSError, ValueError) as error:
        raise BackupError(f"{path} cannot be read: {error}") from None
    if not isinstance(content, dict) or content.pop("format", None) != FORMAT:
        raise BackupError(f"{path} has a format that this version of the panel does not know.")
    try:
        return _parsed(content)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise BackupError(f"{path} is damaged: {error!r}") from None


def verified(folder: Path) -> Manifest:
    """Return the manifest after every file was compared with it. Raise BackupError for the first that differs."""
    manifest = read_manifest(folder)
    for name, expected in manifest.files.items():
        path = folder / name
        if path.is_symlink() or not path.is_file():
            raise BackupError(f"The backup is incomplete: {name} is missing.")
        if record_of(path) != expected:
            raise BackupError(f"The backup is damaged: {name} was changed after it was made.")
    return manifest


def key_fingerprints() -> list[str]:
    """Return a short hash of each key in FIELD_ENCRYPTION_KEYS. The keys are random, so it reveals nothing of them."""
    return [hashlib.sha256(key.strip().encode()).hexdigest()[:12] for key in settings.FIELD_ENCRYPTION_KEYS]


def panel_version() -> str:
    with (settings.BASE_DIR / "pyproject.toml").open("rb") as file:
        return str(tomllib.load(file)["project"]["version"])


def panel_commit() -> str | None:
    """Return the commit of the code, or None where it is not a clone or git is missing."""
    if not (settings.BASE_DIR / ".git").exists():
        return None
    try:
        found = subprocess.run(
            ["git", "rev-parse", "HEAD"],  # noqa: S607
            cwd=settings.BASE_DIR,
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return found.stdout.strip()


def _parsed(content: dict[str, Any]) -> Manifest:
    files = {name: FileRecord(int(one["size"]), str(one["sha256"])) for name, one in content.pop("files").items()}
    manifest = Manifest(
        **{
            **content,
            "made_at": datetime.fromisoformat(content["made_at"]),
            "database": DatabaseCopy(**{**content["database"], "facts": Facts(**content["database"]["facts"])}),
            "files": files,
        }
    )
    for name in files:
        parts = PurePosixPath(name).parts
        if name.startswith("/") or ".." in parts or not parts:
            raise ValueError(f"the path {name}")
    if manifest.database.file not in files:
        raise ValueError("it names no file of the database")
    return manifest
