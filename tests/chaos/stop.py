"""Workers that are stopped past their lease, and wake up when others have decided.

All scenes wait for their leases together. A worker stopped in a transaction is left out: it holds its locks,
so that nobody can decide anything until it wakes up.
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

from django.conf import settings

from orders.models import Order
from panel.sandbox.http.faults import Fault
from panel.sandbox.server import SandboxServer
from tests import make
from tests.chaos import child
from tests.chaos import product as panel
from tests.chaos.children import Children
from tests.chaos.figures import Figures
from tests.chaos.matrix import MODES, doubts_of
from tests.chaos.truth import audit, audit_books
from tests.chaos.upstream import NamedFaults, sandbox, truth_of

HELD_ANSWER = "the answer is held back"
POINTS = ("claim: committed", "before connecting", "connected", "sent", "answered")
# What others do meanwhile: only noticing that the lease ran out, or all their work.
OTHERS = ("expire", "sweep")
_PATIENCE_SECONDS = 120.0


@dataclass(slots=True)
class _Scene:
    """One stopped worker with a provider of its own."""

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
    """Plays all scenes at once; those that only noticed the lease wake up before the others are decided.

    `short`: each at one kind of provider instead of both.
    """
    figures, began = Figures(), time.monotonic()
    customer = make.customer("stop@example.org", funds="1000")
    with ExitStack() as stack:
        scenes = list(_scenes(stack, children, customer, short=short))
        for scene in scenes:
            _stop(scene, children, figures)
        time.sleep(settings.SUBMISSION_LEASE_SECONDS + 0.5)
        for others in OTHERS:
            _work(others, children, figures)
            for scene in scenes:
                if scene.others == others:
                    _wake(scene, children, figures)
        mine = Order.objects.filter(provider__in=[scene.provider.pk for scene in scenes])
        for others in ("sweep", "sweep", "give up"):
            _work(others, children, figures)
        truth = truth_of({scene.provider.pk: scene.server for scene in scenes})
        audit(figures, mine, truth, where="stop:")
        figures.add("adds upstream", sum(len(scene.server.requests_of("add")) for scene in scenes))
        audit_books(figures, where="stop:")
        figures.add("submissions asked", mine.count())
        figures.add("workers stopped", len(scenes))
        for name, amount in doubts_of(mine, truth):
            figures.add(name, amount)
        for scene in scenes:
            panel.retire(scene.provider)
    figures.add("seconds", round(time.monotonic() - began))
    return figures


def _scenes(stack: ExitStack, children: Children, customer: Any, *, short: bool) -> Iterator[_Scene]:
    points = (HELD_ANSWER, *POINTS)
    for number, (others, point) in enumerate(product(OTHERS, points)):
        turn = number + number // len(points)
        for mode in (MODES[turn % 2],) if short else MODES:
            server = stack.enter_context(
                sandbox(NamedFaults(settings.UPSTREAM_ADD_TIMEOUT), request_ids=mode == "repeat")
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
                server.skip_order_ids(3)  # other customers of the provider
            _order(customer, service)
            yield _Scene(point, mode, others, server, provider, children.event())


def _order(customer: Any, service: Any) -> None:
    make.order(customer, service, link=f"https://example.com/stop/{uuid4().hex}")


def _stop(scene: _Scene, children: Children, figures: Figures) -> None:
    """Starts the worker, and returns when it stands still at its point."""
    if scene.point == HELD_ANSWER:
        before = len(scene.server.requests_of("add"))
        scene.server.inject(Fault(action="add", gate=scene.gate))
        scene.process = children.start(child.submit, scene.provider)
        arrived = _soon(lambda: len(scene.server.requests_of("add")) > before)
        os.kill(scene.process.pid, signal.SIGSTOP)
    else:
        scene.process = children.start(child.submit, scene.provider, stop=scene.point, stopped=scene.stopped)
        arrived = scene.stopped.wait(_PATIENCE_SECONDS)
    if not arrived:
        figures.problem("other trouble", f"{scene} the worker did not come to its point")


def _wake(scene: _Scene, children: Children, figures: Figures) -> None:
    scene.gate.set()
    os.kill(scene.process.pid, signal.SIGCONT)
    _check(children.ended(scene.process), children, figures, str(scene))


def _work(others: str, children: Children, figures: Figures) -> None:
    """Another worker's round."""
    _check(children.run(others), children, figures, f"the others' {others}")


def _check(code: int, children: Children, figures: Figures, who: str) -> None:
    if code:
        figures.problem("other trouble", f"{who} failed with {code}: {children.last_words()}")


def _soon(happened: Callable[[], bool]) -> bool:
    limit = time.monotonic() + _PATIENCE_SECONDS
    while not happened():
        if time.monotonic() > limit:
            return False
        time.sleep(0.005)
    return True
