"""The progress of an order over time: pure functions of its plan and the seconds since it was accepted.

Pending → (Processing) → In progress with falling remains → Completed, Partial or Canceled.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Literal

from panel.sandbox.amounts import share

PENDING = "Pending"
PROCESSING = "Processing"
IN_PROGRESS = "In progress"
COMPLETED = "Completed"
PARTIAL = "Partial"
CANCELED = "Canceled"
REJECTED = "Rejected"

RUNNING = frozenset({PENDING, PROCESSING, IN_PROGRESS})

Ending = Literal["completed", "overdelivered", "partial", "canceled", "stuck"]

# A link that contains the word decides how the order ends.
LINK_WORDS: dict[str, Ending] = {
    "sandbox-completed": "completed",
    "sandbox-overdelivered": "overdelivered",
    "sandbox-partial": "partial",
    "sandbox-canceled": "canceled",
    "sandbox-stuck": "stuck",
}
REFILL_REJECTED_WORD = "sandbox-refill-rejected"

REFILL_STARTS_AFTER = 5.0
REFILL_ENDS_AFTER = 15.0


@dataclass(frozen=True, slots=True)
class DeliveryPlan:
    """The planned outcome of one order. All times are sandbox seconds.

    `target` is how many are delivered at the end: fewer than the quantity for a partial order, more for an
    over-delivered one, none for a canceled one.
    """

    ending: Ending
    pending_seconds: float
    processing_seconds: float
    running_seconds: float
    start_count: int
    target: int

    @property
    def ends_after(self) -> float | None:
        """Return the seconds from acceptance to the end; None for an order that never ends."""
        if self.ending == "stuck":
            return None
        return self.pending_seconds + self.processing_seconds + self.running_seconds


@dataclass(frozen=True, slots=True)
class Progress:
    """The state of an order. `delivered` + `remains` = quantity; `remains` may be negative."""

    status: str
    start_count: int
    delivered: int
    remains: int


def plan_delivery(*, order_id: int, quantity: int, link: str) -> DeliveryPlan:
    """Return the plan of an order: always the same for the same id, quantity and link.

    About 70 of 100 complete (8 of them over-delivered), 20 end partial, 10 are canceled, unless the link decides. A
    single unit, such as a package, cannot be partial: it is canceled instead.
    """
    draw = random.Random(f"order {order_id}")  # noqa: S311 - it must be predictable
    roll = draw.random()
    pending = round(draw.uniform(4, 7), 1)
    processing = round(draw.uniform(3, 6), 1) if draw.random() < 0.6 else 0.0
    running = round(draw.uniform(16, 27), 1)
    start_count = draw.randrange(20, 25_000)
    part = draw.uniform(0.3, 0.9)
    surplus = draw.uniform(0.01, 0.04)

    ending: Ending
    if roll < 0.62 or (roll < 0.70 and quantity == 1):
        ending = "completed"
    elif roll < 0.70:
        ending = "overdelivered"
    elif roll < 0.90:
        ending = "partial"
    else:
        ending = "canceled"
    ending = next((end for word, end in LINK_WORDS.items() if word in link), ending)
    if ending == "partial" and quantity == 1:
        ending = "canceled"

    if ending == "canceled":
        # Refused before any delivery: it waits, is processed, and is canceled.
        processing, running = processing or 3.0, 0.0
        target = 0
    elif ending == "partial":
        target = min(max(1, int(quantity * part)), quantity - 1)
    elif ending == "overdelivered":
        target = quantity + max(1, int(quantity * surplus))
    elif ending == "stuck":
        target = quantity // 2
    else:
        target = quantity
    return DeliveryPlan(ending, pending, processing, running, start_count, target)


def progress(plan: DeliveryPlan, *, quantity: int, elapsed: float, canceled_after: float | None = None) -> Progress:
    """Return the state of an order `elapsed` seconds after it was accepted.

    `canceled_after` is when a cancel was accepted, in the same seconds: the order ended there, Canceled if nothing
    had been delivered, else Partial.
    """
    if canceled_after is not None and elapsed >= canceled_after:
        reached = progress(plan, quantity=quantity, elapsed=canceled_after)
        if reached.delivered <= 0:
            return Progress(CANCELED, reached.start_count, 0, quantity)
        status = PARTIAL if reached.remains > 0 else COMPLETED
        return Progress(status, reached.start_count, reached.delivered, reached.remains)

    starts_at = plan.pending_seconds + plan.processing_seconds
    if elapsed < plan.pending_seconds:
        return Progress(PENDING, 0, 0, quantity)
    if elapsed < starts_at:
        return Progress(PROCESSING, 0, 0, quantity)
    ends_at = plan.ends_after
    if ends_at is None or elapsed < ends_at:
        done = min(1.0, (elapsed - starts_at) / plan.running_seconds)
        delivered = int(plan.target * done)
        return Progress(IN_PROGRESS, plan.start_count, delivered, quantity - delivered)
    if plan.ending == "canceled":
        return Progress(CANCELED, plan.start_count, 0, quantity)
    status = PARTIAL if plan.ending == "partial" else COMPLETED
    return Progress(status, plan.start_count, plan.target, quantity - plan.target)


def kept_charge(*, status: str, charge: int, quantity: int, remains: int) -> int:
    """Return what the provider keeps of a charge, in micro-units.

    All of it while the order runs and when Completed, the delivered part (rounded up) when Partial, nothing when
    Canceled.
    """
    if status == CANCELED:
        return 0
    if status == PARTIAL:
        return share(charge, min(max(0, quantity - remains), quantity), quantity)
    return charge


def refill_status_at(*, elapsed: float, link: str) -> str:
    """Return the status of a refill `elapsed` sandbox seconds after it was requested."""
    if elapsed < REFILL_STARTS_AFTER:
        return PENDING
    if elapsed < REFILL_ENDS_AFTER:
        return IN_PROGRESS
    return REJECTED if REFILL_REJECTED_WORD in link else COMPLETED
