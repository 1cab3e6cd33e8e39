"""The panel with a database that exists only while a bench runs."""

from __future__ import annotations

import os
import platform
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit
from uuid import uuid4

import psycopg
from psycopg import sql

ROOT = Path(__file__).resolve().parents[2]
SQLITE = "sqlite://"


def databases() -> list[str]:
    """Return the database URLs to measure on: DATABASE_URL if set, else SQLite and BENCH_DATABASE_URL.

    A server that is not set or does not answer is skipped, with a message that says why.
    """
    if given := os.environ.get("DATABASE_URL"):
        return [given]
    server = os.environ.get("BENCH_DATABASE_URL", "")
    reason = (
        _connection_error(server) if server else "Set BENCH_DATABASE_URL, for example to postgres://user@host/name."
    )
    if reason:
        print(f"Skipped: PostgreSQL. {reason}", flush=True)
        return [SQLITE]
    return [SQLITE, server]


def _connection_error(server: str) -> str:
    """Return why the server cannot be used; "" if it can."""
    try:
        psycopg.connect(server, connect_timeout=5).close()
    except psycopg.Error as error:
        return f"The server of BENCH_DATABASE_URL does not answer: {' '.join(str(error).split())}"
    return ""


@contextmanager
def throwaway_panel(server: str) -> Iterator[None]:
    """Set up Django on a new, migrated database. No `.env`, broker, cache or database of a real panel is used."""
    with _database(server) as url, own_panel(url):
        yield


@contextmanager
def own_panel(url: str) -> Iterator[None]:
    """Set up Django on the database of this address, which stays. Use no `.env`, folder or broker of a real panel."""
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        os.environ["VAR_DIR"] = folder
        with _panel(url):
            yield


@contextmanager
def _panel(url: str) -> Iterator[None]:
    os.environ.update(
        DJANGO_SETTINGS_MODULE="panel.settings",
        ENV_FILE=os.devnull,
        DATABASE_URL=url,
        DEBUG="false",
        SECRET_KEY="only-for-benches-" * 5,
        FIELD_ENCRYPTION_KEYS="b25seS1mb3ItdGVzdHMtbm90LWEtcmVhbC1zZWNyZXQ=",
        UPSTREAM_ALLOW_PRIVATE="true",
        POLL_INTERVALS="60,300,900,3600",
        CELERY_BROKER_URL="memory://",
        CACHE_URL="locmemcache://",
        EMAIL_URL="memorymail://",
        # Its thread would be measured with what it watches.
        WATCH="false",
    )
    import django
    from django.core.management import call_command
    from django.db import connections

    django.setup()
    try:
        call_command("migrate", verbosity=0)
        yield
    finally:
        connections.close_all()


@contextmanager
def _database(server: str) -> Iterator[str]:
    """Create a database on this PostgreSQL server, or a SQLite file, and yield its URL. Remove it afterwards."""
    if server.startswith(("postgres://", "postgresql://")):
        name = f"bench_{uuid4().hex}"
        _on_server(server, sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        try:
            yield urlsplit(server)._replace(path=f"/{name}").geturl()
        finally:
            _on_server(server, sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))
        return
    # In the folder of the panel's own file, because commits may cost nothing where temporary files are kept.
    (ROOT / "var").mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="bench-", dir=ROOT / "var") as directory:
        yield f"sqlite:///{Path(directory) / 'bench.sqlite3'}"


def _on_server(url: str, statement: sql.Composed) -> None:
    with psycopg.connect(url, autocommit=True) as server:
        server.execute(statement)


def settle() -> None:
    """Let the database finish the upkeep that preparing caused, so that the measured code does not pay for it."""
    from django.db import connection

    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("VACUUM ANALYZE")
        else:
            cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def described() -> str:
    """Return the versions, the hardware and the load, which the numbers depend on, in one line."""
    import django
    from django.db import connection

    version = ".".join(str(part) for part in connection.get_database_version())
    return (
        f"Python {platform.python_version()}, Django {django.get_version()}, "
        f"{connection.display_name} {version}, {os.cpu_count()} CPUs, {platform.machine()}, "
        f"load {os.getloadavg()[0]:.1f}"
    )
