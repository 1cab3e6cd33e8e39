"""Messages are hints: none carries an expiry, and on Redis none is acknowledged."""

from __future__ import annotations

import ast
import runpy
import threading
import time
from types import SimpleNamespace

import pytest
from celery.worker.request import Request

from panel import task_settings
from panel.celery import TASK_PACKAGES, app
from panel.hint_tasks import HintPool, HintRequest, PatientConnection
from panel.lib import task_hints
from tests.test_architecture import DOMAIN, modules

EMBEDDED = pytest.mark.parametrize("embedded", [False, True], ids=["redis", "embedded"])


@EMBEDDED
def test_queue_when_the_broker_is_redis_then_no_acks(settings, embedded):
    settings.EMBEDDED_BROKER = embedded
    found = runpy.run_path(task_settings.__file__)
    [queue] = found["task_queues"]
    # Messages queued before an upgrade, or by a web server of the version before, are read too.
    assert (queue.name, queue.exchange.name, queue.routing_key) == ("celery",) * 3 == (found["task_default_queue"],) * 3
    assert (queue.no_ack, found["task_acks_late"], found["worker_disable_prefetch"]) == (
        not embedded,
        False,
        not embedded,
    )


def test_mails_when_printed_by_the_worker_then_not_log_lines():
    assert app.conf.worker_redirect_stdouts is False


@EMBEDDED
def test_message_when_task_begins_then_only_embedded_broker_acked(settings, embedded):
    settings.EMBEDDED_BROKER = embedded
    acks: list[object] = []
    request = HintRequest.__new__(HintRequest)
    request._on_ack, request._connection_errors = (lambda *given: acks.append(given)), ()
    request.acknowledge()
    assert (request.acknowledged, len(acks)) == (True, embedded)


def test_tasks_when_received_then_their_messages_are_hints():
    app.loader.import_default_modules()
    ours = [task for name, task in app.tasks.items() if not name.startswith("celery.")]
    assert ours
    for task in ours:
        assert issubclass(task.Request, HintRequest), task.name
    assert issubclass(HintRequest, Request)


def test_worker_when_all_threads_busy_then_first_free_one_wakes_it():
    """It used to sleep for up to a second: twelve threads did 12 short tasks a second instead of 120."""
    woken, seen = threading.Event(), []
    pool = HintPool(limit=1)
    assert app.conf.worker_pool == f"{HintPool.__module__}:{HintPool.__qualname__}"
    pool.register_with_event_loop(SimpleNamespace(call_soon=lambda _nothing: (seen.append("woken"), woken.set())))
    pool.on_apply(lambda: None, (), {}, callback=lambda _result: seen.append("counted"), accept_callback=None)
    assert woken.wait(timeout=120)
    pool.on_stop()
    assert seen == ["counted", "woken"]


def test_connection_when_the_broker_is_away_then_retried_without_end(monkeypatch):
    waits: list[float] = []

    def connect(self: object, errback: object, max_retries: int | None, **given: float) -> None:
        waits.append(given["interval_max"])
        assert max_retries is None

    monkeypatch.setattr(PatientConnection, "_ensure_connection", connect)
    for connection in (app.connection_for_read(), app.connection_for_write()):
        connection.ensure_connection(None, app.conf.broker_connection_max_retries, callback=None)
    assert waits == [3, 3]


def test_tasks_when_scheduled_then_a_worker_looks_for_them():
    scheduled = {entry["task"].rpartition(".tasks.")[0] for entry in task_settings.beat_schedule.values()}
    assert scheduled <= set(TASK_PACKAGES)


def test_beat_when_it_ticks_then_often_and_without_an_expiry():
    """An expiry compares two clocks: a worker ten seconds ahead of beat discarded every tick."""
    assert {entry["task"] for entry in app.conf.beat_schedule.values()} == set(task_settings.INTERVALS)
    for entry in app.conf.beat_schedule.values():
        every = entry["schedule"].run_every.total_seconds()
        assert every == min(task_settings.INTERVALS[entry["task"]], 60), entry
        assert "options" not in entry
    assert app.conf.beat_scheduler == "celery.beat:Scheduler"


def test_beat_when_the_clock_is_set_back_then_it_goes_on_ticking(monkeypatch):
    tick = app.conf.beat_schedule["submit-orders"]["schedule"]
    before = tick.now()
    passed = time.monotonic() + 3
    monkeypatch.setattr(time, "time", lambda: 0.0)
    monkeypatch.setattr(time, "monotonic", lambda: passed)
    assert tick.is_due(before)[0]


def test_hint_when_sent_then_with_its_time_and_no_expiry(monkeypatch):
    sent: list[dict[str, object]] = []
    monkeypatch.setattr(task_hints, "current_app", SimpleNamespace(send_task=lambda task, **given: sent.append(given)))
    task_hints._send("orders.tasks.submit_orders")
    assert set(sent[0]) == {"headers", "retry"}
    assert set(sent[0]["headers"]) == {"hinted_at"}


def test_tasks_when_they_send_others_then_only_with_a_time():
    found = set()
    for path in (path for folder in (*DOMAIN, "panel") for path in modules(folder)):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                assert node.func.attr not in ("delay", "delay_on_commit", "apply_async_on_commit"), path
                if node.func.attr in ("apply_async", "send_task"):
                    found.add(path.name)
                    given = {keyword.arg for keyword in node.keywords}
                    assert "headers" in given and "expires" not in given, (path, node.lineno)
    assert found == {"task_hints.py"}
