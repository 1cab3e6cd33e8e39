"""Cancelling many orders at once, for staff: what was not sent is refunded in full, of the rest the provider is asked.

Each order is a transaction of its own: one that fails stops no other, and a second run finds the first one's work.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import structlog

from orders.models import Order
from orders.requests import cancel
from orders.requests.cancel import TooLate
from orders.states import Placement
from panel.lib.own_account import is_own

log = structlog.get_logger(__name__)

MOST = 1_000
"""Orders in one go."""
MOST_SECONDS = 20.0
"""What a page can wait for. What is not reached by then is told, and left for another go."""


class Fate(StrEnum):
    """What becomes of an order that staff cancel, in words for a list."""

    WITHDRAW = "canceled at once"
    ASK = "asked of the provider"
    ENDED = "ended already"
    ASKED = "asked of the provider already"
    PLACING = "being sent right now"
    IN_DOUBT = "in doubt, to be decided about one by one"
    IN_REVIEW = "in review, to be decided about one by one"
    OWN = "your own, for somebody else on the staff to cancel"
    MOVED = "changed meanwhile"
    NOT_REACHED = "not reached in time, select them again"
    FAILED = "failed for an error of ours"


DONE = (Fate.WITHDRAW, Fate.ASK)


@dataclass(slots=True)
class BulkResult:
    """What becomes, or became, of the orders; `refunded` in micro-units."""

    fates: Counter[Fate] = field(default_factory=Counter)
    refunded: int = 0
    failed: list[int] = field(default_factory=list)

    @property
    def withdrawn(self) -> int:
        return self.fates[Fate.WITHDRAW]

    @property
    def asked(self) -> int:
        return self.fates[Fate.ASK]

    @property
    def is_done(self) -> bool:
        """Return True if something becomes, or became, of at least one order."""
        return any(self.fates[fate] for fate in DONE)

    @property
    def left(self) -> dict[str, int]:
        """How many are left as they are, by the reason."""
        return {fate.value: count for fate, count in sorted(self.fates.items()) if fate not in DONE and count}


class TooMany(ValueError):
    """More orders than may be canceled in one go."""


def plan_cancels(*, orders: Collection[Order], actor: Any) -> BulkResult:
    """What `cancel_orders` would do now; changes nothing. Raises TooMany."""
    _check(orders)
    asked = set(cancel.standing().filter(order__in=[order.pk for order in orders]).values_list("order_id", flat=True))
    plan = BulkResult()
    for order in orders:
        fate = _fate(order, actor, is_asked=order.pk in asked)
        plan.fates[fate] += 1
        plan.refunded += order.net_charge if fate is Fate.WITHDRAW else 0
    return plan


def cancel_orders(*, orders: Collection[Order], actor: Any) -> BulkResult:
    """Withdraws or requests to cancel each but the actor's own, whatever the services allow. Raises TooMany."""
    _check(orders)
    result = BulkResult()
    stop_at = time.monotonic() + MOST_SECONDS
    # What is not sent yet comes first: meanwhile the others only get older.
    for order in sorted(orders, key=lambda order: order.placement != Placement.QUEUED):
        if time.monotonic() >= stop_at:
            result.fates[Fate.NOT_REACHED] += 1
            continue
        try:
            fate, refunded = _cancel(order, actor)
        except Exception:
            log.exception("order not canceled", order=order.pk)
            fate, refunded = Fate.FAILED, 0
            result.failed.append(order.pk)
        result.fates[fate] += 1
        result.refunded += refunded
    return result


def _check(orders: Collection[Order]) -> None:
    if len(orders) > MOST:
        raise TooMany(f"At most {MOST:,} orders can be canceled in one go.")


def _cancel(seen: Order, actor: Any) -> tuple[Fate, int]:
    """What became of it, and how much was refunded at once."""
    order = Order.objects.select_related("customer").get(pk=seen.pk)
    fate = _fate(order, actor, is_asked=False)
    try:
        if fate is Fate.WITHDRAW:
            amount = order.net_charge
            cancel.withdraw_order(order=order, actor=actor)
            return fate, amount
        if fate is Fate.ASK and not cancel.request_cancel(order=order, actor=actor, patient=False):
            return Fate.ASKED, 0
    except TooLate:
        return Fate.MOVED, 0
    return fate, 0


def _fate(order: Order, actor: Any, *, is_asked: bool) -> Fate:
    if is_own(actor=actor, customer_id=order.customer_id):
        return Fate.OWN
    if order.is_final:
        return Fate.ENDED
    if cancel.may_withdraw(order):
        return Fate.WITHDRAW
    if order.placement == Placement.PLACED:
        return Fate.ASKED if is_asked else Fate.ASK
    reasons = {Placement.PLACING: Fate.PLACING, Placement.IN_DOUBT: Fate.IN_DOUBT}
    return reasons.get(Placement(order.placement), Fate.IN_REVIEW)
