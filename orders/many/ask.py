"""Asking providers at once how many orders stand, instead of when they are due."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from orders.common.bulk_results import OrderResult
from orders.common.poll_queue import poll_soon
from orders.many.actions import BulkAction, Data, StaffReason
from orders.models import Order
from orders.states import Submission
from panel.accounts.models import User
from panel.lib import clock


class Ask(BulkAction):
    """Polls the orders in the next round, and as often as new ones from then on.

    The rows of the queue are moved alone, in one statement: an order that ended meanwhile is no longer in it. Staff may
    ask about orders of their own, as customers see the answers of theirs anyway.
    """

    done = "asked about"
    is_together = True

    def plan(self, orders: Collection[Order], *, actor: User | None, data: Data) -> list[OrderResult]:
        return [OrderResult(order, reason=_why_left(order)) for order in orders]

    def act_all(self, planned: Sequence[OrderResult]) -> None:
        poll_soon(order_ids=[one.order.pk for one in planned], due_at=clock.now())

    def logged(self, done: OrderResult) -> str:
        return "Its provider is asked at once."

    def seen(self, planned: OrderResult) -> tuple[object, ...]:
        return (planned.reason,)


def _why_left(order: Order) -> str:
    if order.is_final:
        return StaffReason.ENDED
    return "" if order.submission == Submission.ACCEPTED else StaffReason.NOT_SENT


ASK = Ask()
