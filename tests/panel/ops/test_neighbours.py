"""Another panel with the same prefix or folder is found at the start and while both run."""

from __future__ import annotations

import fcntl
import os
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest
import redis
from django.core.cache import cache
from django.core.checks import run_checks
from django.core.exceptions import ImproperlyConfigured

from orders.marks.guard import identity_token
from orders.models import DatabaseIdentity
from panel.alerts.models import Alert
from panel.celery import NeighbourCheck, app
from panel.checks import NEIGHBOURS
from panel.ops import neighbours
from panel.ops.tasks import check_settings
from tests.chain.databases import Database
from tests.commands import SECRETS, run_python

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def own_places(settings, tmp_path, monkeypatch):
    """A folder without locks, no broker, and the tests' cache as one that other processes share."""
    settings.VAR_DIR, settings.CELERY_BROKER_URL = tmp_path, "memory://"
    monkeypatch.setattr(neighbours, "_locked", {})
    monkeypatch.setattr(neighbours, "has_shared_cache", lambda: True)
    yield
    for file in neighbours._locked.values():
        os.close(file)


@contextmanager
def locked_by_a_panel(folder: Path, token: str):
    """Hold the folder as a process of the panel with this database does."""
    file = os.open(folder / neighbours.FILE, os.O_RDWR | os.O_CREAT)
    try:
        assert neighbours._lock(file, token)
        yield
    finally:
        os.close(file)


def found() -> list[str]:
    return [text for text, _ in neighbours.find_neighbours()]


def test_panel_when_alone_then_it_takes_its_places(settings):
    assert found() == []
    assert cache.get("panel") == identity_token() == (settings.VAR_DIR / neighbours.FILE).read_text()
    assert found() == []  # They are its own.


def test_panel_when_another_has_the_prefix_then_found_in_the_cache(settings):
    cache.set("panel", "another", 60)
    [text] = found()
    assert f"the prefix {settings.PANEL_PREFIX} in the cache" in text
    assert cache.get("panel") == "another"
    cache.delete("panel")  # As it expires when the other one has ended.
    assert found() == []


def test_panel_when_its_database_is_restored_then_still_itself():
    assert found() == []
    DatabaseIdentity.objects.update(generation=7, covered={"older": 3})
    assert found() == []


@pytest.mark.postgresql  # Redis is there with PostgreSQL only.
def test_panel_when_another_has_the_prefix_then_found_in_the_broker(settings, monkeypatch):
    monkeypatch.setattr(neighbours, "has_shared_cache", lambda: False)
    settings.CELERY_BROKER_URL = os.environ["CELERY_BROKER_URL"]
    name = f"{settings.PANEL_PREFIX}:panel"
    with redis.Redis.from_url(settings.CELERY_BROKER_URL) as broker:
        assert found() == found() == []
        assert broker.get(name) == identity_token().encode() and 0 < broker.ttl(name) <= neighbours.KEPT_SECONDS
        broker.set(name, "another", ex=60)
        [text] = found()
        assert "in the broker of CELERY_BROKER_URL" in text and broker.get(name) == b"another"
        broker.delete(name)


def test_panel_when_redis_is_down_then_it_starts(settings, monkeypatch):
    settings.CELERY_BROKER_URL = "redis://127.0.0.1:9/0"

    def broken(*args: object) -> None:
        raise ConnectionError

    monkeypatch.setattr(neighbours, "cache", SimpleNamespace(add=broken))
    assert found() == []


def test_folder_when_another_panel_runs_then_found_until_it_ends(settings):
    with locked_by_a_panel(settings.VAR_DIR, "another"):
        [text] = found()
        assert str(settings.VAR_DIR) in text
    assert found() == []
    assert (settings.VAR_DIR / neighbours.FILE).read_text() == identity_token()


def test_folder_when_processes_of_one_panel_run_then_they_share_it(settings):
    with ExitStack() as closing:
        for _ in range(3):
            closing.enter_context(locked_by_a_panel(settings.VAR_DIR, identity_token()))
        assert found() == []


def test_folder_when_taken_between_two_locks_then_found(settings, monkeypatch):
    """Changing a lock of one's own into a shared one may let another process take the folder in between."""
    flock, seen = fcntl.flock, []

    def slow(file: int, operation: int) -> None:
        if operation == fcntl.LOCK_SH and not seen:
            seen.append(file)
            (settings.VAR_DIR / neighbours.FILE).write_text("another")
        flock(file, operation)

    monkeypatch.setattr(neighbours.fcntl, "flock", slow)
    assert len(found()) == 1


def test_folder_when_unwritable_then_nothing_is_shared(settings):
    settings.VAR_DIR = settings.VAR_DIR / "missing"
    assert found() == []


def test_check_when_no_database_is_named_then_it_does_not_run():
    cache.set("panel", "another", 60)
    assert run_checks(tags=[NEIGHBOURS]) == []
    [error] = run_checks(tags=[NEIGHBOURS], databases=["default"])
    assert error.id == "panel.E015" and "Set PANEL_PREFIX" in error.hint


def test_round_when_another_panel_appears_then_an_alert_until_gone():
    cache.set("panel", "another", 60)
    check_settings()
    [alert] = Alert.objects.filter(resolved_at=None)
    assert alert.cause == "neighbour" and "Set PANEL_PREFIX" in alert.text
    cache.delete("panel")
    check_settings()
    assert not Alert.objects.filter(resolved_at=None)


@pytest.mark.processes
def test_servers_when_another_panel_has_their_folder_then_refused(tmp_path):
    assert NeighbourCheck in app.steps["worker"]
    database = Database(tmp_path)
    environment = {**SECRETS, "DATABASE_URL": database.url, "VAR_DIR": str(tmp_path)}
    try:
        with locked_by_a_panel(tmp_path, "another"):
            for command in (("-c", "import panel.wsgi"), ("-m", "celery", "-A", "panel", "worker")):
                run = run_python(*command, **environment)
                assert run.returncode != 0
                assert f"{ImproperlyConfigured.__name__}: Another panel that runs uses the folder" in run.stderr
    finally:
        database.drop()
