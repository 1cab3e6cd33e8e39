"""The panel with its own settings and code, on a database that exists only while a bench runs."""

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
    """The addresses to measure on: DATABASE_URL where it is set, else SQLite and, if it answers, BENCH_DATABASE_URL.

    Says what is left out, and why.
    """
    if given := os.environ.get("DATABASE_URL"):
        return [given]
    server = os.environ.get("BENCH_DATABASE_URL", "")
    missing = (
        _unreachable(server) if server else "BENCH_DATABASE_URL names no server, as postgres://user@host/name would"
    )
    if missing:
        print(f"Left out: PostgreSQL. {missing}", flush=True)
        return [SQLITE]
    return [SQLITE, server]


def _unreachable(server: str) -> str:
    """Why there is no talking to it; empty when there is."""
    try:
        psycopg.connect(server, connect_timeout=5).close()
    except psycopg.Error as error:
        return f"The server of BENCH_DATABASE_URL: {' '.join(str(error).split())}"
    return ""


@contextmanager
def throwaway_panel(server: str) -> Iterator[None]:
    """Django, set up and migrated. No `.env`, broker, cache or database of a real panel is touched."""
    with _database(server) as url:
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
    """The address of a new database: on the PostgreSQL server of this address, or else a SQLite file."""
    if server.startswith(("postgres://", "postgresql://")):
        name = f"bench_{uuid4().hex}"
        _on_server(server, sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        try:
            yield urlsplit(server)._replace(path=f"/{name}").geturl()
        finally:
            _on_server(server, sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))
        return
    # Beside the panel's own file, thus on the same disk: where temporary files go, a commit may cost nothing.
    (ROOT / "var").mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="bench-", dir=ROOT / "var") as directory:
        yield f"sqlite:///{Path(directory) / 'bench.sqlite3'}"


def _on_server(url: str, statement: sql.Composed) -> None:
    with psycopg.connect(url, autocommit=True) as server:
        server.execute(statement)


def settle() -> None:
    """Ends what preparing left to the database, as time does, so that it is not paid for by what is measured."""
    from django.db import connection

    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("VACUUM ANALYZE")
        else:
            cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def described() -> str:
    """What the numbers depend on, in one line."""
    import django
    from django.db import connection

    version = ".".join(str(part) for part in connection.get_database_version())
    return (
        f"Python {platform.python_version()}, Django {django.get_version()}, "
        f"{connection.display_name} {version}, {os.cpu_count()} CPUs, {platform.machine()}, "
        f"load {os.getloadavg()[0]:.1f}"
    )
