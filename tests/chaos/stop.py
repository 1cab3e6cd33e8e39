"""Workers that are stopped until their lease has expired, and continue when other workers have decided.

All cases wait for their leases together. No worker is stopped inside a transaction: it would keep its locks, so no
other worker could decide anything until it continues.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import product
from typing import Any
from uuid import uuid4

from orders.models import Order
from panel.sandbox.http.faults import Fault
from panel.sandbox.server import SandboxServer
from panel.site import registry as site
from tests import make
from tests.chaos import child
from tests.chaos import product as panel
from tests.chaos.children import Children
from tests.chaos.figures import Figures
from tests.chaos.matrix import MODES, doubts_of
from tests.chaos.truth import audit, audit_ledger
from tests.chaos.upstream import NamedFaults, sandbox, truth_of

# A point outside the panel: the provider delays its answer until the worker has continued.
HELD_ANSWER = "the answer is held back"
POINTS = ("claim: committed", "before connecting", "connected", "sent", "answered")
# What other workers do meanwhile: only expire the lease, or all their work.
OTHERS = ("expire", "sweep")
# How long a worker may take to reach its point.
_MAX_SECONDS = 120.0


@dataclass(slots=True)
class _Case:
    """One stopped worker, with its own provider."""

    point: str
    mode: str
    others: str
    server: SandboxServer
    provider: Any
    stopped: Any
    gate: threading.Event = field(default_factory=threading.Event)
    process: Any = None

    def __str__(self) -> str:
        return f"[stopped at {self.point} @ {self.mode}, others {self.others}]"


def run(*, children: Children, short: bool) -> Figures:
    """Run all cases together. Workers whose lease others only expired continue before the other cases are decided.

    With `short`, each case runs in one of the two modes instead of both.
    """
    figures, began = Figures(), time.monotonic()
    customer = make.customer("stop@example.org", funds="1000")
    with ExitStack() as stack:
        cases = list(_cases(stack, children, customer, short=short))
        for case in cases:
            _stop(case, children, figures)
        time.sleep(site.SUBMISSION_LEASE_SECONDS.value + 0.5)
        for others in OTHERS:
            _work(others, children, figures)
            for case in cases:
                if case.others == others:
                    _wake(case, children, figures)
        orders = Order.objects.filter(provider__in=[case.provider.pk for case in cases])
        for others in ("sweep", "sweep", "give up"):
            _work(others, children, figures)
        truth = truth_of({case.provider.pk: case.server for case in cases})
        audit(figures, orders, truth, where="stop:")
        figures.add("add calls received", sum(len(case.server.requests_of("add")) for case in cases))
        audit_ledger(figures, where="stop:")
        figures.add("orders created", orders.count())
        figures.add("workers stopped", len(cases))
        for name, amount in doubts_of(orders, truth):
            figures.add(name, amount)
        for case in cases:
            panel.retire(case.provider)
    figures.add("seconds", round(time.monotonic() - began))
    return figures


def _cases(stack: ExitStack, children: Children, customer: Any, *, short: bool) -> Iterator[_Case]:
    points = (HELD_ANSWER, *POINTS)
    for number, (others, point) in enumerate(product(OTHERS, points)):
        turn = number + number // len(points)
        for mode in (MODES[turn % 2],) if short else MODES:
            server = stack.enter_context(
                sandbox(NamedFaults(site.UPSTREAM_ADD_TIMEOUT.value), request_ids=mode == "repeat")
            )
            provider = make.provider(
                url=server.url,
                api_key=server.key,
                name=f"stop {point} {mode} {others}",
                request_id_parameter="request_id" if mode == "repeat" else "",
            )
            service = make.service(provider)
            for _ in range(3):
                _order(customer, service)
                panel.submit_for(provider)
                server.skip_order_ids(3)  # Orders of the provider's other customers.
            _order(customer, service)
            yield _Case(point, mode, others, server, provider, children.event())


def _order(customer: Any, service: Any) -> None:
    make.order(customer, service, link=f"https://example.com/stop/{uuid4().hex}")


def _stop(case: _Case, children: Children, figures: Figures) -> None:
    """Start the worker and return when it has stopped at its point."""
    if case.point == HELD_ANSWER:
        before = len(case.server.requests_of("add"))
        case.server.inject(Fault(action="add", gate=case.gate))
        case.process = children.start(child.submit, case.provider)
        has_stopped = _wait_until(lambda: len(case.server.requests_of("add")) > before)
        os.kill(case.process.pid, signal.SIGSTOP)
    else:
        case.process = children.start(child.submit, case.provider, stop=case.point, stopped=case.stopped)
        has_stopped = case.stopped.wait(_MAX_SECONDS)
    if not has_stopped:
        figures.problem("other problems", f"{case} the worker did not reach its point")


def _wake(case: _Case, children: Children, figures: Figures) -> None:
    """Let the stopped worker continue and wait for its end."""
    case.gate.set()
    os.kill(case.process.pid, signal.SIGCONT)
    _check(children.wait_for(case.process), children, figures, str(case))


def _work(others: str, children: Children, figures: Figures) -> None:
    """Run a round of work in another process."""
    _check(children.run(others), children, figures, f"the round {others} of other workers")


def _check(code: int, children: Children, figures: Figures, who: str) -> None:
    if code:
        figures.problem("other problems", f"{who} exited with {code}: {children.last_line()}")


def _wait_until(condition: Callable[[], bool]) -> bool:
    """Wait until the condition is true. Return False if it is not within _MAX_SECONDS."""
    limit = time.monotonic() + _MAX_SECONDS
    while not condition():
        if time.monotonic() > limit:
            return False
        time.sleep(0.005)
    return True
