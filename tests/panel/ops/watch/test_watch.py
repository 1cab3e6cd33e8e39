"""The living notice the dead, and tell it: workers, web servers, tasks, Redis and the database."""

from __future__ import annotations

import math
import platform
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from django.db import OperationalError, ProgrammingError, connection
from django.utils import timezone

from panel.alerts.causes import Cause
from panel.alerts.models import Alert, Heartbeat, Process
from panel.alerts.services import record_heartbeat
from panel.channels.models import Channel
from panel.lib.crypto import encrypt
from panel.ops.watch import judgement, offline, watcher
from panel.ops.watch.judgement import judge, redis_failure
from panel.ops.watch.pings import ping
from panel.ops.watch.presence import SILENT, arrive, be_seen, leave, living
from panel.ops.watch.watcher import MAX_GAP, Watcher, limit_statements
from tests.panel.channels.servers import MailServer, Receiver, Telegram, running

pytestmark = pytest.mark.django_db

WEB, WORKER = Process.Kind.WEB, Process.Kind.WORKER


@pytest.fixture(autouse=True)
def connection_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    """The watcher's thread has a connection of its own; here it is the test's, and all is done in its turn."""
    monkeypatch.setattr(watcher.connections, "close_all", lambda: None)
    monkeypatch.setattr(watcher, "limit_statements", lambda: None)
    monkeypatch.setattr(Watcher, "do_beside", lambda self, work: work())
    # On a busy machine the tests' Redis may answer late.
    monkeypatch.setattr(judgement, "redis_failure", lambda address: "")
    monkeypatch.setattr(offline, "_tried_at", -math.inf)
    monkeypatch.setattr(offline, "_told_here", False)
    shutil.rmtree(offline._folder())


@pytest.fixture
def smtp(settings: Any) -> Iterator[MailServer]:
    with running(MailServer()) as server:
        settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
        settings.EMAIL_HOST, settings.EMAIL_PORT, settings.EMAIL_TIMEOUT = "127.0.0.1", server.port, 5
        settings.EMAIL_USE_TLS = settings.EMAIL_USE_SSL = False
        Channel.objects.create(name="Mail", kind="mail", target="owner@example.org")
        yield server


@pytest.fixture
def telegram(settings: Any) -> Iterator[Telegram]:
    with running(Telegram()) as server:
        settings.TELEGRAM_API_URL = server.url
        Channel.objects.create(name="Phone", kind="telegram", target="-1001", secret_encrypted=encrypt(Telegram.TOKEN))
        yield server


def later(monkeypatch: pytest.MonkeyPatch, length: timedelta) -> None:
    moment = timezone.now() + length
    monkeypatch.setattr(timezone, "now", lambda: moment)


def other(kind: Process.Kind, *, machine: str = "elsewhere", seen: timedelta = timedelta(0), **values: Any) -> Process:
    at = timezone.now() - seen
    return Process.objects.create(
        **{"kind": kind, "machine": machine, "pid": 1, "started_at": at, "seen_at": at, **values}
    )


def open_causes() -> set[str]:
    return set(Alert.objects.filter(resolved_at=None).values_list("cause", flat=True))


@pytest.mark.django_db(transaction=True)
def test_worker_when_killed_then_two_web_servers_tell_it_once(smtp, telegram):
    other(WORKER, seen=timedelta(seconds=25))
    first, second = Watcher(WEB), Watcher(WEB)
    for _ in range(3):
        first.look()
        second.look()
    assert open_causes() == {Cause.WORKERS}
    assert len(smtp.mails) == len(telegram.messages) == 1
    assert "No worker runs." in telegram.messages[0]["text"]
    assert "Start the worker" in telegram.messages[0]["text"]


def test_worker_when_back_then_resolved_and_told(smtp):
    other(WORKER, machine=platform.node()[:120], seen=timedelta(seconds=25))
    web = Watcher(WEB)
    web.look()
    arrive(WORKER)
    web.look()
    assert open_causes() == set()
    assert [str(mail["Subject"]).strip()[:10] for mail in smtp.mails] == ["URGENT · N", "Resolved: "]


