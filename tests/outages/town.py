"""A panel in production's shape: its site, four workers and a beat around one Redis, and customers who order."""

from __future__ import annotations

import itertools
import re
import sys
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from http.client import HTTPException
from pathlib import Path
from typing import Any

from panel.sandbox import faults
from panel.sandbox.server import SandboxServer
from tests.chain.panel import Panel
from tests.chain.processes import PATIENCE, Process
from tests.outages.broker import Broker

WORKERS, PROVIDERS = 4, 4
CUSTOMERS = 2
_EMAIL = "outages@example.org"
_BETWEEN_ORDERS = 0.25
_ADD_SECONDS = 0.4
_DONE = re.compile(r"orders\.tasks\.\w+\[[^]]+\] received")


class Town:
    """Closes what it started with `closing`. `pace` is how many seconds a customer waits between orders."""

    def __init__(self, folder: Path, closing: ExitStack) -> None:
        self.broker = Broker(folder)
        closing.callback(self.broker.close)
        self.upstreams = [closing.enter_context(_slow_provider(number)) for number in range(PROVIDERS)]
        self.panel = Panel("outages", folder=folder, cache=13, CELERY_BROKER_URL=self.broker.url)
        closing.callback(self.panel.close)
        self.panel.start_worker()
        self.panel.do("migrate")
        for number, upstream in enumerate(self.upstreams):
            self.panel.do("connect", name=f"Sandbox {number}", url=upstream.url, api_key=upstream.key)
        self.panel.run("sync_catalog")
        self.services = [one["pk"] for one in self.panel.do("catalog")]
        self.panel.do("make_customer", email=_EMAIL, funds="100000")
        self.secret = self.panel.do("make_key", email=_EMAIL, name="Shop")["secret"]
        self.panel.serve()
        worker = ("worker", "--loglevel", "INFO")
        self.workers = [self._celery(f"worker-{n}", *worker, "--hostname", f"worker-{n}@outages") for n in range(WORKERS)]
        beat = ("beat", "--scheduler", "celery.beat:Scheduler", "--pidfile=", "--loglevel", "WARNING")
        self.beat = self._celery("beat", *beat)
        for process in self.processes:
            closing.callback(process.close)
        self.panel.wait()
        self.asked: list[str] = []
        self._numbers = itertools.count(1)
        self._closing_time = threading.Event()
        self._customers = [threading.Thread(target=self._be_customer, daemon=True) for _ in range(CUSTOMERS)]
        closing.callback(self.end_load)

    @property
    def processes(self) -> list[Process]:
        return [*self.workers, self.beat]

    def _celery(self, name: str, *command: str) -> Process:
        celery = (sys.executable, "-m", "celery", "-A", "panel", *command)
        return Process(name, *celery, folder=self.panel.folder, environment=self.panel.environment)

    # -- what its customers do -----------------------------------------------------------------------

    def start_load(self) -> None:
        for customer in self._customers:
            customer.start()

    def end_load(self) -> None:
        self._closing_time.set()
        for customer in self._customers:
            if customer.ident:
                customer.join()

    def order(self) -> str:
        """The link of a new order."""
        number = next(self._numbers)
        link = f"https://example.com/outages/{number}"
        service = self.services[number % len(self.services)]
        answer = self.panel.api(self.secret, "add", service=service, link=link, quantity=100)
        assert list(answer) == ["order"], answer
        self.asked.append(link)
        return link

    def _be_customer(self) -> None:
        while not self._closing_time.wait(_BETWEEN_ORDERS):
            self.order()

    # -- what came of it -----------------------------------------------------------------------------

    @property
    def dead(self) -> dict[str, int]:
        """Exit codes by name."""
        codes = {process.name: process.exit_code for process in self.processes}
        return {name: code for name, code in codes.items() if code is not None}

    @property
    def sent(self) -> list[str]:
        """The links that the providers got, as often as they got them."""
        return [order.link for upstream in self.upstreams for order in upstream.orders()]

    def seconds_until(self, done: Callable[[], bool], *, limit: float = PATIENCE) -> float:
        began = time.monotonic()
        while not done():
            assert time.monotonic() - began < limit, "it never came"
            time.sleep(0.05)
        return time.monotonic() - began

    def marks(self) -> list[int]:
        return [process.log.stat().st_size for process in self.workers]

    def at_work_since(self, marks: list[int]) -> int:
        return sum(bool(_DONE.search(w.log.read_text()[mark:])) for w, mark in zip(self.workers, marks, strict=True))


def _slow_provider(number: int) -> SandboxServer:
    """So slow that in every worker some thread waits for an answer at any time, also when Redis goes."""
    made = SandboxServer(key=f"outages-key-{number}", speed=0, balance="1000000", services=1)
    made.set_service(1, rate="2", min=10, max=10_000, type="Default")
    made.faults.inject(faults.delay_before(_ADD_SECONDS, "add", times=None))
    return made
