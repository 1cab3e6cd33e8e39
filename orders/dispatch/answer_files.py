"""Answers to `add` on disk, from their arrival until the database has them.

A file is named after the token of the claim: a restored database may give the same numbers to other orders. Its writer
holds a lock on it, which ends with the process. Whoever finds a file without a lock may record it.

Files are not flushed to the disk: they outlive the process, but not a loss of power. Then the order is in doubt, as it
is without the file.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import structlog
from django.conf import settings

log = structlog.get_logger(__name__)

# Files at a sweep, and bytes of one file: an excerpt of 2,048 characters takes at most 25,000.
MAX_FILES = 500
MAX_BYTES = 100_000
MAX_AGE_SECONDS = 30 * 24 * 3600

_WAITING = ".json"
# A file whose token no attempt has: it stays, in case the database that has it comes back.
_FOREIGN = ".foreign.json"
_BAD = ".bad"
_UNFINISHED = ".tmp"


def answers_folder() -> Path:
    """Return the folder, which exists once an answer was kept."""
    return Path(settings.VAR_DIR) / "answers"


@contextmanager
def kept_on_disk(*, token: str, text: str) -> Iterator[str]:
    """Keep `text` on disk while the block records it. Remove the file unless the block raises.

    Yield "", or why it could not be written: the block runs all the same.
    """
    path = answers_folder() / f"{token}{_WAITING}"
    try:
        descriptor = _write(path, text)
    except OSError as error:
        log.exception("answer not kept on disk", token=token)
        yield error.strerror or str(error)
        return
    try:
        yield ""
        _remove(path)
    finally:
        os.close(descriptor)


def _write(path: Path, text: str) -> int:
    """Write the file under its name at once, and return its locked descriptor. Raise OSError."""
    unfinished = path.with_suffix(_UNFINISHED)
    try:
        descriptor = _create(unfinished)
    except FileNotFoundError:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        _give_to_owner(path.parent)
        descriptor = _create(unfinished)
    try:
        _lock(descriptor)
        _give_to_owner(descriptor)
        with open(descriptor, "w", encoding="utf-8", closefd=False) as file:
            file.write(text)
        unfinished.replace(path)
    except BaseException:
        os.close(descriptor)
        with suppress(OSError):
            unfinished.unlink(missing_ok=True)
        raise
    return descriptor


def _give_to_owner(what: Path | int) -> None:
    """Let the user who owns VAR_DIR read what a command wrote as root."""
    if os.geteuid() == 0:
        owner = Path(settings.VAR_DIR).stat()
        os.chown(what, owner.st_uid, owner.st_gid)


def _create(path: Path) -> int:
    return os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)


@dataclass(frozen=True, slots=True)
class AnswerFile:
    """A file that this process may record, open until its block ends."""

    path: Path
    descriptor: int

    @property
    def token(self) -> str:
        return self.path.name.partition(".")[0]

    @property
    def is_foreign(self) -> bool:
        """Return True if an alert said before that no attempt has its token."""
        return self.path.name.endswith(_FOREIGN)

    def read(self) -> str:
        """Return its text. Raise ValueError if it is empty, too long or not text."""
        content = os.pread(self.descriptor, MAX_BYTES + 1, 0)
        if not 0 < len(content) <= MAX_BYTES:
            raise ValueError("the file is empty or too long")
        return content.decode("utf-8")

    def remove(self) -> None:
        """Remove it, after the commit of what it says."""
        _remove(self.path)

    def set_aside(self) -> None:
        """Rename it, so that no later sweep reads it."""
        self._rename(_BAD)

    def mark_foreign(self) -> None:
        """Rename it, so that later sweeps look for its attempt without a further alert."""
        self._rename(_FOREIGN)

    def _rename(self, ending: str) -> None:
        with suppress(FileNotFoundError):  # A second process did it.
            self.path.replace(self.path.with_name(f"{self.token}{ending}"))


def find_answer_files() -> list[Path]:
    """Return the files to be recorded, and remove those that nobody needed for MAX_AGE_SECONDS."""
    try:
        entries = list(os.scandir(answers_folder()))
    except (FileNotFoundError, NotADirectoryError):
        return []
    found = []
    for entry in entries:
        path = Path(entry.path)
        if entry.name.endswith((_FOREIGN, _BAD, _UNFINISHED)) and _age(path) > MAX_AGE_SECONDS:
            log.warning("old answer removed", file=entry.name)
            _remove(path)
        elif entry.name.endswith(_WAITING):
            found.append(path)
    # Those that are likely to be recorded come first.
    return sorted(found, key=lambda path: (path.name.endswith(_FOREIGN), path.name))[:MAX_FILES]


@contextmanager
def opened(path: Path, *, lock_seconds: float) -> Iterator[AnswerFile | None]:
    """Yield the file, or None if it is gone or another process is recording it.

    A lock counts for `lock_seconds` after the file was written, so that a process that hangs keeps no answer for
    itself: recording one twice is harmless.
    """
    try:
        descriptor = os.open(path, os.O_RDWR)
    except FileNotFoundError:
        yield None
        return
    try:
        is_free = _lock(descriptor) or _age(path) > lock_seconds
        yield AnswerFile(path, descriptor) if is_free and _is_still_there(path, descriptor) else None
    finally:
        os.close(descriptor)


def _lock(descriptor: int) -> bool:
    """Lock the file. Return False if another process has it locked."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        # The file system has no locks. Without one, an answer may be recorded twice, which is harmless.
        log.debug("no lock", error=str(error))
    return True


def _is_still_there(path: Path, descriptor: int) -> bool:
    """Return False if another process removed or renamed the file before this one had the lock."""
    try:
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False


def _age(path: Path) -> float:
    """Return the seconds since the file was written; 0 if it is gone."""
    try:
        return time.time() - path.stat().st_mtime
    except FileNotFoundError:
        return 0.0


def _remove(path: Path) -> None:
    """Remove the file. One that cannot be removed is recorded again, which is harmless."""
    try:
        path.unlink(missing_ok=True)
    except OSError:
        log.exception("answer file not removed", file=path.name)
