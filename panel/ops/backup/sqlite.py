"""Copy and replace a SQLite database by SQLite's own backup, which is one transaction of the database it writes."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

from django.core.management import call_command
from django.db import connection
from django.utils import timezone

from orders.common.stops import stop_sending
from orders.models import SendingStop
from orders.states import RESTORE_STOPS, StopReason
from panel.ops.backup.copies import DatabaseCopy, RestoreStop
from panel.ops.backup.facts import Query, differences, read_facts
from panel.ops.backup.files import BackupError, copy_file, sync_file

FILE = "database.sqlite3"


def database_name() -> str:
    """Return what a person must type to have this database replaced."""
    return _live().name


def dump(folder: Path) -> DatabaseCopy:
    """Copy the database into the folder. Writers are not blocked."""
    if not _live().exists():
        raise BackupError(f"There is no database at {_live()}.")
    copy = folder / FILE
    with closing(_opened(_live())) as source, closing(_opened(copy)) as target:
        source.backup(target)
        # Otherwise the copy would need the two files that SQLite keeps beside a database in WAL mode.
        target.execute("PRAGMA journal_mode=DELETE")
        facts = read_facts(tables=_tables(target), query=_query(target))
    sync_file(copy)
    return DatabaseCopy(file=FILE, facts=facts)


def check(copy: Path) -> None:
    """Raise BackupError unless the copy is a sound database."""
    try:
        with closing(sqlite3.connect(f"{copy.as_uri()}?mode=ro&immutable=1", uri=True)) as opened:
            found = [row[0] for row in opened.execute("PRAGMA integrity_check(3)")]
            broken = opened.execute("PRAGMA foreign_key_check").fetchall()
    except sqlite3.DatabaseError as error:
        raise BackupError(f"{copy} is no sound database: {error}") from None
    if found != ["ok"]:
        raise BackupError(f"{copy} is no sound database: {'; '.join(found)}")
    if broken:
        raise BackupError(f"{copy} has {len(broken)} rows that refer to missing rows, the first in {broken[0][0]}.")


def is_empty() -> bool:
    """Return True if the database that is to be replaced does not exist or has no tables."""
    if not _live().exists():
        return True
    try:
        with closing(_opened(_live())) as opened:
            return not _tables(opened)
    except sqlite3.DatabaseError as error:
        raise BackupError(
            f"{_live()} cannot be read ({error}). Move it away together with its -wal and -shm files, then try again."
        ) from None


def refuse_in_use() -> None:
    """Raise BackupError while another process has the database open."""
    connection.close()
    if not _live().exists():
        return
    with closing(sqlite3.connect(_live(), timeout=0)) as opened:
        try:
            # Only a process that is alone can leave WAL mode. The panel turns it on again whenever it connects.
            [mode] = opened.execute("PRAGMA journal_mode=DELETE").fetchone()
        except sqlite3.OperationalError:
            mode = ""
    if mode != "delete":
        raise BackupError(f"{_live()} is in use. Stop the web server and the workers first; see docs/restore.md.")


def load(path: Path, copy: DatabaseCopy, *, stop: RestoreStop, before_commit: Callable[[], None]) -> None:
    """Replace the database by the copy, migrated and with the stop in it, in one transaction.

    Everything is done to a second copy first. Replacing the file itself would leave a process that had just opened
    the old one with a database that has no name, and it would go on sending orders from it.
    """
    _live().parent.mkdir(parents=True, exist_ok=True)
    with _workspace() as workspace:
        staged = workspace / FILE
        copy_file(path, staged)
        with closing(_opened(staged)) as opened:
            if found := differences(copy.facts, query=_query(opened)):
                raise BackupError(f"The backup does not hold what its manifest says: {'; '.join(found)}.")
        with _as_default(staged):
            call_command("migrate", interactive=False, verbosity=0)
            _stop(stop)
        with closing(_opened(staged)) as source, closing(_opened(_live())) as target:
            source.execute("PRAGMA journal_mode=DELETE")
            check(staged)
            before_commit()
            source.backup(target)


def migrate() -> None:
    """Do nothing: the copy was migrated before it took the place of the database."""


def _stop(stop: RestoreStop) -> None:
    # Those that the backup had are about an earlier restore: what follows is decided by the time of this one.
    SendingStop.objects.filter(provider=None, reason__in=RESTORE_STOPS, ended_at=None).update(ended_at=timezone.now())
    stop_sending(reason=StopReason.RESTORED, text=stop.text)
    SendingStop.objects.filter(provider=None, reason=StopReason.RESTORED, ended_at=None).update(created_at=stop.at)


@contextmanager
def _workspace() -> Iterator[Path]:
    """Yield an empty folder beside the database. It is emptied at the end, or by the next restore."""
    folder = _live().with_name(f".{_live().name}.restoring")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o700)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _as_default(path: Path) -> Iterator[None]:
    """Let Django use the database at `path` in the block."""
    original = connection.settings_dict["NAME"]
    connection.close()
    connection.settings_dict["NAME"] = path
    try:
        yield
    finally:
        connection.close()
        connection.settings_dict["NAME"] = original


def _live() -> Path:
    return Path(connection.settings_dict["NAME"])


def _opened(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(path, timeout=30)


def _tables(opened: sqlite3.Connection) -> list[str]:
    found = opened.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
    return [name for [name] in found if not name.startswith("sqlite_")]


def _query(opened: sqlite3.Connection) -> Query:
    def query(statement: str) -> Sequence[tuple]:
        return opened.execute(statement).fetchall()

    return query
