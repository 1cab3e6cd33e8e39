"""A panel in production's shape: its site, four workers and a beat around one Redis, and customers who order."""

from __future__ import annotations

import itertools
import random
import sys
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from panel.sandbox.http import faults
from panel.sandbox.server import SandboxServer
from tests.chain.panel import Panel
from tests.chain.processes import Process
from tests.outages.broker import Broker

WORKERS = 4
# From the moment that Redis answers again until all is at work as if nothing had been.
MAX_SECONDS = 10

_SLOW_PROVIDERS, _ADD_SECONDS = 4, 0.4
_CUSTOMERS, _BETWEEN_ORDERS, _AT_ONCE = 2, 0.25, 4
_EMAIL = "outages@example.org"
_PATIENCE = 300


class Town:
    """Ends with `closing` whatever it started.

    The customers' orders go to providers that take their time: threads wait for an answer when Redis goes. One more
    provider is quick: no backlog of the outage is ahead of an order to it.
    """

    def __init__(self, folder: Path, closing: ExitStack) -> None:
        self.broker = Broker(folder)
        closing.callback(self.broker.close)
        self._upstreams = [closing.enter_context(_provider(number)) for number in range(_SLOW_PROVIDERS + 1)]
        self._quick, slow = self._upstreams[0], self._upstreams[1:]
        for upstream in slow:
            upstream.faults.inject(faults.delay_before(_ADD_SECONDS, "add", times=None))
        self.panel = Panel("outages", folder=folder, cache=13, CELERY_BROKER_URL=self.broker.url)
        closing.callback(self.panel.close)
        self._open()
        self.panel.serve()
        beat = ("beat", "--scheduler", "celery.beat:Scheduler", "--pidfile=")
        self.processes: list[Process] = []
        self.workers = [self._start(f"worker-{n}", "worker", "-n", f"worker-{n}@outages") for n in range(WORKERS)]
        self._start("beat", *beat)
        for process in self.processes:
            closing.callback(process.close)
        self.panel.wait()
        self._numbers = itertools.count(1)
        self._asked: list[str] = []
        self._closing_time = threading.Event()
        self._customers = [threading.Thread(target=self._be_customer, daemon=True) for _ in range(_CUSTOMERS)]
        closing.callback(self.end_load)

    def _open(self) -> None:
        self.panel.start_worker()
        self.panel.do("migrate")
        for number, upstream in enumerate(self._upstreams):
            self.panel.do("connect", name=f"Sandbox {number}", url=upstream.url, api_key=upstream.key)
        self.panel.run("sync_catalog")
        self._quick_service, *self._slow_services = [one["pk"] for one in self.panel.do("catalog")]
        self.panel.do("make_customer", email=_EMAIL, funds="100000")
        self._secret = self.panel.do("make_key", email=_EMAIL, name="Shop")["secret"]

    def _start(self, name: str, *command: str) -> Process:
        celery = (sys.executable, "-m", "celery", "-A", "panel", *command, "--loglevel", "INFO")
        process = Process(name, *celery, folder=self.panel.folder, environment=self.panel.environment)
        self.processes.append(process)
        return process

    # -- its customers -------------------------------------------------------------------------------

    def start_load(self) -> None:
        for customer in self._customers:
            customer.start()

    def end_load(self) -> None:
        self._closing_time.set()
        for customer in self._customers:
            if customer.ident:
                customer.join()

    def keep_busy(self) -> None:
        """So many orders at once that the tasks that send them last for more than a second from now."""
        for service in self._slow_services * _AT_ONCE:
            self._order(service)

    def _be_customer(self) -> None:
        while not self._closing_time.wait(_BETWEEN_ORDERS):
            self._order(random.choice(self._slow_services))

    def _order(self, service: int) -> str:
        """The link of a new order."""
        link = f"https://example.com/outages/{next(self._numbers)}"
        answer = self.panel.api(self._secret, "add", service=service, link=link, quantity=100)
        assert list(answer) == ["order"], answer
        self._asked.append(link)
        return link

    # -- what comes of it ----------------------------------------------------------------------------

    def seconds_until_at_work(self) -> tuple[float, float]:
        """Until a new order is with its provider, and until every worker has taken a message since now."""
        began, logs = time.monotonic(), {worker: worker.log.stat().st_size for worker in self.workers}
        link = self._order(self._quick_service)
        self.wait_until(lambda: any(order.link == link for order in self._quick.orders()))
        sent = time.monotonic() - began
        self.wait_until(lambda: all("received" in worker.log.read_text()[log:] for worker, log in logs.items()))
        return sent, time.monotonic() - began

    def wait_until(self, done: Callable[[], bool]) -> None:
        """Fails at once where a worker or beat has ended."""
        deadline = time.monotonic() + _PATIENCE
        while not (self.all_live() and done()):
            assert time.monotonic() < deadline, self._last_words()
            time.sleep(0.05)

    def all_live(self) -> bool:
        ended = {one.name: one.exit_code for one in self.processes if one.exit_code is not None}
        assert not ended, (ended, self._last_words())
        return True

    def wait_until_all_is_sent(self) -> None:
        """Each order that was ever asked for, and each once."""
        self.wait_until(lambda: len(self._sent()) >= len(self._asked))
        assert sorted(self._sent()) == sorted(self._asked)

    def _sent(self) -> list[str]:
        return [order.link for upstream in self._upstreams for order in upstream.orders()]

    def _last_words(self) -> str:
        return "\n".join(f"{process.name}: {process.printed()[-1_000:]}" for process in self.processes)


def _provider(number: int) -> SandboxServer:
    made = SandboxServer(key=f"outages-key-{number}", speed=0, balance="1000000", services=1)
    made.set_service(1, rate="2", min=10, max=10_000, type="Default")
    return made
