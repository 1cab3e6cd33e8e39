"""Canceling many orders: unsent ones at once, the others by a request to their provider."""

from __future__ import annotations

from collections.abc import Collection

from orders.common.bulk_results import OrderResult
from orders.many.actions import BulkAction, Data, StaffReason, own_or
from orders.models import Order
from orders.requests import cancel
from orders.requests.cancel import TooLate, may_withdraw
from orders.states import Submission
from panel.accounts.models import User
from panel.staff.deeds import UNSTATED

WITHDRAWN = "withdrawn"
ASKED = "asked"


class Cancel(BulkAction):
    """Withdraws each order, or requests its cancel even if the service has none."""

    done = "canceled"

    def plan(self, orders: Collection[Order], *, actor: User | None, data: Data) -> list[OrderResult]:
        active = cancel.active_requests().filter(order__in=[order.pk for order in orders])
        requested = set(active.values_list("order_id", flat=True))

        def one(order: Order) -> OrderResult:
            if reason := own_or(order, actor, _why_left(order)):
                return OrderResult(order, reason=reason)
            if may_withdraw(order):
                return OrderResult(order, back=order.net_charge, way=WITHDRAWN)
            return OrderResult(order, reason=StaffReason.ASKED if order.pk in requested else "", way=ASKED)

        return [one(order) for order in orders]

    def act(self, planned: OrderResult, *, actor: User, data: Data) -> OrderResult:
        order = planned.order
        try:
            if planned.back:
                cancel.withdraw_order(order=order, actor=actor, why=data.get("why", UNSTATED))
            elif not cancel.request_cancel(order=order, actor=actor, patient=False):
                return OrderResult(order, reason=StaffReason.ASKED)
        except TooLate:
            return OrderResult(order, reason=StaffReason.CHANGED)
        return planned

    def logged(self, done: OrderResult) -> str:
        if done.way == WITHDRAWN:
            return "Canceled with others, and refunded."
        return "The provider is asked to cancel it, with others."


def _why_left(order: Order) -> str:
    if order.is_final:
        return StaffReason.ENDED
    if may_withdraw(order) or order.submission == Submission.ACCEPTED:
        return ""
    reasons = {Submission.SUBMITTING: StaffReason.SUBMITTING, Submission.IN_DOUBT: StaffReason.IN_DOUBT}
    return reasons.get(Submission(order.submission), StaffReason.IN_REVIEW)


CANCEL = Cancel()
