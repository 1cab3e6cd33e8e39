"""Every provider fault × every point at which the process dies, at both kinds of provider.

In one case a customer orders, a worker sends the order and dies, and the panel is restarted and works until nothing
changes any more. Meanwhile the answer to the customer's next order is lost, so that the two could be confused.
"""

from __future__ import annotations

import itertools
import random
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from catalog.models import Provider
from orders.models import Order, OrderEvent
from panel.site import registry as site
from tests import make
from tests.chaos import product
from tests.chaos.child import DEAD
from tests.chaos.children import Children
from tests.chaos.crashing import POINTS
from tests.chaos.figures import Figures
from tests.chaos.truth import Truth, audit, audit_ledger, audit_request_ids
from tests.chaos.upstream import CLOSED_PORT, FAULTS, NamedFaults, sandbox, truth_of

# How a doubt is resolved: by repeating the request id, or by searching for the order among the provider's ids.
MODES = ("repeat", "search")
FAULT_NAMES = ("none", CLOSED_PORT, *FAULTS)
_CLOSED_URL = "http://127.0.0.1:9/api/v2"
# Words in a link by which the sandbox chooses how the order ends.
_ENDINGS = ("sandbox-partial", "sandbox-canceled", "sandbox-completed")
# The ledger is checked after every so many cases.
_CASES_PER_LEDGER_CHECK = 50


@dataclass(frozen=True, slots=True)
class Case:
    """A fault, the name of a crash point ("" for none), and a mode."""

    fault: str
    point: str
    mode: str

    def __str__(self) -> str:
        return f"[{self.fault} × {self.point or 'no crash'} @ {self.mode}]"


def all_cases() -> list[Case]:
    """Return every combination, except those where the fault or the mode does not lead to the point."""
    cases = [Case(fault, "", mode) for mode in MODES for fault in FAULT_NAMES]
    for name, point in POINTS.items():
        faults = (point.fault,) if point.alone else FAULT_NAMES
        cases += [Case(fault, name, mode) for mode in MODES if point.mode in ("", mode) for fault in faults]
    return cases


def short_cases() -> list[Case]:
    """Return each crash point with one fault that leads there, and each remaining fault without a crash."""
    cases = [
        Case(point.fault, name, point.mode or MODES[number % 2]) for number, (name, point) in enumerate(POINTS.items())
    ]
    missing = [fault for fault in FAULT_NAMES if fault not in {case.fault for case in cases}]
    return cases + [Case(fault, "", mode) for fault in missing for mode in MODES]


def run(*, children: Children, cases: list[Case], seed: int, stop_early: bool = False) -> Figures:
    """Run the cases in an order that depends on the seed. With `stop_early`, stop at the first problem."""
    figures, began = Figures(), time.monotonic()
    random.Random(seed).shuffle(cases)
    customer = make.customer("matrix@example.org", funds="100000")
    numbers = itertools.count()

    def run_cases(cases: list[Case]) -> None:
        for case in cases:
            number = next(numbers)
            _CaseRun(case, number, customer, children, figures).run()
            figures.add("combinations")
            if number % _CASES_PER_LEDGER_CHECK == 0:
                audit_ledger(figures, where=str(case))
            if stop_early and not figures.passed:
                return

    run_cases(cases)
    if figures.passed:
        # Again, because on a busy machine an answer may have come too late for its case.
        run_cases([case for case in cases if case.point in _not_reached(figures, cases)])
        for point in _not_reached(figures, cases):
            figures.problem("other problems", f"no process reached the point {point}")
        for fault in {case.fault for case in cases} - {"none"} - set(figures.faults):
            figures.problem("other problems", f"the fault {fault} never occurred")
    audit_ledger(figures, where="at the end")
    figures.add("seconds", round(time.monotonic() - began))
    return figures


def _not_reached(figures: Figures, cases: list[Case]) -> set[str]:
    """Return the points that no process reached: they have tested nothing."""
    return {case.point for case in cases} - {""} - set(figures.crashes)


