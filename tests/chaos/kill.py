"""Real Celery workers, killed about every second while customers order and 40 of 100 `add` calls meet a fault."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import Any

from orders.models import Order
from panel.sandbox.server import SandboxServer
from panel.site import registry as site
from tests import make
from tests.chaos import product
from tests.chaos.children import Children
from tests.chaos.crew import Crew
from tests.chaos.figures import Figures
from tests.chaos.matrix import doubts_of
from tests.chaos.surroundings import flush
from tests.chaos.truth import audit, audit_ledger, audit_request_ids
from tests.chaos.upstream import RandomFaults, sandbox, truth_of

# Orders that wait in the queue at most: enough to keep every provider busy.
MAX_WAITING = 30

# Quantities that many orders share.
_POPULAR = (100, 500, 1000)
# Time between two flushes of Redis, and between two actions of the owner.
_FLUSH_SECONDS = 3.0
_OWNER_SECONDS = 0.5
# How long the queue may take to drain, and how long the number of doubts must stay the same to be final.
_DRAIN_SECONDS = 600.0
_STABLE_SECONDS = 4.0


def run(*, children: Children, redis_url: str, orders: int, seed: int, kill_seconds: float) -> Figures:
    """Create `orders` orders under faults and kills until each was sent once; then drain the queue and audit."""
    began = time.monotonic()
    kill_run = _KillRun(children, redis_url, orders, seed, kill_seconds)
    try:
        kill_run.open()
        kill_run.disturb()
        kill_run.drain()
    finally:
        kill_run.crew.stop()
        try:
            kill_run.audit()
        finally:
            for server in kill_run.servers.values():
                server.close()
    kill_run.figures.add("seconds", round(time.monotonic() - began))
    return kill_run.figures


class _KillRun:
    """Three providers, four customers, the crew of workers, and everything that disturbs them."""

    def __init__(self, children: Children, redis_url: str, orders: int, seed: int, kill_seconds: float) -> None:
        self.redis_url, self.wanted, self.kill_seconds = redis_url, orders, kill_seconds
        self.draw = random.Random(seed)
        self.figures = Figures()
        self.crew = Crew(children, has_broker=bool(redis_url))
        self.faults = [RandomFaults(site.UPSTREAM_ADD_TIMEOUT.value, seed=f"{seed}/{number}") for number in range(3)]
        self.servers: dict[int, SandboxServer] = {}
        self.services: list[Any] = []
        self.created = 0

    @property
    def _orders(self) -> Any:
        return Order.objects.filter(provider__in=self.servers)

    def open(self) -> None:
        """Create one provider with request ids and two without, one of which takes three `add` calls in parallel."""
        self.customers = [make.customer(f"kill-{number}@example.org", funds="100000") for number in range(4)]
        for number, faults in enumerate(self.faults):
            faults.calm = True
            server = sandbox(faults, request_ids=number == 0, speed=1).start()
            provider = make.provider(
                url=server.url,
                api_key=server.key,
                name=f"kill {number}",
                request_id_parameter="" if number else "request_id",
                max_parallel_adds=3 if number == 2 else 1,
            )
            self.servers[provider.pk] = server
            self.services.append(make.service(provider))
            for _ in range(3):
                self._order(self.services[-1])
                product.submit_for(provider)
                server.skip_order_ids(3)  # Orders of the provider's other customers.
            faults.calm = False
            faults.met_add.clear()
        self.crew.start()

    def _order(self, service: Any) -> None:
        """Create an order. Some quantities recur, so that orders in doubt look alike."""
        quantity = self.draw.choice(_POPULAR) if self.draw.random() < 0.3 else self.draw.randrange(20, 3000)
        link = f"https://example.com/kill/{self.created}"
        make.order(self.draw.choice(self.customers), service, quantity=quantity, link=link)
        self.created += 1

    def disturb(self) -> None:
        """Let customers order and the owner resume providers, while workers are killed and Redis is flushed."""
        every = _Schedule()
        limit = time.monotonic() + 600 + self.wanted * 2
        while self.created < self.wanted or self._orders.filter(submission="queued", attempts=0).exists():
            if time.monotonic() > limit:
                self.figures.problem("other problems", "the workers do not keep up")
                return
            if every(_OWNER_SECONDS, self._act_as_owner):
                self._create_orders()
            if self._has_begun():
                every(self.draw.expovariate(1 / self.kill_seconds), self._kill)
            if self.redis_url:
                every(_FLUSH_SECONDS, self._flush)
            time.sleep(0.02)

    def drain(self) -> None:
        """Stop faults and kills, wait until no order changes any more, then leave the remaining doubts to staff."""
        for faults in self.faults:
            faults.calm = True
        self._wait_until(self._is_stable, "the queue did not drain")
        product.give_up()

    def audit(self) -> None:
        """Compare all orders with the providers, while they run and after they have ended, and count figures."""
        for faults in self.faults:
            faults.wait_until_quiet()
        truth = truth_of(self.servers)
        audit(self.figures, self._orders, truth, where="kill:")
        for server in self.servers.values():
            server.advance(3600)
        for _ in range(3):
            product.sweep()
        audit(self.figures, self._orders, truth_of(self.servers), where="kill, ended:", ended=True)
        audit_ledger(self.figures, where="kill:")
        audit_request_ids(self.figures, self.services[0].upstream.provider, where="kill: the first provider")
        self._count()

    def _act_as_owner(self) -> None:
        """Resume providers and end all waits, as the owner and time would."""
        for server in self.servers.values():
            server.skip_order_ids(1)  # An order of the provider's other customers.
        product.resume_providers()
        product.end_waits()

    def _create_orders(self) -> None:
        """Fill the queue up to MAX_WAITING orders."""
        waiting = self._orders.filter(submission="queued", review_reason="").count()
        for _ in range(min(MAX_WAITING - waiting, self.wanted - self.created)):
            self._order(self.draw.choice(self.services))

    def _has_begun(self) -> bool:
        """Return whether the workers have begun: killing them before that only makes the run longer."""
        return self.crew.figures["kills"] > 0 or any(faults.met_add.is_set() for faults in self.faults)

    def _kill(self) -> None:
        """Kill one of the crew: every other time, right after a provider received an `add` call."""
        if self.draw.random() < 0.5:
            met = self.draw.choice(self.faults).met_add
            met.clear()
            met.wait(0.5)
            time.sleep(self.draw.uniform(0, 0.03))
        self.crew.kill_one(self.draw)

    def _flush(self) -> None:
        flush(self.redis_url)
        self.figures.add("Redis flushed")

    def _unfinished(self) -> Any:
        """Return the orders that a task will still work on."""
        return self._orders.filter(submission__in=("queued", "placing", "in_doubt"), review_reason="")

    def _is_stable(self) -> bool:
        """Return whether only doubts are left that repeated reconciling does not resolve."""
        if self._orders.filter(submission__in=("queued", "placing"), review_reason="").exists():
            return False
        doubts = self._unfinished().count()
        until = time.monotonic() + _STABLE_SECONDS
        while doubts and time.monotonic() < until:
            self._act_as_owner()
            time.sleep(_OWNER_SECONDS)
            if self._unfinished().count() != doubts:
                return False
        return True

    def _wait_until(self, done: Callable[[], bool], problem: str) -> None:
        limit = time.monotonic() + _DRAIN_SECONDS
        while not done():
            if time.monotonic() > limit:
                self.figures.problem("other problems", problem)
                return
            self._act_as_owner()
            time.sleep(_OWNER_SECONDS)

    def _count(self) -> None:
        figures = self.figures
        figures.add("orders created", self.created)
        for server, faults in zip(self.servers.values(), self.faults, strict=True):
            figures.add("add calls received", len(server.requests_of("add")))
            figures.faults.update(faults.struck)
        figures.counts.update(self.crew.figures)
        for name, amount in doubts_of(self._orders, truth_of(self.servers)):
            figures.add(name, amount)
        for name, amount in self.crew.errors().items():
            figures.add(f"logged: {name}", amount)


class _Schedule:
    """Runs functions at intervals. A call returns whether the function was due and has run."""

    def __init__(self) -> None:
        self._next: dict[Any, float] = {}

    def __call__(self, seconds: float, work: Callable[[], None]) -> bool:
        now = time.monotonic()
        if now < self._next.get(work, 0):
            return False
        work()
        self._next[work] = now + seconds
        return True
