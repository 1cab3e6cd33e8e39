"""Each upstream fault × each point at which the process dies, at both kinds of provider.

One case: a customer orders, a worker sends and dies, the panel is started again and goes on until nothing moves
any more. Meanwhile the customer's next order is placed without an answer, so that there is another order to be
mistaken for.
"""

from __future__ import annotations

import itertools
import random
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.conf import settings

from catalog.models import Provider
from orders.models import Order, OrderEvent
from tests import make
from tests.chaos import product
from tests.chaos.child import DEAD
from tests.chaos.children import Children
from tests.chaos.crashing import POINTS
from tests.chaos.figures import Figures
from tests.chaos.truth import Truth, audit, audit_books, audit_promise
from tests.chaos.upstream import CLOSED_PORT, FAULTS, NamedFaults, sandbox, truth_of

MODES = ("repeat", "probe")
FAULT_NAMES = ("none", CLOSED_PORT, *FAULTS)
_CLOSED_URL = "http://127.0.0.1:9/api/v2"
_ENDINGS = ("sandbox-partial", "sandbox-canceled", "sandbox-completed")
_BOOKS_EVERY = 50


@dataclass(frozen=True, slots=True)
class Case:
    fault: str
    point: str
    mode: str

    def __str__(self) -> str:
        return f"[{self.fault} × {self.point or 'no crash'} @ {self.mode}]"


def all_cases() -> list[Case]:
    """Without those that differ from no other: a point that only its own fault or its own mode leads to."""
    cases = [Case(fault, "", mode) for mode in MODES for fault in FAULT_NAMES]
    for name, point in POINTS.items():
        faults = (point.fault,) if point.alone else FAULT_NAMES
        cases += [Case(fault, name, mode) for mode in MODES if point.mode in ("", mode) for fault in faults]
    return cases


def short_cases() -> list[Case]:
    """Each crash point under a fault that leads there, and each fault that is not among these without a crash."""
    cases = [
        Case(point.fault, name, point.mode or MODES[number % 2]) for number, (name, point) in enumerate(POINTS.items())
    ]
    missing = [fault for fault in FAULT_NAMES if fault not in {case.fault for case in cases}]
    return cases + [Case(fault, "", mode) for fault in missing for mode in MODES]


def run(*, children: Children, cases: list[Case], seed: int, stop_early: bool = False) -> Figures:
    """Plays the cases in an order that the seed decides. `stop_early`: until something is wrong."""
    figures, began = Figures(), time.monotonic()
    random.Random(seed).shuffle(cases)
    customer = make.customer("matrix@example.org", funds="100000")
    numbers = itertools.count()

    def play(cases: list[Case]) -> None:
        for case in cases:
            number = next(numbers)
            _Scene(case, number, customer, children, figures).play()
            figures.add("combinations")
            if number % _BOOKS_EVERY == 0:
                audit_books(figures, where=str(case))
            if stop_early and not figures.passed:
                return

    play(cases)
    if figures.passed:
        # On a busy machine an answer may come too late for the case that needs it.
        play([case for case in cases if case.point in _not_reached(figures, cases)])
        for point in _not_reached(figures, cases):
            figures.problem("other trouble", f"no process came to {point}")
        for fault in {case.fault for case in cases} - {"none"} - set(figures.faults):
            figures.problem("other trouble", f"the fault {fault} never struck")
    audit_books(figures, where="at the end")
    figures.add("seconds", round(time.monotonic() - began))
    return figures


def _not_reached(figures: Figures, cases: list[Case]) -> set[str]:
    """A point that nobody came to has tested nothing."""
    return {case.point for case in cases} - {""} - set(figures.crashes)


