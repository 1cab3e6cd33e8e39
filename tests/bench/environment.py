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


@contextmanager
def throwaway_panel() -> Iterator[None]:
    """Django, set up and migrated. No `.env`, broker, cache or database of a real panel is touched."""
    with _database() as url:
        os.environ.update(
            DJANGO_SETTINGS_MODULE="panel.settings",
            ENV_FILE=os.devnull,
            DATABASE_URL=url,
            DEBUG="false",
            SECRET_KEY="only-for-benches-" * 5,
            FIELD_ENCRYPTION_KEYS="b25seS1mb3ItdGVzdHMtbm90LWEtcmVhbC1zZWNyZXQ=",
            UPSTREAM_ALLOW_PRIVATE="true",
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
def _database() -> Iterator[str]:
    """The address of a new database: on the PostgreSQL server of DATABASE_URL, or else a SQLite file."""
    server = os.environ.get("DATABASE_URL", "")
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


def described() -> str:
    """What the numbers depend on, in one line."""
    import django
    from django.db import connection

    version = ".".join(str(part) for part in connection.get_database_version())
    return (
        f"Python {platform.python_version()}, Django {django.get_version()}, "
        f"{connection.display_name} {version}, {os.cpu_count()} CPUs, {platform.machine()}"
    )
