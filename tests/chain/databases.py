"""A database for each panel, on the engine of the test suite: a SQLite file, or a database on the PostgreSQL server."""

from __future__ import annotations

import os
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import psycopg

# The environment variable that names the migrated template of the test suite: a file, or a database on the server.
MIGRATED = "MIGRATED_TEMPLATE"


def migrated(*, on_server: bool) -> str:
    """Return the file or database to copy, or "" if there is none and all migrations must run."""
    template = os.environ.get(MIGRATED, "")
    is_file = Path(template).is_file()
    return template if template and is_file != on_server else ""


class Database:
    """A new database; `url` is its DATABASE_URL.

    `like`: copy this database, which must not be in use. `in_file`: use SQLite, whatever the test suite uses.
    `empty`: without the tables of this release.
    """

    def __init__(
        self, folder: Path, *, like: Database | None = None, in_file: bool = False, empty: bool = False
    ) -> None:
        server = os.environ.get("DATABASE_URL", "")
        self._server = server if server.startswith("postgres") and not in_file else ""
        self._name = f"chain_{uuid4().hex[:12]}"
        self._file = folder / f"{self._name}.sqlite3"
        self.url = _with_path(self._server, self._name) if self._server else f"sqlite:///{self._file}"
        if self._server:
            template = like._name if like else "" if empty else migrated(on_server=True)
            self._on_server(f'CREATE DATABASE "{self._name}"' + (f' TEMPLATE "{template}"' if template else ""))
            # Tests kill clients but never the server, so waiting for the disk would prove nothing.
            self._on_server(f'ALTER DATABASE "{self._name}" SET synchronous_commit = off')
        elif like:
            with closing(sqlite3.connect(like._file)) as source, closing(sqlite3.connect(self._file)) as copy:
                source.backup(copy)
        elif not empty and (template := migrated(on_server=False)):
            shutil.copyfile(template, self._file)

    def drop(self) -> None:
        if self._server:
            self._on_server(f'DROP DATABASE IF EXISTS "{self._name}" WITH (FORCE)')

    def _on_server(self, statement: str) -> None:
        with psycopg.connect(_with_path(self._server, "postgres"), autocommit=True) as connection:
            connection.execute(statement)


def cache_url(number: int) -> str:
    """Return the CACHE_URL of this Redis database, which processes share; a cache in memory if there is no Redis."""
    server = os.environ.get("CACHE_URL", "")
    return _with_path(server, str(number)) if server.startswith("redis") else "locmemcache://"


def _with_path(url: str, path: str) -> str:
    return urlunsplit(urlsplit(url)._replace(path=f"/{path}"))