class _Scene:
    """One case, with a provider and a sandbox of its own."""

    def __init__(self, case: Case, number: int, customer: Any, children: Children, figures: Figures) -> None:
        self.case, self.number, self.customer = case, number, customer
        self.children, self.figures = children, figures
        self.faults = NamedFaults(settings.UPSTREAM_ADD_TIMEOUT)

    def play(self) -> None:
        repeats = self.case.mode == "repeat"
        with sandbox(self.faults, request_ids=repeats) as self.server:
            self.provider = make.provider(
                url=self.server.url,
                api_key=self.server.key,
                name=f"{self.number} {self.case}"[:80],
                request_id_parameter="request_id" if repeats else "",
            )
            self.service = make.service(self.provider)
            # An id is looked for between ids that are known, and among those of the provider's other customers.
            for _ in range(3):
                self._order(50)
                product.submit_for(self.provider)
                self.server.skip_order_ids(3)
                self.server.skip_order_ids(3)  # other customers of the provider
            self.order = self._order(120)
            self._send()
            self._crash_later()
            self._restart()
            self._count()
        product.retire(self.provider)

    def _order(self, quantity: int) -> Order:
        number = self._mine.count()
        # Only what ends in part is refunded in part.
        ending = _ENDINGS[0 if self._role == "poll" else (self.number + number) % 3]
        link = f"https://example.com/{self.number}/{number}/{ending}"
        self.figures.add("submissions asked")
        return make.order(self.customer, self.service, quantity=quantity, link=link)

    @property
    def _role(self) -> str:
        return POINTS[self.case.point].role if self.case.point else ""

    @property
    def _mine(self) -> Any:
        return Order.objects.filter(provider=self.provider)

    def _send(self) -> None:
        """The first process: it meets the fault, and dies when its point lies in sending."""
        if self.case.fault == CLOSED_PORT:
            Provider.objects.filter(pk=self.provider.pk).update(api_url=_CLOSED_URL)
            self.figures.faults[CLOSED_PORT] += 1
        elif self.case.fault != "none":
            self.faults.arm(self.case.fault)
        point = self.case.point
        self._run("submit", crash=point if self._role in ("", "submit") else POINTS[point].first)
        Provider.objects.filter(pk=self.provider.pk).update(api_url=self.server.url)
        self.faults.clear()

    def _crash_later(self) -> None:
        """The second process, when its point lies in the work that comes after sending."""
        if self._role in ("", "submit"):
            return
        product.end_leases(self._mine)
        if self._role == "poll":
            self.server.advance(3600)
        product.end_waits()
        self._run(self._role, crash=self.case.point)

    def _restart(self) -> None:
        product.end_leases(self._mine)
        self._run("sweep")
        self.faults.wait_until_quiet()
        self._order(210)
        self.faults.arm("drop-after")
        self._run("sweep", "sweep", "give up")
        if self._audit():
            self.server.advance(3600)
            self._run("poll")
            self._audit(ended=True)

    def _audit(self, *, ended: bool = False) -> bool:
        """Whether all is well."""
        problems = len(self.figures.problems)
        truth = truth_of({self.provider.pk: self.server})
        audit(self.figures, self._mine, truth, where=str(self.case), ended=ended)
        if self.case.mode == "repeat":
            audit_promise(self.figures, self.provider, where=f"{self.case} the provider was")
        return len(self.figures.problems) == problems

    def _run(self, *rounds: str, crash: str = "") -> None:
        code = self.children.run(*rounds, crash=crash)
        if code == DEAD:
            self.figures.crashes[crash] += 1
        elif code:
            said = self.children.last_words()
            self.figures.problem("other trouble", f"{self.case} a process failed with {code}: {said}")

    def _count(self) -> None:
        self.figures.faults.update(self.faults.struck)
        self.figures.add("adds upstream", len(self.server.requests_of("add")))
        for name, amount in doubts_of(self._mine, truth_of({self.provider.pk: self.server})):
            self.figures.add(name, amount)


def doubts_of(orders: Any, truth: Truth) -> Iterator[tuple[str, int]]:
    """How many orders were in doubt, and what became of them."""
    events = OrderEvent.objects.filter(order__in=orders, kind="placement", new="in_doubt")
    yield "leases expired", events.filter(text="No answer was recorded in time").count()
    doubted = events.values("order").distinct()
    yield "doubts in all", doubted.count()
    for order in orders.filter(pk__in=doubted):
        how = product.how_settled(order)
        if how:
            yield how, 1
    waiting = orders.exclude(review_reason="")
    placed = {real.link for of_one in truth.values() for real in of_one}
    yield "left for review", waiting.count()
    yield "of these placed upstream", sum(order.link in placed for order in waiting)
