"""Real Celery workers, killed about every second while customers order and 40 of 100 adds meet a fault."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import Any

from django.conf import settings

from orders.models import Order
from panel.sandbox.server import SandboxServer
from tests import make
from tests.chaos import product
from tests.chaos.children import Children
from tests.chaos.crew import Crew
from tests.chaos.figures import Figures
from tests.chaos.matrix import doubts_of
from tests.chaos.surroundings import flush
from tests.chaos.truth import audit, audit_books, audit_promise
from tests.chaos.upstream import RandomFaults, sandbox, truth_of

# Orders that are in the queue at once: enough to keep every provider busy.
MAX_WAITING = 30

_POPULAR = (100, 500, 1000)
_FLUSH_SECONDS = 3.0
_OWNER_SECONDS = 0.5
_DRAIN_SECONDS = 600.0
_STILL_SECONDS = 4.0


def run(*, children: Children, redis_url: str, orders: int, seed: int, kill_seconds: float) -> Figures:
    """Until `orders` were asked for and each was sent at least once; then it drains, and is judged."""
    began = time.monotonic()
    town = _Town(children, redis_url, orders, seed, kill_seconds)
    try:
        town.open()
        town.rage()
        town.drain()
    finally:
        town.crew.stop()
        try:
            town.judge()
        finally:
            for server in town.servers.values():
                server.close()
    town.figures.add("seconds", round(time.monotonic() - began))
    return town.figures


class _Town:
    """Three providers, a few customers, the crew, and whoever makes their life hard."""

    def __init__(self, children: Children, redis_url: str, orders: int, seed: int, kill_seconds: float) -> None:
        self.redis_url, self.wanted, self.kill_seconds = redis_url, orders, kill_seconds
        self.draw = random.Random(seed)
        self.figures = Figures()
        self.crew = Crew(children, has_broker=bool(redis_url))
        self.faults = [RandomFaults(settings.UPSTREAM_ADD_TIMEOUT, seed=f"{seed}/{number}") for number in range(3)]
        self.servers: dict[int, SandboxServer] = {}
        self.services: list[Any] = []
        self.asked = 0

    @property
    def mine(self) -> Any:
        return Order.objects.filter(provider__in=self.servers)

    def open(self) -> None:
        """One provider that knows request ids, two that do not; one of these takes three orders at a time."""
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
                self.order(self.services[-1])
                product.submit_for(provider)
                server.skip_order_ids(3)  # other customers of the provider
            faults.calm = False
            faults.met_add.clear()
        self.crew.start()

    def order(self, service: Any) -> None:
        """Some quantities are ordered again and again, so that doubtful orders look alike."""
        quantity = self.draw.choice(_POPULAR) if self.draw.random() < 0.3 else self.draw.randrange(20, 3000)
        link = f"https://example.com/kill/{self.asked}"
        make.order(self.draw.choice(self.customers), service, quantity=quantity, link=link)
        self.asked += 1

    def rage(self) -> None:
        """Customers order, the owner resumes, the killer kills, Redis forgets."""
        every = _Rhythm()
        limit = time.monotonic() + 600 + self.wanted * 2
        while self.asked < self.wanted or self.mine.filter(submission="queued", attempts=0).exists():
            if time.monotonic() > limit:
                self.figures.problem("other trouble", "the workers do not keep up")
                return
            if every(_OWNER_SECONDS, self._be_owner):
                self._ask()
            if self._at_work():
                every(self.draw.expovariate(1 / self.kill_seconds), self._kill)
            if self.redis_url:
                every(_FLUSH_SECONDS, self._flush)
            time.sleep(0.02)

    def drain(self) -> None:
        """No more faults and kills; until nothing moves any more, and then until all doubts are with staff."""
        for faults in self.faults:
            faults.calm = True
        self._wait_until(self._is_still, "the queue did not drain")
        product.give_up()

    def judge(self) -> None:
        for faults in self.faults:
            faults.wait_until_quiet()
        truth = truth_of(self.servers)
        audit(self.figures, self.mine, truth, where="kill:")
        for server in self.servers.values():
            server.advance(3600)
        for _ in range(3):
            product.sweep()
        audit(self.figures, self.mine, truth_of(self.servers), where="kill, ended:", ended=True)
        audit_books(self.figures, where="kill:")
        audit_promise(self.figures, self.services[0].upstream.provider, where="kill: the first provider was")
        self._count()

    def _be_owner(self) -> None:
        for server in self.servers.values():
            server.skip_order_ids(1)  # Other customers of theirs order too.
        product.resume_providers()
        product.end_waits()

    def _ask(self) -> None:
        waiting = self.mine.filter(submission="queued", review_reason="").count()
        for _ in range(min(MAX_WAITING - waiting, self.wanted - self.asked)):
            self.order(self.draw.choice(self.services))

    def _at_work(self) -> bool:
        """Whether the workers have begun: killing them before that only makes the run longer."""
        return self.crew.figures["kills"] > 0 or any(faults.met_add.is_set() for faults in self.faults)

    def _kill(self) -> None:
        """Every other time at the moment when a provider is being asked."""
        if self.draw.random() < 0.5:
            met = self.draw.choice(self.faults).met_add
            met.clear()
            met.wait(0.5)
            time.sleep(self.draw.uniform(0, 0.03))
        self.crew.kill_one(self.draw)

    def _flush(self) -> None:
        flush(self.redis_url)
        self.figures.add("Redis flushed")

    def _open(self) -> Any:
        return self.mine.filter(submission__in=("queued", "placing", "in_doubt"), review_reason="")

    def _is_still(self) -> bool:
        """Only doubts are left, and looking at them again and again brings nothing."""
        if self.mine.filter(submission__in=("queued", "placing"), review_reason="").exists():
            return False
        doubts = self._open().count()
        until = time.monotonic() + _STILL_SECONDS
        while doubts and time.monotonic() < until:
            self._be_owner()
            time.sleep(_OWNER_SECONDS)
            if self._open().count() != doubts:
                return False
        return True

    def _wait_until(self, done: Callable[[], bool], otherwise: str) -> None:
        limit = time.monotonic() + _DRAIN_SECONDS
        while not done():
            if time.monotonic() > limit:
                self.figures.problem("other trouble", otherwise)
                return
            self._be_owner()
            time.sleep(_OWNER_SECONDS)

    def _count(self) -> None:
        figures = self.figures
        figures.add("submissions asked", self.asked)
        for server, faults in zip(self.servers.values(), self.faults, strict=True):
            figures.add("adds upstream", len(server.requests_of("add")))
            figures.faults.update(faults.struck)
        figures.counts.update(self.crew.figures)
        for name, amount in doubts_of(self.mine, truth_of(self.servers)):
            figures.add(name, amount)
        for name, amount in self.crew.errors().items():
            figures.add(f"logged: {name}", amount)


class _Rhythm:
    """Does things every so many seconds."""

    def __init__(self) -> None:
        self._next: dict[Any, float] = {}

    def __call__(self, seconds: float, work: Callable[[], None]) -> bool:
        now = time.monotonic()
        if now < self._next.get(work, 0):
            return False
        work()
        self._next[work] = now + seconds
        return True
