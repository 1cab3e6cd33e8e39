"""Fixtures for all tests. The upstream is a real HTTP server on loopback, never a mock."""

from __future__ import annotations

import gc
import os
import shutil
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.apps import apps
from django.contrib.auth.models import Permission
from django.contrib.contenttypes.management import create_contenttypes
from django.contrib.contenttypes.models import ContentType
from django.db import connection
from django.db.models.signals import post_migrate
from django.test import Client
from django.utils import timezone
from hypothesis import settings as hypothesis_settings

from billing import append_only
from panel.ops.invariants import find_breaches
from panel.sandbox.server import SandboxServer
from tests import make, schedule, templates
from tests.chain.databases import MIGRATED

# What is loaded once stays: going through it again and again takes an eighth of the time.
gc.freeze()
gc.set_threshold(100_000, 50, 50)

# The same examples each time, however slow the machine: a verdict is about the code. `make proof` tries others.
hypothesis_settings.register_profile("same", derandomize=True, deadline=None, database=None)
hypothesis_settings.register_profile("search", max_examples=10_000, deadline=None, database=None)
hypothesis_settings.load_profile("same")

MUST_HAVE_ALL = os.environ.get("REQUIRE_SERVICES") == "1"
# The shell has the engine of the whole browser without its windows, which take half of the time.
BROWSERS = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
CHROMIUM = None if os.environ.get("WITHOUT_CHROMIUM") else next(filter(None, map(shutil.which, BROWSERS)), None)
REDIS_SERVER = shutil.which("redis-server")


# With one of these a test meets the servers, though none of its fixtures asks for a database.
SERVERS = ("processes", "browser", "postgresql", "redis", "proof")


def speaks_with_servers(item: Any) -> bool:
    fixtures = {"db", "transactional_db", "live_server"} & set(item.fixturenames)
    return bool(fixtures) or any(map(item.get_closest_marker, ("django_db", *SERVERS)))


