"""Sending in lanes: all begin at once, and a provider that hangs holds up no other."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from catalog.models import Provider
from catalog.provider_accounts import check_balance
from orders.dispatch.lanes import start_sending
from orders.models import Order
from orders.states import Submission
from panel.lib.lanes import LANES
from panel.sandbox.http.faults import Fault
from panel.sandbox.server import SandboxServer
from tests import make
from tests.threads import MAX_WAIT_SECONDS

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def gate() -> Iterator[threading.Event]:
    """Holds answers back until it is set; it is set in the end, and all lanes have ended then."""
    gate = threading.Event()
    yield gate
    gate.set()
    wait_for(lambda: not LANES.running())


def wait_for(condition: Callable[[], Any]) -> None:
    limit = time.monotonic() + MAX_WAIT_SECONDS
    while not condition():
        assert time.monotonic() < limit, "it did not happen in time"
        time.sleep(0.01)


def queue(customer: Any, service: Any, count: int) -> list[int]:
    return [make.order(customer, service, link=f"https://example.com/{number}").pk for number in range(count)]


def test_lanes_when_orders_are_due_then_all_begin_at_once(
    upstream: SandboxServer, provider: Any, customer: Any, service: Any, gate: threading.Event
) -> None:
    """Seen: one lane drained the queue while the others slept."""
    Provider.objects.update(max_parallel_adds=3)
    check_balance(provider=provider)  # It has answered, so it does not count as one that hangs.
    queue(customer, service, 5)
    upstream.inject(Fault(action="add", gate=gate, times=None))
    assert start_sending() == 1
    wait_for(lambda: len(upstream.requests_of("add")) == 3)
    assert Order.objects.filter(submission=Submission.SUBMITTING).count() == 3
    gate.set()
    wait_for(lambda: Order.objects.filter(submission=Submission.ACCEPTED).count() == 5)


def test_provider_when_others_hang_then_its_orders_are_sent(customer: Any, gate: threading.Event) -> None:
    """Seen: nine providers that accept and never answer kept the healthy one waiting for 48 s."""
    with ExitStack() as stack:
        servers = [stack.enter_context(SandboxServer(key=f"key-{number}", speed=0)) for number in range(4)]
        services = []
        for number, server in enumerate(servers):
            provider = make.provider(url=server.url, api_key=server.key, name=f"{number}", max_parallel_adds=5)
            services.append(make.service(provider))
            queue(customer, services[-1], 4)
        *hanging, healthy = servers
        for server in hanging:
            server.inject(Fault(action="add", gate=gate, times=None))
        start_sending()
        wait_for(lambda: len(healthy.orders()) == 4)
        assert not Order.objects.filter(submission=Submission.ACCEPTED).exclude(service=services[-1]).exists()
        # None has answered yet, so each has two lanes at most.
        start_sending()
        assert all(len(server.requests_of("add")) <= 2 for server in hanging)
        gate.set()
        wait_for(lambda: not LANES.running())
