"""A round over several providers: none waits for another, and an error for one stops no other."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from catalog.models import Provider
from catalog.provider_rounds import for_each_provider
from orders.dispatch.submit import submit_due_orders
from orders.models import Order
from panel.sandbox.http import faults
from panel.sandbox.server import SandboxServer
from tests import make
from tests.scenes import fresh
from tests.threads import in_background


@pytest.mark.django_db(transaction=True)
def test_round_when_one_provider_is_slow_then_other_does_not_wait(upstream, customer):
    """One slow provider at the head of the list held up the orders of all others."""
    gate = threading.Event()
    with SandboxServer(key="quick-key", speed=0) as quick:
        for server in (upstream, quick):
            server.set_service(1, rate="2", min=10, max=10_000, type="Default")
        slow = make.order(
            customer, make.service(make.provider(name="A slow one", url=upstream.url, api_key=upstream.key))
        )
        others = make.provider(name="Quick", url=quick.url, api_key=quick.key)
        soon = make.order(customer, make.service(others))
        upstream.inject(faults.Fault(action="add", gate=gate))
        finish = in_background(submit_due_orders)
        quick.pause(60, until=reached((slow, "placing"), (soon, "placed")))
        assert (fresh(slow).submission, fresh(soon).submission) == ("placing", "placed")
        gate.set()
        assert finish() == 2
    assert fresh(slow).submission == "placed"


def reached(*submissions: tuple[Order, str]) -> Any:
    """Return an event that is set once each order has the submission."""

    class Reached(threading.Event):
        def wait(self, timeout: float | None = None) -> bool:
            return super().wait(timeout) or all(
                fresh(order).submission == submission for order, submission in submissions
            )

    return Reached()


@pytest.mark.django_db(transaction=True)
def test_round_when_one_provider_raises_then_others_finish_first():
    made = [make.provider(name=name) for name in ("A", "B", "C")]
    done = []

    def work(*, provider: Provider) -> int:
        if provider.name == "A":
            raise RuntimeError("A broke")
        done.append(provider.name)
        return 1

    with pytest.raises(RuntimeError, match="A broke"):
        for_each_provider(work, made)
    assert sorted(done) == ["B", "C"]
