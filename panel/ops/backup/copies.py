"""What both databases have in common: a copy of one, and how it takes the place of another."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol

from panel.ops.backup.facts import Facts


@dataclass(frozen=True, slots=True)
class DatabaseCopy:
    """A copy in a file of this name. `tool` is the major version of the program that wrote it, or 0."""

    file: str
    facts: Facts
    schema: str = ""
    tool: int = 0


@dataclass(frozen=True, slots=True)
class RestoreStop:
    """The stop of sending that a restored database begins with."""

    at: datetime
    text: str


class Engine(Protocol):
    """A kind of database. All but `load` leave the data as it is; each raises BackupError."""

    def database_name(self) -> str:
        """Return what a person must type to have this database replaced."""

    def dump(self, folder: Path) -> DatabaseCopy:
        """Write a copy of the database into the folder, with the facts of the same moment."""

    def check(self, copy: Path) -> None:
        """Raise BackupError unless the copy can be read to its end."""

    def is_empty(self) -> bool:
        """Return True if the database that is to be replaced has no tables."""

    def refuse_in_use(self) -> None:
        """Raise BackupError while another process is connected."""

    def load(self, path: Path, copy: DatabaseCopy, *, stop: RestoreStop, before_commit: Callable[[], None]) -> None:
        """Replace the database by the copy at `path`, with the stop in it, in one transaction.

        Call `before_commit` when everything is done but that. A kill leaves the old database or the stopped new one.
        """

    def migrate(self) -> None:
        """Bring what was loaded to the tables of this version, if `load` has not."""