def test_worker_when_one_tells_then_the_watchers_do_not(smtp):
    """A worker lives, so telling is its task; a web server steps in once that is late."""
    record_heartbeat(task="tell_owner")
    other(WORKER, seen=timedelta(seconds=25))
    web = Watcher(WEB)
    web.look()
    assert smtp.mails == []
    Heartbeat.objects.update(beat_at=timezone.now() - timedelta(seconds=30))
    web.look()
    assert len(smtp.mails) == 1


def test_worker_when_stopped_or_restarted_then_no_alert_for_a_while(monkeypatch):
    worker = arrive(WORKER)
    leave(worker)
    judge()
    assert open_causes() == set()
    later(monkeypatch, SILENT + timedelta(seconds=1))
    judge()
    assert open_causes() == {Cause.WORKERS}


def test_panel_when_no_worker_ever_ran_then_no_alert():
    Watcher(WEB).look()
    assert open_causes() == set()


def test_worker_when_one_of_two_is_silent_then_an_alert_of_it_until_replaced(monkeypatch):
    dead = other(WORKER, seen=timedelta(seconds=25))
    other(WORKER, started_at=timezone.now() - timedelta(hours=1))
    judge()
    assert open_causes() == {Cause.PROCESS.of(dead.pk)}
    other(WORKER, machine="a new container")
    judge()
    assert open_causes() == set()
    dead.refresh_from_db()
    assert dead.ended_at


def test_process_when_it_was_only_slow_then_seen_again():
    mine = arrive(WORKER)
    Process.objects.filter(pk=mine.pk).update(seen_at=timezone.now() - timedelta(minutes=1))
    assert not living(WORKER).exists()
    assert be_seen(mine)
    assert living(WORKER).exists()
    Process.objects.all().delete()
    assert not be_seen(mine)


def test_web_server_when_killed_then_the_worker_says_so():
    other(WEB, seen=timedelta(seconds=25))
    Watcher(WORKER).look()
    assert open_causes() == {Cause.WEB}


def test_watcher_when_it_has_slept_then_it_judges_nobody(monkeypatch):
    """After a night in which the machine slept, everybody is silent, and nobody died."""
    other(WORKER, seen=timedelta(hours=8))
    web = Watcher(WEB)
    now = watcher.time.monotonic()
    web._last_look = (now, watcher.time.time() - MAX_GAP - 1)
    web.look()
    web.look()
    assert open_causes() == set()
    monkeypatch.setattr(web, "_judges_from", now)
    web.look()
    assert open_causes() == {Cause.WORKERS}


def test_tasks_when_late_while_a_worker_lives_then_beat_is_suspected(monkeypatch):
    for task in judgement.TICKING:
        record_heartbeat(task=task)
    other(WORKER, seen=timedelta(0), started_at=timezone.now() - timedelta(minutes=5))
    judge()
    assert open_causes() == set()
    Heartbeat.objects.filter(task="poll_orders").update(beat_at=timezone.now() - timedelta(minutes=1))
    judge()
    assert open_causes() == {Cause.TASKS}
    record_heartbeat(task="poll_orders")
    judge()
    assert open_causes() == set()


def test_redis_when_it_does_not_answer_then_an_alert_without_its_address(settings, monkeypatch):
    monkeypatch.setattr(judgement, "redis_failure", lambda address: redis_failure(address) if ":9/" in address else "")
    settings.CELERY_BROKER_URL = "redis://:secret@127.0.0.1:9/0"
    judge()
    alert = Alert.objects.get()
    assert (alert.cause, alert.text) == (Cause.REDIS, "Redis does not answer: ConnectionError.")
    judge()
    assert Alert.objects.get().count == 1, "judged every few seconds by each process, and counted once"
    settings.CELERY_BROKER_URL = "memory://"
    monkeypatch.setattr(judgement, "redis_failure", lambda address: "")
    judge()
    assert open_causes() == set()


def test_redis_when_it_answers_then_no_failure(settings):
    if not settings.CELERY_BROKER_URL.startswith("redis"):
        pytest.skip("needs Redis; .ci/run runs this")
    assert "" in {redis_failure(settings.CELERY_BROKER_URL) for _ in range(5)}, "a busy machine may be late"


