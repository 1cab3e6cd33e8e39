"""Run the commands on databases of their own, and read these."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg

from tests.chain.databases import Database
from tests.commands import SECRETS, database_url, run_python


def rows_of(url: str, query: str) -> list[tuple[Any, ...]]:
    """Return the rows of the query in the database at this DATABASE_URL."""
    if url.startswith("sqlite"):
        with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as opened:
            return opened.execute(query).fetchall()
    with psycopg.connect(url) as opened:
        return opened.execute(query).fetchall()


def own_rows(query: str) -> list[tuple[Any, ...]]:
    """Return the rows of the query in the test's database, as `rows_of` returns them."""
    return rows_of(database_url(), query)


def manage(*arguments: str, database: Database | str, var_dir: Path, **environment: str) -> Any:
    """Run `manage.py` on this database in a process of its own."""
    url = database if isinstance(database, str) else database.url
    return run_python(
        "manage.py",
        *map(str, arguments),
        **{**SECRETS, "DATABASE_URL": url, "VAR_DIR": str(var_dir), **environment},
    )


def name_of(database: Database) -> str:
    """Return the name that `restore` asks for."""
    return database.url.rpartition("/")[2]
