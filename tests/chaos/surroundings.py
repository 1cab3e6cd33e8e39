"""A temporary database, broker and folder that only the chaos tests use, removed afterwards.

This module sets only environment variables, so that Django can be set up with them.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

from tests.chain.databases import migrated

# The Redis database that is used, and flushed.
REDIS_NUMBER = 9

_ENVIRONMENT = {
    "DJANGO_SETTINGS_MODULE": "panel.settings",
    "ENV_FILE": os.devnull,
    "DEBUG": "false",
    "SECRET_KEY": "only-for-chaos-" * 5,
    "FIELD_ENCRYPTION_KEYS": "b25seS1mb3ItdGVzdHMtbm90LWEtcmVhbC1zZWNyZXQ=",
    "UPSTREAM_ALLOW_PRIVATE": "true",
    "EMAIL_URL": "memorymail://",
    "CACHE_URL": "locmemcache://",
    "POLL_INTERVALS": "1,1,1,1",
    "DOUBT_DEADLINE_MINUTES": "30",
    "QUEUE_LIMIT_HOURS": "24",
}


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a run uses. `redis_url` is "" with the embedded broker."""

    folder: Path
    vendor: str
    redis_url: str


@contextmanager
def surroundings(*, with_broker: bool) -> Iterator[Surroundings]:
    """Set the environment of this process and its children, and remove the database and folder at the end.

    Where DATABASE_URL and CELERY_BROKER_URL name PostgreSQL and Redis, the database is created there, and Redis is used
    if `with_broker`. Otherwise SQLite and the embedded broker are used.
    """
    given_database, given_broker = os.environ.get("DATABASE_URL", ""), os.environ.get("CELERY_BROKER_URL", "")
    on_postgresql = given_database.startswith("postgres") and given_broker.startswith("redis")
    redis_url = _with_path(given_broker, str(REDIS_NUMBER)) if on_postgresql and with_broker else ""
    folder = Path(tempfile.mkdtemp(prefix="chaos-"))
    name = f"chaos_{uuid4().hex[:12]}"
    for setting in ("SITE_URL", "PANEL_NAME", "PANEL_CURRENCY", "PANEL_ACCENT", "DATABASE_CONN_MAX_AGE"):
        os.environ.pop(setting, None)
    os.environ.update(_ENVIRONMENT)
    os.environ["VAR_DIR"] = str(folder)
    os.environ["PANEL_PREFIX"] = name
    os.environ["CELERY_BROKER_URL"] = redis_url or "memory://"
    os.environ["DATABASE_URL"] = f"sqlite:///{folder / 'chaos.sqlite3'}"
    try:
        if on_postgresql:
            os.environ["DATABASE_URL"] = _with_path(given_database, name)
            template = migrated(on_server=True)
            _on_server(given_database, f'CREATE DATABASE "{name}"' + (f' TEMPLATE "{template}"' if template else ""))
        elif template := migrated(on_server=False):
            shutil.copyfile(template, folder / "chaos.sqlite3")
        if redis_url:
            flush(redis_url)
        yield Surroundings(folder, "postgresql" if on_postgresql else "sqlite", redis_url)
    finally:
        if redis_url:
            flush(redis_url)
        if on_postgresql:
            _on_server(given_database, f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
        shutil.rmtree(folder, ignore_errors=True)


def flush(redis_url: str) -> None:
    """Delete all messages, as a restart of Redis without persistence does."""
    import redis

    with redis.Redis.from_url(redis_url) as client:
        client.flushdb()


def _with_path(url: str, path: str) -> str:
    return urlunsplit(urlsplit(url)._replace(path=f"/{path}"))


def _on_server(database_url: str, statement: str) -> None:
    """Run one statement outside any transaction, in the server's database "postgres"."""
    import psycopg

    with psycopg.connect(_with_path(database_url, "postgres"), autocommit=True) as connection:
        connection.execute(statement)
