"""Orders that the sandbox is given as of before: it goes on with them as with its own."""

from __future__ import annotations

import time
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from panel.sandbox.delivery import DeliveryPlan
from panel.sandbox.past import PastOrder, PastRefill
from panel.sandbox.server import SandboxServer

pytestmark = pytest.mark.once


def past(*, age: float, ending: Any = "completed", **values: Any) -> PastOrder:
    """Return an order of 1,000 for $1.20, which takes 110 seconds."""
    target = {"completed": 1_000, "partial": 400, "canceled": 0}[ending]
    plan = DeliveryPlan(ending, 10.0, 0.0, 100.0, 77, target)
    given = {"link": "https://example.com/x", "canceled_after": None, **values}
    return PastOrder(
        service=2, type="Default", quantity=1_000, charge=1_200_000, params={}, plan=plan, age=age, **given
    )


def test_past_when_recorded_then_answered_and_gone_on_with(
    server: SandboxServer, call: Callable[..., Any], add_order: Callable[..., int]
) -> None:
    recorded = server.record_past(
        orders=[past(age=900, ending="partial"), past(age=60), past(age=5, canceled_after=30.0)],
        refills=[],
        balance=50_000_000,
        wall=time.time(),
    )
    ended, running, canceled = recorded.order_ids
    names = ",".join(map(str, recorded.order_ids))
    rows = call("status", orders=names)
    assert rows[str(ended)] | {"charge": "0.48", "remains": "600", "status": "Partial"} == rows[str(ended)]
    assert rows[str(running)]["status"] == "In progress"
    assert rows[str(canceled)]["status"] == "Pending"
    assert server.balance == Decimal(50)
    server.advance(26)
    rows = call("status", orders=names)
    # The cancel took effect meanwhile, after a fifth was delivered.
    assert rows[str(canceled)]["status"] == "Partial"
    assert server.balance > Decimal(50)
    server.advance(100)
    assert call("status", order=str(running))["status"] == "Completed"
    assert add_order() > max(recorded.order_ids)


def test_refill_when_recorded_then_it_ends_when_it_was_to(server: SandboxServer, call: Callable[..., Any]) -> None:
    recorded = server.record_past(
        orders=[past(age=900)],
        refills=[PastRefill(0, 60.0), PastRefill(0, -5.0), PastRefill(0, -5.0, "Rejected")],
        balance=0,
        wall=time.time(),
    )
    one, other, third = map(str, recorded.refill_ids)
    assert [call("refill_status", refill=name)["status"] for name in (one, other, third)] == [
        *("Pending", "Completed", "Rejected")
    ]
    server.advance(61)
    assert call("refill_status", refill=one)["status"] == "Completed"


def test_past_when_recorded_again_then_other_ids(server: SandboxServer) -> None:
    first, again = (
        server.record_past(orders=[past(age=60)], refills=[], balance=0, wall=time.time()).order_ids for _ in range(2)
    )
    assert again[0] > first[0]
