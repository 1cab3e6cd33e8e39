"""Files that survive a power loss, and copies of whole folders with the checksum of each file."""

from __future__ import annotations

import fcntl
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

_CHUNK = 1 << 20


class BackupError(Exception):
    """The backup or the restore cannot go on. The message is for the person at the terminal."""


@dataclass(frozen=True, slots=True)
class FileRecord:
    """What a manifest says of one file. The size is in bytes."""

    size: int
    sha256: str


def record_of(path: Path) -> FileRecord:
    """Return size and checksum of the file, read from the disk."""
    digest, size = hashlib.sha256(), 0
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
            size += len(chunk)
    return FileRecord(size, digest.hexdigest())


def write_file(path: Path, content: bytes) -> None:
    """Replace the file by one with this content, which only its owner can read. A kill leaves the old or the new."""
    unfinished = path.with_name(f".{path.name}.unfinished")
    with os.fdopen(_create(unfinished), "wb") as file:
        file.write(content)
        os.fsync(file.fileno())
    unfinished.replace(path)
    sync_folder(path.parent)


def copy_folder(source: Path, target: Path) -> dict[str, FileRecord]:
    """Copy every file below `source`; return their records by path below `target`'s parent. A missing source is empty.

    A file that is deleted meanwhile is left out.
    """
    records = {}
    for root, folders, names in os.walk(source):
        folders.sort()
        into = target / Path(root).relative_to(source)
        into.mkdir(mode=0o700)
        for name in sorted(names):
            with suppress(FileNotFoundError):
                records[(into / name).relative_to(target.parent).as_posix()] = copy_file(Path(root, name), into / name)
        sync_folder(into)
    return records


def copy_file(source: Path, target: Path) -> FileRecord:
    """Copy the file to `target`, which only its owner can read; return the record of what was copied."""
    digest, size = hashlib.sha256(), 0
    with source.open("rb") as original, os.fdopen(_create(target), "wb") as copy:
        while chunk := original.read(_CHUNK):
            digest.update(chunk)
            copy.write(chunk)
            size += len(chunk)
        os.fsync(copy.fileno())
    return FileRecord(size, digest.hexdigest())


def sync_file(path: Path) -> None:
    """Make a file that another program wrote readable by its owner only, and write it to the disk."""
    path.chmod(0o600)
    with path.open("rb") as file:
        os.fsync(file.fileno())


def sync_folder(path: Path) -> None:
    """Write the names in the folder to the disk."""
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def only_one(folder: Path, *, doing: str) -> Iterator[None]:
    """Hold a lock on the folder, which the system releases if this process dies. Raise BackupError if it is held."""
    with (folder / f".{doing}.lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BackupError(f"Another {doing} is running in {folder}.") from None
        yield


def _create(path: Path) -> int:
    path.unlink(missing_ok=True)
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
