"""Outages of Redis with real workers under load: the workers survive, and submit orders again within seconds."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from celery import current_app
from kombu import Connection

from panel.task_settings import worker_concurrency
from tests.chain.panel import Panel
from tests.chain.processes import MAX_SECONDS, Process
from tests.outages.broker import Broker
from tests.outages.installation import MAX_RECOVERY_SECONDS, Installation

OUTAGES: dict[str, Callable[[Broker], None]] = {
    "killed for 3 s": lambda broker: broker.restart_after(3),
    "hung for 8 s": lambda broker: broker.hang(8),
    "emptied": lambda broker: broker.flush(),
    "replaced": lambda broker: broker.restart_after(0),
    "killed for 12 s": lambda broker: broker.restart_after(12),
    "refusing for 5 s": lambda broker: broker.refuse(5),
}
# How often the proof repeats all outages.
ROUNDS = 3

needs_redis_server = pytest.mark.skipif(shutil.which("redis-server") is None, reason="needs redis-server")


@pytest.fixture
def installation(tmp_path: Any) -> Iterator[Installation]:
    with ExitStack() as closing:
        installation = Installation(tmp_path, closing)
        installation.start_load()
        installation.seconds_until_recovered()
        yield installation


@pytest.mark.redis
def test_redis_when_killed_then_workers_survive_and_submit(installation):
    """Takes half a minute: tasks must end while Redis is away, which used to end every worker.

    The proof has the other outages. No times are asserted here, where other tests use the machine as well.
    """
    installation.keep_busy()
    installation.broker.restart_after(12)
    installation.seconds_until_recovered()
    installation.end_load()
    installation.wait_until_all_is_sent()


@pytest.mark.proof
@needs_redis_server
def test_redis_when_lost_repeatedly_then_workers_recover_in_time(installation):
    longest: dict[str, float] = {"an order sent": 0, "all workers busy": 0, "all orders sent": 0}
    for number in range(ROUNDS):
        for name, outage in OUTAGES.items():
            installation.keep_busy()
            outage(installation.broker)
            sent, all_busy = installation.seconds_until_recovered()
            took = {"an order sent": sent, "all workers busy": all_busy}
            took["all orders sent"] = all_busy + installation.seconds_until_caught_up()
            longest = {what: max(seconds, took[what]) for what, seconds in longest.items()}
            print(
                f"{number + 1}. {name}: " + ", ".join(f"{what} after {took[what]:.1f} s" for what in took), flush=True
            )
            assert max(sent, all_busy) < MAX_RECOVERY_SECONDS, name
    print(f"The longest: {_told(longest)}")
    installation.end_load()
    installation.wait_until_all_is_sent()


def _told(took: dict[str, float]) -> str:
    return ", ".join(f"{what} after {seconds:.1f} s" for what, seconds in took.items())


@pytest.mark.proof
@needs_redis_server
def test_worker_when_all_its_threads_block_then_hoards_no_hints(tmp_path):
    with ExitStack() as closing:
        broker = Broker(tmp_path)
        closing.callback(broker.close)
        panel = Panel("blocked", folder=tmp_path, cache=13, CELERY_BROKER_URL=broker.url)
        closing.callback(panel.close)
        prefix = panel.environment["PANEL_PREFIX"]
        connection = Connection(broker.url, transport_options={"global_keyprefix": f"{prefix}:"})
        closing.callback(connection.release)

        def start(name: str) -> Process:
            celery = (sys.executable, "-m", "celery", "-A", "tests.outages.blocked", "worker", "-n", name)
            worker = Process(name, *celery, folder=tmp_path, environment=panel.environment)
            closing.callback(worker.close)
            return worker

        def send(task: str, count: int) -> None:
            for number in range(count):
                options = {"args": [str(tmp_path), number], "expires": 600, "connection": connection}
                current_app.send_task(f"tests.outages.{task}", **options)

        blocked = start("blocked")
        send("block", worker_concurrency)
        _wait_for(tmp_path, "blocked-*", worker_concurrency, blocked)
        send("note", 20)
        time.sleep(3)  # It would read them now.
        assert broker.waiting(prefix) == 20
        _wait_for(tmp_path, "note-*@free", 20, start("note@free"))
        assert blocked.exit_code is None
        (tmp_path / "go").touch()


def _wait_for(folder: Path, pattern: str, count: int, worker: Process) -> None:
    """Wait until there are as many files. Fail if the worker exits, or after MAX_SECONDS."""
    deadline = time.monotonic() + MAX_SECONDS
    while len(list(folder.glob(pattern))) < count:
        assert worker.exit_code is None and time.monotonic() < deadline, worker.printed()
        time.sleep(0.1)
