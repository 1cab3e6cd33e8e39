"""Closing many orders manually, each with the refund that follows from what is known of it."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from orders.common.bulk_results import OrderResult
from orders.many.actions import BulkAction, Data, StaffReason, own_or
from orders.models import Order
from orders.review.decisions import ReviewError
from orders.review.manual_close import close_accepted, known_end, may_end, refund_at_end
from orders.states import Status
from panel.accounts.models import User
from panel.staff.deeds import UNSTATED

End = tuple[str, int | None]

# How the orders end, as `how` in the data of the action.
BY_DELIVERED = "delivered"
_ENDS: Mapping[str, End] = {"completed": (Status.COMPLETED, None), "canceled": (Status.CANCELED, None)}

NOT_ACCEPTED = "not with their provider, or perhaps not"
UNKNOWN = "not known how much of them was delivered"


def end_of(order: Order, *, how: str) -> End | None:
    """Return the status in which the order ends, and for Partial how many were delivered; None if that is unknown."""
    return known_end(order) if how == BY_DELIVERED else _ENDS[how]


class Close(BulkAction):
    """Ends accepted orders in the status that staff chose, or by what was delivered as far as the panel knows."""

    done = "ended"
    refusals = (ReviewError,)

    def plan(self, orders: Collection[Order], *, actor: User | None, data: Data) -> list[OrderResult]:
        def one(order: Order) -> OrderResult:
            end = end_of(order, how=data["how"])
            reason = _why_left(order) or ("" if end else UNKNOWN)
            if reason := own_or(order, actor, reason):
                return OrderResult(order, reason=reason)
            assert end is not None
            status, delivered = end
            target = refund_at_end(order, status=status, delivered=delivered)
            return OrderResult(order, back=target - order.refunded, way=status)

        return [one(order) for order in orders]

    def act(self, planned: OrderResult, *, actor: User, data: Data) -> OrderResult:
        end = end_of(planned.order, how=data["how"])
        assert end is not None
        status, delivered = end
        why = data.get("why", UNSTATED)
        back = close_accepted(
            order=planned.order, status=status, delivered=delivered, note=data["note"], actor=actor, why=why
        )
        return OrderResult(planned.order, back=back, way=status)

    def logged(self, done: OrderResult) -> str:
        return f"Ended by hand with others, as {Status(done.way).label}."

    def seen(self, planned: OrderResult) -> tuple[object, ...]:
        """Return what decides about the refund, whichever end is chosen."""
        order = planned.order
        return order.submission, order.status, order.remains, order.refunded, order.review_reason


def _why_left(order: Order) -> str:
    if may_end(order):
        # A review may be about the very figures that the end would be made of.
        return StaffReason.IN_REVIEW if order.review_reason else ""
    return StaffReason.ENDED if order.is_final else NOT_ACCEPTED


CLOSE = Close()
