"""Ask providers at once how orders stand, instead of when they are due."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass

from orders.common.poll_queue import poll_soon
from orders.models import Order
from orders.requests.bulk import MAX_STAFF_ORDERS, TooMany
from orders.states import Submission
from panel.lib import clock

ENDED = "ended already"
NOT_SENT = "not sent yet, or it is not known whether they were"


@dataclass(frozen=True, slots=True)
class AskPlan:
    """The orders that are asked about, and how many are not, by why."""

    orders: list[Order]
    left: dict[str, int]

    @property
    def charged(self) -> int:
        """Return what their customers paid less what was refunded, in micro-units."""
        return sum(order.net_charge for order in self.orders)


def plan_asking(*, orders: Collection[Order]) -> AskPlan:
    """Return which of the orders `ask_now` would ask about. Raise TooMany."""
    if len(orders) > MAX_STAFF_ORDERS:
        raise TooMany(f"At most {MAX_STAFF_ORDERS:,} orders can be asked about in one go.")
    why = {order.pk: _why_not(order) for order in orders}
    left = Counter(reason for reason in why.values() if reason)
    return AskPlan([order for order in orders if not why[order.pk]], dict(left.most_common()))


def ask_now(*, orders: Collection[Order]) -> AskPlan:
    """Poll the orders in the next round, and as often as new ones from then on. Raise TooMany.

    The rows of the queue are moved alone: an order that ended meanwhile is no longer in it.
    """
    plan = plan_asking(orders=orders)
    poll_soon(order_ids=[order.pk for order in plan.orders], due_at=clock.now())
    return plan


def _why_not(order: Order) -> str:
    if order.is_final:
        return ENDED
    return "" if order.submission == Submission.ACCEPTED else NOT_SENT
