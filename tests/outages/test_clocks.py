"""Workers whose clock is wrong, in real processes: nothing is lost or refunded, and once it is right they go on."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from panel.sandbox.server import SandboxServer
from tests.chain.panel import Panel
from tests.chain.processes import Process
from tests.outages.broker import Broker

EMAIL = "clocks@example.org"
# What `faketime` preloads; the variant is for programs with threads.
LIBRARIES = sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))
ON_POSTGRESQL = os.environ.get("DATABASE_URL", "").startswith("postgres")
# Offsets of a worker's clock, and how `/healthz` calls them. The last is longer than orders may wait.
WRONG = {"+10s": "10 s ahead of", "-5m": "5 min behind", "+25h": "25 h ahead of"}
# Ticks that a worker ignores before that is believed.
TICKS = 5
MAX_WAIT_SECONDS = 60

pytestmark = [
    pytest.mark.proof,
    pytest.mark.skipif(not LIBRARIES, reason="needs libfaketime (apt-get install faketime)"),
    pytest.mark.skipif(shutil.which("redis-server") is None, reason="needs redis-server"),
]


class Shop:
    """A panel with its site, and one provider. Workers are started with any clock."""

    def __init__(self, folder: Path, closing: ExitStack) -> None:
        self._closing = closing
        self.broker = Broker(folder)
        closing.callback(self.broker.close)
        self.upstream = closing.enter_context(SandboxServer(key="clocks", speed=0, balance="1000", services=1))
        self.upstream.set_service(1, rate="2", min=10, max=10_000, type="Default")
        # A cache of its own, in which no earlier panel left a mark of what it sent.
        servers = {"CELERY_BROKER_URL": self.broker.url, "CACHE_URL": f"rediscache://127.0.0.1:{self.broker.port}/1"}
        self.panel = Panel("clocks", folder=folder, cache=0, **servers)
        closing.callback(self.panel.close)
        self.panel.start_worker()
        self.panel.do("migrate")
        self.panel.do("connect", name="Sandbox", url=self.upstream.url, api_key=self.upstream.key)
        self.panel.run("sync_catalog")
        [self.service] = [one["pk"] for one in self.panel.do("catalog")]
        self.panel.do("make_customer", email=EMAIL, funds="1000")
        self._secret = self.panel.do("make_key", email=EMAIL, name="Shop")["secret"]
        self.panel.serve()
        self.panel.wait()

    def start(self, name: str, *command: str, clock: str = "") -> Process:
        """Start `celery` with these arguments and this offset of its clock."""
        environment = dict(self.panel.environment)
        if clock:
            environment |= {"FAKETIME": clock, "LD_PRELOAD": str(LIBRARIES[0])}
        if clock and command[0] == "worker":
            # Locks with a timeout compare the real monotonic clock. Beat only sleeps, which needs the other one.
            environment |= {"FAKETIME_DONT_FAKE_MONOTONIC": "1", "DONT_FAKE_MONOTONIC": "1"}
        celery = (sys.executable, "-m", "celery", "-A", "panel", *command, "--loglevel", "INFO")
        process = Process(name, *celery, folder=self.panel.folder, environment=environment)
        self._closing.callback(process.close)
        return process

    def start_worker(self, name: str, clock: str = "") -> Process:
        return self.start(name, "worker", "-n", f"{name}@clocks", clock=clock)

    def order(self, number: int) -> None:
        link = f"https://example.com/clocks/{number}"
        answer = self.panel.api(self._secret, "add", service=self.service, link=link, quantity=100)
        assert list(answer) == ["order"], answer

    def health(self) -> dict[str, str]:
        connection = http.client.HTTPConnection("127.0.0.1", self.panel.port())
        try:
            connection.request("GET", "/healthz")
            return json.loads(connection.getresponse().read())
        finally:
            connection.close()

    def submissions(self) -> list[str]:
        return [order["placement"] for order in self.panel.do("orders")]

    def kinds(self) -> list[str]:
        """Return the kinds of the customer's entries, oldest first."""
        return [kind for kind, _ in self.panel.do("money", email=EMAIL)["entries"]]


