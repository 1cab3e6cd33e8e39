"""Fixtures for all tests. `upstream` is a real HTTP server on loopback, never a mock."""

from __future__ import annotations

import gc
import math
import os
import shutil
import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from asgiref.local import Local
from django.apps import apps
from django.conf import settings
from django.contrib.auth.models import Permission
from django.contrib.contenttypes.management import create_contenttypes
from django.contrib.contenttypes.models import ContentType
from django.core.cache import caches
from django.db import connection
from django.db.models.signals import post_migrate
from django.test import Client, override_settings
from django.utils import timezone
from hypothesis import settings as hypothesis_settings

from billing import append_only
from catalog.shop.shelf import forget_shelf
from catalog.upstream import client
from orders.dispatch import submit, timeouts
from orders.dispatch.answer_files import answers_folder
from orders.marks import guard, storage
from panel.activity import append_only as activity_append_only
from panel.alerts import clocks, rounds, running
from panel.lib import clock, recent_sign_in
from panel.lib.http.calls import CALLS
from panel.ops.invariants import find_breaches
from panel.sandbox.server import SandboxServer
from panel.site import mail_setup, stored
from tests import make, schedule, templates
from tests.chain.databases import MIGRATED

# Loaded modules stay: scanning them in each garbage collection takes an eighth of the run.
gc.freeze()
gc.set_threshold(100_000, 50, 50)

# The same examples in each run, without a deadline: results depend on the code alone. `make proof` tries others.
hypothesis_settings.register_profile("same", derandomize=True, deadline=None, database=None)
hypothesis_settings.register_profile("search", max_examples=10_000, deadline=None, database=None)
hypothesis_settings.load_profile("same")

SERVERS_ARE_REQUIRED = os.environ.get("REQUIRE_SERVICES") == "1"
# The headless shell comes first: it has the same engine, and without windows takes half the time.
BROWSERS = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
CHROMIUM = None if os.environ.get("WITHOUT_CHROMIUM") else next(filter(None, map(shutil.which, BROWSERS)), None)
REDIS_SERVER = shutil.which("redis-server")

# As `use_steady_clock` replaces it.
MET_BY, WATCH_CLOCK = running.met_by, timeouts.watch_clock

# Folders whose tests open pages.
PAGES = {"admin", "web"}

# Folders about what locks, claims and posts: the gate runs their tests on both databases.
CORE = {"billing", "checkout", "common", "dispatch", "marks", "refunds", "lib", "channels"}

# As `fresh_process` replaces them.
SIGNED_IN_AT, IS_MAIL_SET_UP = recent_sign_in.signed_in_at, mail_setup.is_mail_set_up

# A test with one of these markers uses the servers, even if none of its fixtures needs the database.
SERVERS = ("processes", "browser", "postgresql", "redis", "proof")


def needs_servers(item: Any) -> bool:
    """Return whether the test must run on each database, not just once."""
    fixtures = {"db", "transactional_db", "live_server"} & set(item.fixturenames)
    return bool(fixtures) or any(map(item.get_closest_marker, ("django_db", *SERVERS)))