@pytest.hookimpl(wrapper=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> Iterator[None]:
    """Says what a test needs; those that are left over for this run are put into the order that ends soonest."""
    mark(items)
    yield
    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", 1))
    items[:] = schedule.arrange(items, workers=workers, kind=schedule.kind_of)


def mark(items: list[pytest.Item]) -> None:
    """Leaves out what lacks a server; in the full gate a missing server is a failure instead."""
    on_postgresql = "postgres" in os.environ.get("DATABASE_URL", "")
    for item in items:
        if not speaks_with_servers(item):
            item.add_marker(pytest.mark.once)
        if item.get_closest_marker("slow") and not on_postgresql:
            item.add_marker(pytest.mark.proof)
    if MUST_HAVE_ALL:
        return
    for item in items:
        if item.get_closest_marker("browser") and CHROMIUM is None:
            item.add_marker(pytest.mark.skip(reason="needs Chromium; .ci/run installs it and runs this"))
        if item.get_closest_marker("postgresql") and not on_postgresql:
            item.add_marker(pytest.mark.skip(reason="needs PostgreSQL; .ci/run runs this"))
        if item.get_closest_marker("redis") and not (REDIS_SERVER and os.environ.get("CELERY_BROKER_URL")):
            item.add_marker(pytest.mark.skip(reason="needs redis-server and CELERY_BROKER_URL; .ci/run runs this"))


@pytest.fixture(scope="session")
def django_db_modify_db_settings(django_db_modify_db_settings_parallel_suffix: None, django_db_blocker: Any) -> None:
    """Each process has a copy of a migrated database, and `migrate` finds nothing to do in it.

    So have the processes that tests start: the environment names the template to them.
    """
    if connection.vendor == "postgresql":
        with django_db_blocker.unblock():
            template = templates.on_the_server(connection)
        connection.settings_dict["TEST"]["TEMPLATE"] = os.environ[MIGRATED] = template
        return
    creation = connection.creation
    create = creation._create_test_db

    def create_and_fill(*args: Any, **kwargs: Any) -> Any:
        name = create(*args, **kwargs)
        os.environ[MIGRATED] = str(templates.copied(connection, name))
        return name

    creation._create_test_db = create_and_fill


@pytest.fixture(autouse=True, scope="session")
def flush_past_the_triggers(django_db_setup: Any) -> Iterator[None]:
    """Tests with real transactions empty the tables afterwards, which the append-only triggers refuse."""
    operations = type(connection.ops)
    sql_flush = operations.sql_flush
    # What the models are called and who may do what with them is the same for all tests.
    kept = {ContentType._meta.db_table, Permission._meta.db_table}

    def flush(self: Any, style: Any, tables: Any, **kwargs: Any) -> list[str]:
        tables = [table for table in tables if table not in kept]
        if self.connection.vendor == "postgresql":
            # Rows are few and tables many: truncating each of them takes twenty times as long.
            emptied = [f"DELETE FROM {self.quote_name(table)}" for table in tables]
            return ["SET LOCAL session_replication_role = replica", *emptied]
        return [
            *append_only.REMOVE["sqlite"],
            *sql_flush(self, style, tables, **kwargs),
            *append_only.INSTALL["sqlite"],
        ]

    operations.sql_flush = flush
    yield
    operations.sql_flush = sql_flush


@pytest.fixture(autouse=True, scope="session")
def nothing_follows_a_flush(django_db_setup: Any) -> None:
    """Hundreds of tests with real transactions empty the tables: what would be made anew after each took minutes.

    Permissions stay, and roles are set up where they are tested.
    """
    post_migrate.disconnect(sender=apps.get_app_config("accounts"), dispatch_uid="accounts.roles")
    post_migrate.disconnect(dispatch_uid="django.contrib.auth.management.create_permissions")
    post_migrate.disconnect(create_contenttypes)


@pytest.fixture(autouse=True)
def own_cache(settings: Any) -> None:
    """Of each test alone: processes of tests share a server, and what they count or keep has the same numbers."""
    prefix = uuid4().hex
    settings.CACHES = {name: {**cache, "KEY_PREFIX": prefix} for name, cache in settings.CACHES.items()}


@pytest.fixture
def still_clock(monkeypatch: pytest.MonkeyPatch) -> datetime:
    """The panel's clock stands still, so that a wait reads the same however long the test takes.

    It stands ten minutes ahead: what a column's default stamps with the time of day is due already.
    """
    moment = timezone.now() + timedelta(minutes=10)
    monkeypatch.setattr(timezone, "now", lambda: moment)
    return moment


@pytest.fixture
def upstream() -> Iterator[SandboxServer]:
    """A provider that stands still until it is told to move."""
    with SandboxServer(key="upstream-key", speed=0) as server:
        yield server


@pytest.fixture
def provider(db: None, upstream: SandboxServer) -> Any:
    """The upstream as a connected provider, nothing imported yet."""
    return make.provider(url=upstream.url, api_key=upstream.key)


@pytest.fixture
def service(upstream: SandboxServer, provider: Any) -> Any:
    """Followers for $2.50 the 1,000, which the upstream lists too."""
    upstream.set_service(1, rate="2", min=10, max=10_000, type="Default")
    return make.service(provider)


@pytest.fixture
def sound_books(db: None) -> Iterator[None]:
    """Whatever the test did, every invariant holds at its end."""
    yield
    assert find_breaches() == []


@pytest.fixture
def customer(db: None) -> Any:
    """Alice, with $10 in her wallet."""
    return make.customer("alice@example.org", funds="10")


@pytest.fixture
def other(db: None) -> Any:
    """Bob, who must never see or touch what is Alice's."""
    return make.customer("bob@example.org", funds="10")


@pytest.fixture
def staff(db: None) -> Any:
    return make.owner("owner@example.org")


@pytest.fixture
def signed_in(customer: Any) -> Client:
    client = Client()
    client.force_login(customer)
    return client


@pytest.fixture
def staff_client(staff: Any) -> Client:
    client = Client()
    client.force_login(staff)
    return client