@pytest.fixture
def shop(tmp_path: Any) -> Iterator[Shop]:
    with ExitStack() as closing:
        yield Shop(tmp_path, closing)


def wait_until(done: Callable[[], Any], *processes: Process) -> None:
    deadline = time.monotonic() + MAX_WAIT_SECONDS
    while not done():
        is_alive = all(process.exit_code is None for process in processes)
        assert is_alive and time.monotonic() < deadline, [process.printed() for process in processes]
        time.sleep(0.1)


def ticks(worker: Process) -> int:
    return worker.log.read_text().count("Task orders.tasks.submit_orders[")


@pytest.mark.skipif(not ON_POSTGRESQL, reason="needs a database with a clock of its own: PostgreSQL")
def test_clocks_when_wrong_then_nothing_lost_and_worked_once_right(shop):
    beat = shop.start("beat", "beat", "--pidfile=")
    # With the right clock first, so that what was sent last is known.
    worker = shop.start_worker("first")
    shop.order(0)
    wait_until(lambda: shop.submissions() == ["placed"], worker)
    worker.close()
    for number, (clock, words) in enumerate(WRONG.items(), start=1):
        shop.order(number)
        worker = shop.start_worker(f"worker{number}", clock)
        wait_until(lambda worker=worker: ticks(worker) >= TICKS, worker)
        assert shop.health()["clocks"] == f"wrong: a worker is {words} the database"
        assert [cause for cause in shop.panel.do("alerts") if cause.startswith("clock:")]
        worker.close()
        assert shop.submissions() == ["placed", *["queued"] * number]
        assert (len(shop.upstream.orders()), shop.kinds()) == (1, ["deposit", "order", *["order"] * number])
    worker = shop.start_worker("right")
    wait_until(lambda: shop.submissions() == ["placed"] * (1 + len(WRONG)), worker)
    assert shop.health()["clocks"] == "ok"
    # A beat with a wrong clock wakes workers like any other.
    for number, clock in enumerate(WRONG, start=len(WRONG) + 1):
        beat.close()
        beat = shop.start(f"beat{number}", "beat", "--pidfile=", clock=clock)
        before = ticks(worker)
        shop.order(number)
        wait_until(lambda before=before: ticks(worker) >= before + TICKS, worker, beat)
    wait_until(lambda: shop.submissions() == ["placed"] * (1 + 2 * len(WRONG)), worker)
    assert not [cause for cause in shop.panel.do("alerts") if cause.startswith("clock")]
    assert (len(shop.upstream.orders()), "refund" in shop.kinds()) == (1 + 2 * len(WRONG), False)


@pytest.mark.skipif(ON_POSTGRESQL, reason="only on SQLite do all processes share one clock")
def test_shared_clock_when_a_day_ahead_then_nothing_refunded(shop):
    """The provider is out of money, so that orders wait; each process of the panel gets the wrong clock."""
    beat, worker = shop.start("beat", "beat", "--pidfile="), shop.start_worker("first")
    shop.upstream.set_balance("0.01")
    for number in range(8):
        shop.order(number)
    wait_until(lambda: ticks(worker) >= TICKS, worker, beat)
    worker.close()
    worker = shop.start_worker("ahead", "+25h")
    wait_until(lambda: "clock-jump" in shop.panel.do("alerts") and ticks(worker) >= TICKS, worker, beat)
    worker.close()
    assert (shop.submissions(), shop.kinds()) == (["queued"] * 8, ["deposit", *["order"] * 8])
    # The clock is set back: nothing waits for tomorrow, such as the end of the provider's pause.
    shop.upstream.set_balance("1000")
    worker = shop.start_worker("right")
    wait_until(lambda: shop.submissions() == ["placed"] * 8, worker, beat)
    assert "refund" not in shop.kinds()