@pytest.hookimpl(wrapper=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> Iterator[None]:
    """Mark the tests by what they need, and put the selected ones in the order that finishes soonest."""
    mark(items)
    yield
    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", 1))
    items[:] = schedule.arrange(items, workers=workers, kind=schedule.kind_of)


def mark(items: list[pytest.Item]) -> None:
    """Mark the tests, and skip those whose server is missing; in the full gate these fail instead."""
    on_postgresql = "postgres" in os.environ.get("DATABASE_URL", "")
    for item in items:
        if not needs_servers(item):
            item.add_marker(pytest.mark.once)
        if item.get_closest_marker("slow") and not on_postgresql:
            item.add_marker(pytest.mark.proof)
        folders = set(item.nodeid.partition("::")[0].split("/"))
        if CORE & folders and not PAGES & folders:
            item.add_marker(pytest.mark.core)
    if SERVERS_ARE_REQUIRED:
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
    """Give each process a copy of a migrated database, so that `migrate` has nothing to do.

    Processes that tests start find the same template through the environment.
    """
    if connection.vendor == "postgresql":
        with django_db_blocker.unblock():
            template = templates.template_on_server(connection)
        connection.settings_dict["TEST"]["TEMPLATE"] = os.environ[MIGRATED] = template
        return
    creation = connection.creation
    create = creation._create_test_db

    def create_and_fill(*args: Any, **kwargs: Any) -> Any:
        name = create(*args, **kwargs)
        os.environ[MIGRATED] = str(templates.copy_template(connection, name))
        return name

    creation._create_test_db = create_and_fill


@pytest.fixture(autouse=True, scope="session")
def flush_without_triggers(django_db_setup: Any) -> Iterator[None]:
    """Let tests with real transactions empty the tables at their end, which the append-only triggers refuse."""
    operations = type(connection.ops)
    sql_flush = operations.sql_flush
    # Content types and permissions are the same for all tests.
    kept = {ContentType._meta.db_table, Permission._meta.db_table}

    def flush(self: Any, style: Any, tables: Any, **kwargs: Any) -> list[str]:
        tables = [table for table in tables if table not in kept]
        if self.connection.vendor == "postgresql":
            # There are few rows in many tables: TRUNCATE takes twenty times as long.
            emptied = [f"DELETE FROM {self.quote_name(table)}" for table in tables]
            return ["SET LOCAL session_replication_role = replica", *emptied]
        return [
            *append_only.REMOVE["sqlite"],
            *activity_append_only.REMOVE["sqlite"],
            *sql_flush(self, style, tables, **kwargs),
            *append_only.INSTALL["sqlite"],
            *activity_append_only.INSTALL["sqlite"],
        ]

    operations.sql_flush = flush
    yield
    operations.sql_flush = sql_flush


@pytest.fixture(autouse=True, scope="session")
def skip_post_migrate_handlers(django_db_setup: Any) -> None:
    """Disconnect the post_migrate handlers, which Django also calls after each flush: over all tests they took minutes.

    Permissions survive the flush, and the tests of roles create the roles themselves.
    """
    post_migrate.disconnect(sender=apps.get_app_config("accounts"), dispatch_uid="accounts.roles")
    post_migrate.disconnect(dispatch_uid="django.contrib.auth.management.create_permissions")
    post_migrate.disconnect(create_contenttypes)


@pytest.fixture(autouse=True, scope="session")
def own_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Give each test process a VAR_DIR of its own."""
    with override_settings(VAR_DIR=tmp_path_factory.mktemp("var")):
        yield


@pytest.fixture(autouse=True)
def fresh_process(own_folder: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Begin each test as a process that knows nothing of earlier tests. One fixture: each costs time in every test."""
    use_own_cache_keys()
    # No mark of what was sent last: each test has a database of its own.
    (settings.VAR_DIR / storage.FILE).unlink(missing_ok=True)
    storage._cache_rests_until = guard._noted_at = float("-inf")
    # No provider is asked for its balance before the first order of a test.
    monkeypatch.setattr(submit, "is_explained", lambda provider: True)
    # A reading call that failed is repeated at once, not after 0.2 and 0.4 seconds.
    monkeypatch.setattr(client, "_FIRST_PAUSE", 0.001)
    # No host answered before: a server may get the port of an earlier test's.
    CALLS._hosts.clear()
    # No answers are left on disk.
    if answers_folder().exists():
        shutil.rmtree(answers_folder())
    forget_shelf()
    # Each setting is at its default, or as the test says by `settings`, and no query is made for them. Tests of the
    # reading itself begin with `stored._current` at None.
    monkeypatch.setattr(stored, "_current", stored.Snapshot({}, math.inf))
    use_steady_clock(monkeypatch)
    # Everybody signed in just now, so that no page asks whether it is them. Tests of that use `real_sign_in_times`.
    monkeypatch.setattr(recent_sign_in, "signed_in_at", lambda request: time.time())
    # Nobody is asked to confirm an address by a code. Tests of that use `mail_server`.
    monkeypatch.setattr(mail_setup, "is_mail_set_up", lambda: False)


@pytest.fixture
def real_sign_in_times(fresh_process: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages ask people who signed in long ago, as in production."""
    monkeypatch.setattr(recent_sign_in, "signed_in_at", SIGNED_IN_AT)


@pytest.fixture
def mail_server(fresh_process: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Mail is set up, as in production."""
    monkeypatch.setattr(mail_setup, "is_mail_set_up", IS_MAIL_SET_UP)


def use_own_cache_keys() -> None:
    """Give the test its own cache keys: test processes share a cache server, and their rows have equal ids.

    Set directly: `override_settings` would call some twenty receivers for each test.
    """
    prefix = settings.PANEL_PREFIX = uuid4().hex
    for options in settings.CACHES.values():
        options["KEY_PREFIX"] = prefix
    # Each thread makes its caches anew.
    caches._connections = Local(caches.thread_critical)


def use_steady_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """The database's clock is this machine's, which never jumped, and no query is made for it.

    Tests of the measuring begin with `clock._last` at `clock._NOTHING`; tests of jumps use `real_running`.
    """
    monkeypatch.setattr(clock, "_last", clock.Measurement(0.0, 0.0, math.inf, 0.0))
    monkeypatch.setattr(clocks, "_reported", None)
    monkeypatch.setattr(rounds, "_resting", {})
    monkeypatch.setattr(running, "_looked_at", -math.inf)
    monkeypatch.setattr(running, "met_by", lambda length: clock.now() - length)
    monkeypatch.setattr(timeouts, "watch_clock", lambda: None)


@pytest.fixture
def real_running(fresh_process: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Deadlines count the time seen running, as in production."""
    monkeypatch.setattr(running, "met_by", MET_BY)
    monkeypatch.setattr(timeouts, "watch_clock", WATCH_CLOCK)
    monkeypatch.setattr(running, "LOOK_EVERY", -math.inf)


@pytest.fixture
def frozen_clock(monkeypatch: pytest.MonkeyPatch) -> datetime:
    """Stop the panel's clock and return its time, so that a wait has an exact length however long the test takes.

    It is ten minutes ahead: times that the database writes by a column's default are already due.
    """
    moment = timezone.now() + timedelta(minutes=10)
    monkeypatch.setattr(timezone, "now", lambda: moment)
    return moment


@pytest.fixture
def upstream() -> Iterator[SandboxServer]:
    """A provider whose clock stands still unless a test advances it."""
    with SandboxServer(key="upstream-key", speed=0) as server:
        yield server


@pytest.fixture
def provider(db: None, upstream: SandboxServer) -> Any:
    """The upstream as a connected provider, with nothing imported yet."""
    return make.provider(url=upstream.url, api_key=upstream.key)


@pytest.fixture
def service(upstream: SandboxServer, provider: Any) -> Any:
    """Followers at $2.50 for 1,000, which the upstream lists too."""
    upstream.set_service(1, rate="2", min=10, max=10_000, type="Default")
    return make.service(provider)


@pytest.fixture
def invariants_hold(db: None) -> Iterator[None]:
    """Check after the test that every invariant holds."""
    yield
    assert find_breaches() == []


@pytest.fixture
def customer(db: None) -> Any:
    """Alice, with $10 in her wallet."""
    return make.customer("alice@example.org", funds="10")


@pytest.fixture
def other(db: None) -> Any:
    """Bob, with $10, who must never see or change anything of Alice's."""
    return make.customer("bob@example.org", funds="10")


@pytest.fixture
def staff(db: None) -> Any:
    """The owner, who has all rights."""
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