def test_database_when_away_then_told_once_by_what_was_known(smtp, telegram, monkeypatch):
    first, second = Watcher(WEB), Watcher(WORKER)
    first.look()
    path = offline._folder() / "channels.json"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert Telegram.TOKEN not in path.read_text()
    with away(monkeypatch):
        first.look()
        assert smtp.mails == [], "once may be chance"
        for _ in range(3):
            first.look()
            second.look()
        assert len(smtp.mails) == len(telegram.messages) == 1
        assert "The database does not answer: OperationalError." in telegram.messages[0]["text"]
    first.look()
    assert len(smtp.mails) == 1, "another process may still find it away"
    monkeypatch.setattr(offline, "STILL_AWAY", -1)
    for one in (first, second):
        one.look()
        one.look()
    assert len(smtp.mails) == len(telegram.messages) == 2
    assert "It was away for under a minute." in telegram.messages[1]["text"]


def test_database_when_one_process_alone_finds_it_away_then_no_storm(smtp, monkeypatch):
    """Another one works: it must not tell each time that the database is back."""
    well, ill = Watcher(WEB), Watcher(WEB)
    well.look()
    for _ in range(6):
        with away(monkeypatch):
            ill.look()
        monkeypatch.setattr(offline, "_tried_at", -math.inf)
        well.look()
    assert len(smtp.mails) == 1
    monkeypatch.setattr(offline, "STILL_AWAY", -1)
    well.look()
    for _ in range(3):
        monkeypatch.setattr(offline, "_tried_at", -math.inf)
        with away(monkeypatch):
            ill.look()
        well.look()
    assert len(smtp.mails) == 2, "it comes and goes: told once in half an hour"


def test_database_when_away_and_no_channel_takes_it_then_tried_again(smtp, monkeypatch):
    one = Watcher(WEB)
    one.look()
    smtp.refusals["MAIL"] = "451 not now"
    with away(monkeypatch):
        one.look()
        one.look()
        smtp.refusals.clear()
        one.look()
        assert smtp.mails == [], "a minute has to pass"
        monkeypatch.setattr(offline, "_tried_at", -math.inf)
        one.look()
        assert len(smtp.mails) == 1


def test_database_when_away_and_the_disk_is_full_then_told_all_the_same(smtp, monkeypatch):
    one = Watcher(WEB)
    one.look()

    def full(*args: Any) -> Any:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(offline, "_write", full)
    with away(monkeypatch):
        for _ in range(4):
            monkeypatch.setattr(offline, "_tried_at", -math.inf)
            one.look()
    assert len(smtp.mails) == 1


@contextmanager
def away(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with monkeypatch.context() as context:
        context.setattr(watcher, "be_seen", fail)
        context.setattr(watcher, "arrive", fail)
        yield


def fail(*args: Any) -> Any:
    raise OperationalError("no connection")


def test_database_when_away_and_no_channel_is_known_then_nothing_fails(monkeypatch):
    monkeypatch.setattr(watcher, "arrive", fail)
    one = Watcher(WEB)
    for _ in range(3):
        one.look()


def test_look_when_a_column_is_missing_then_no_outage_is_told(smtp, monkeypatch):
    """A new release beside a schema that is not migrated yet."""
    one = Watcher(WEB)
    one.look()

    def missing() -> Any:
        raise ProgrammingError("column does not exist")

    monkeypatch.setattr(watcher, "judge", missing)
    for _ in range(4):
        one.look()
    assert smtp.mails == []


def test_process_when_it_leaves_then_it_does_not_come_back():
    web = Watcher(WEB)
    web.look()
    web.leave()
    web.look()
    assert Process.objects.get().ended_at


@pytest.mark.postgresql
def test_statements_when_of_a_watcher_then_limited():
    limit_statements()
    try:
        with connection.cursor() as cursor:
            cursor.execute("SHOW statement_timeout")
            assert cursor.fetchone()[0] == "8s"
    finally:
        with connection.cursor() as cursor:
            cursor.execute("SET statement_timeout = 0")


def test_ping_when_the_worker_looks_then_once_a_minute(settings):
    with running(Receiver()) as server:
        settings.PING_URL_WORKER = f"{server.url}/ping"
        worker = Watcher(WORKER)
        worker.look()
        worker.look()
        Watcher(WEB).look()
        assert [post.path for post in server.posts] == ["/ping"]


@pytest.mark.parametrize("url", ["", "http://127.0.0.1:9/ping", "http://[/"])
def test_ping_when_nobody_takes_it_then_false(url):
    assert not ping(url)