class _CaseRun:
    """One case, with its own provider and sandbox."""

    def __init__(self, case: Case, number: int, customer: Any, children: Children, figures: Figures) -> None:
        self.case, self.number, self.customer = case, number, customer
        self.children, self.figures = children, figures
        self.faults = NamedFaults(site.UPSTREAM_ADD_TIMEOUT.value)

    def run(self) -> None:
        """Create known orders, then one that meets the fault and the crash, and audit the outcome."""
        repeats = self.case.mode == "repeat"
        with sandbox(self.faults, request_ids=repeats) as self.server:
            self.provider = make.provider(
                url=self.server.url,
                api_key=self.server.key,
                name=f"{self.number} {self.case}"[:80],
                request_id_parameter="request_id" if repeats else "",
            )
            self.service = make.service(self.provider)
            # A search starts between known ids, and passes ids of the provider's other customers.
            for _ in range(3):
                self._order(50)
                product.submit_for(self.provider)
                self.server.skip_order_ids(3)
                self.server.skip_order_ids(3)  # Orders of the provider's other customers.
            self.order = self._order(120)
            self._send()
            self._crash_later()
            self._restart()
            self._count()
        product.retire(self.provider)

    def _order(self, quantity: int) -> Order:
        number = self._orders.count()
        # Polling is tested with partial refunds, which only an order that ends Partial gets.
        ending = _ENDINGS[0 if self._role == "poll" else (self.number + number) % 3]
        link = f"https://example.com/{self.number}/{number}/{ending}"
        self.figures.add("orders created")
        return make.order(self.customer, self.service, quantity=quantity, link=link)

    @property
    def _role(self) -> str:
        return POINTS[self.case.point].role if self.case.point else ""

    @property
    def _orders(self) -> Any:
        return Order.objects.filter(provider=self.provider)

    def _send(self) -> None:
        """Run the first process: it meets the fault, and dies if its point is in submitting."""
        if self.case.fault == CLOSED_PORT:
            Provider.objects.filter(pk=self.provider.pk).update(api_url=_CLOSED_URL)
            self.figures.faults[CLOSED_PORT] += 1
        elif self.case.fault != "none":
            self.faults.arm(self.case.fault)
        point = self.case.point
        self._run_rounds("submit", crash=point if self._role in ("", "submit") else POINTS[point].first)
        Provider.objects.filter(pk=self.provider.pk).update(api_url=self.server.url)
        self.faults.clear()

    def _crash_later(self) -> None:
        """Run the second process, if the point is in work that follows submitting."""
        if self._role in ("", "submit"):
            return
        product.end_leases(self._orders)
        if self._role == "poll":
            self.server.advance(3600)
        product.end_waits()
        self._run_rounds(self._role, crash=self.case.point)

    def _restart(self) -> None:
        """Work on after the crash, with one more order whose answer is lost, and audit before and after the end."""
        product.end_leases(self._orders)
        self._run_rounds("sweep")
        self.faults.wait_until_quiet()
        self._order(210)
        self.faults.arm("drop-after")
        self._run_rounds("sweep", "sweep", "give up")
        if self._audit():
            self.server.advance(3600)
            self._run_rounds("poll")
            self._audit(ended=True)

    def _audit(self, *, ended: bool = False) -> bool:
        """Audit the orders. Return whether there was no problem."""
        problems = len(self.figures.problems)
        truth = truth_of({self.provider.pk: self.server})
        audit(self.figures, self._orders, truth, where=str(self.case), ended=ended)
        if self.case.mode == "repeat":
            audit_request_ids(self.figures, self.provider, where=f"{self.case} the provider")
        return len(self.figures.problems) == problems

    def _run_rounds(self, *rounds: str, crash: str = "") -> None:
        code = self.children.run(*rounds, crash=crash)
        if code == DEAD:
            self.figures.crashes[crash] += 1
        elif code:
            error = self.children.last_line()
            self.figures.problem("other problems", f"{self.case} a process exited with {code}: {error}")

    def _count(self) -> None:
        self.figures.faults.update(self.faults.struck)
        self.figures.add("add calls received", len(self.server.requests_of("add")))
        for name, amount in doubts_of(self._orders, truth_of({self.provider.pk: self.server})):
            self.figures.add(name, amount)


def doubts_of(orders: Any, truth: Truth) -> Iterator[tuple[str, int]]:
    """Yield (figure, count): how many orders were in doubt, and how each doubt was resolved."""
    events = OrderEvent.objects.filter(order__in=orders, kind="placement", new="in_doubt")
    yield "leases expired", events.filter(text="No answer was recorded in time").count()
    in_doubt = events.values("order").distinct()
    yield "doubts in total", in_doubt.count()
    for order in orders.filter(pk__in=in_doubt):
        resolution = product.resolution_of(order)
        if resolution:
            yield resolution, 1
    waiting = orders.exclude(review_reason="")
    accepted = {real.link for of_one in truth.values() for real in of_one}
    yield "left for review", waiting.count()
    yield "of these accepted", sum(order.link in accepted for order in waiting)
