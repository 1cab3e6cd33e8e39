"""A panel as in production: site, two workers and beat around one Redis, and customers who order."""

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

WORKERS = 2
# From the moment that Redis answers again until an order is sent and every worker has a task.
MAX_RECOVERY_SECONDS = 10

_SLOW_PROVIDERS, _ADD_SECONDS = 4, 0.4
_CUSTOMERS, _SECONDS_BETWEEN_ORDERS, _BURST = 2, 0.5, 4
_EMAIL = "outages@example.org"
# An outage that is not over by then fails the test.
_MAX_WAIT_SECONDS = 300


class Installation:
    """Runs the processes and the customers; `closing` ends all of them.

    Most orders go to slow providers, so that threads wait for answers when the outage begins. One more provider is
    fast: an order to it has no backlog of the outage ahead of it.
    """

    def __init__(self, folder: Path, closing: ExitStack) -> None:
        self.broker = Broker(folder)
        closing.callback(self.broker.close)
        self._upstreams = [closing.enter_context(_provider(number)) for number in range(_SLOW_PROVIDERS + 1)]
        self._fast, slow = self._upstreams[0], self._upstreams[1:]
        for upstream in slow:
            upstream.faults.inject(faults.delay_before(_ADD_SECONDS, "add", times=None))
        self.panel = Panel("outages", folder=folder, cache=13, CELERY_BROKER_URL=self.broker.url)
        closing.callback(self.panel.close)
        self._set_up()
        self.panel.serve()
        beat = ("beat", "--scheduler", "celery.beat:Scheduler", "--pidfile=")
        self.processes: list[Process] = []
        self.workers = [self._start(f"worker-{n}", "worker", "-n", f"worker-{n}@outages") for n in range(WORKERS)]
        self._start("beat", *beat)
        for process in self.processes:
            closing.callback(process.close)
        self.panel.wait()
        self._numbers = itertools.count(1)
        self._created: list[str] = []
        self._stopping = threading.Event()
        self._customers = [threading.Thread(target=self._order_repeatedly, daemon=True) for _ in range(_CUSTOMERS)]
        closing.callback(self.end_load)

    def _set_up(self) -> None:
        """Migrate, connect the providers, import their lists, and create the customer with an API key."""
        self.panel.start_worker()
        self.panel.do("migrate")
        for number, upstream in enumerate(self._upstreams):
            self.panel.do("connect", name=f"Sandbox {number}", url=upstream.url, api_key=upstream.key)
        self.panel.run("sync_catalog")
        self._fast_service, *self._slow_services = [one["pk"] for one in self.panel.do("catalog")]
        self.panel.do("make_customer", email=_EMAIL, funds="100000")
        self._secret = self.panel.do("make_key", email=_EMAIL, name="Shop")["secret"]

    def _start(self, name: str, *command: str) -> Process:
        celery = (sys.executable, "-m", "celery", "-A", "panel", *command, "--loglevel", "INFO")
        process = Process(name, *celery, folder=self.panel.folder, environment=self.panel.environment)
        self.processes.append(process)
        return process

    # -- customers ------------------------------------------------------------------------------------

    def start_load(self) -> None:
        """Start the customers, who order until end_load()."""
        for customer in self._customers:
            customer.start()

    def end_load(self) -> None:
        self._stopping.set()
        for customer in self._customers:
            if customer.ident:
                customer.join()

    def keep_busy(self) -> None:
        """Create so many orders that the tasks that submit them run for more than a second."""
        for service in self._slow_services * _BURST:
            self._order(service)

    def _order_repeatedly(self) -> None:
        while not self._stopping.wait(_SECONDS_BETWEEN_ORDERS):
            self._order(random.choice(self._slow_services))

    def _order(self, service: int) -> str:
        """Create an order and return its link."""
        link = f"https://example.com/outages/{next(self._numbers)}"
        answer = self.panel.api(self._secret, "add", service=service, link=link, quantity=100)
        assert list(answer) == ["order"], answer
        self._created.append(link)
        return link

    # -- results --------------------------------------------------------------------------------------

    def seconds_until_recovered(self) -> tuple[float, float]:
        """Return the seconds until a new order reaches its provider, and until every worker has received a message."""
        began, offsets = time.monotonic(), {worker: worker.log.stat().st_size for worker in self.workers}
        link = self._order(self._fast_service)
        self.wait_until(lambda: any(order.link == link for order in self._fast.orders()))
        sent = time.monotonic() - began
        self.wait_until(
            lambda: all("received" in worker.log.read_text()[offset:] for worker, offset in offsets.items())
        )
        return sent, time.monotonic() - began

    def wait_until(self, done: Callable[[], bool]) -> None:
        """Wait until `done()`; fail at once if a worker or beat has exited."""
        deadline = time.monotonic() + _MAX_WAIT_SECONDS
        while not (self.check_all_live() and done()):
            assert time.monotonic() < deadline, self._recent_output()
            time.sleep(0.05)

    def check_all_live(self) -> bool:
        """Return True; fail if a process has exited."""
        ended = {one.name: one.exit_code for one in self.processes if one.exit_code is not None}
        assert not ended, (ended, self._recent_output())
        return True

    def seconds_until_caught_up(self) -> float:
        """Return the seconds until every order that exists now is sent. Customers go on ordering."""
        began, created = time.monotonic(), set(self._created)
        self.wait_until(lambda: created <= set(self._sent()))
        return time.monotonic() - began

    def wait_until_all_is_sent(self) -> None:
        """Wait until every order is sent, and check that each was sent once."""
        self.wait_until(lambda: len(self._sent()) >= len(self._created))
        assert sorted(self._sent()) == sorted(self._created)

    def _sent(self) -> list[str]:
        return [order.link for upstream in self._upstreams for order in upstream.orders()]

    def _recent_output(self) -> str:
        return "\n".join(f"{process.name}: {process.printed()[-1_000:]}" for process in self.processes)


def _provider(number: int) -> SandboxServer:
    server = SandboxServer(key=f"outages-key-{number}", speed=0, balance="1000000", services=1)
    server.set_service(1, rate="2", min=10, max=10_000, type="Default")
    return server
