"""Asking providers to refill many orders."""

from __future__ import annotations

from collections.abc import Collection

from orders.common.bulk_results import OrderResult
from orders.many.actions import BulkAction, Data, own_or
from orders.models import Order
from orders.requests.refill import RefillRefusal, RefillRefused, refusals_of, request_refill
from panel.accounts.models import User

# The refusals as staff read them in a list.
WORDS: dict[RefillRefusal, str] = {
    RefillRefusal.NOT_COMPLETED: "not completed",
    RefillRefusal.NO_REFILL: "of services without a refill",
    RefillRefusal.OVER: "past the time in which they could be refilled",
    RefillRefusal.UNDER_WAY: "with a refill under way",
    RefillRefusal.REFUSED_LATELY: "refused a refill within the last hour",
    RefillRefusal.ASKED_LATELY: "asked for a refill within the last 24 hours",
}


class RefillMany(BulkAction):
    """Requests a refill of each order, by the rules that hold for customers too. It moves no money."""

    done = "refilled"

    def plan(self, orders: Collection[Order], *, actor: User | None, data: Data) -> list[OrderResult]:
        refusals = refusals_of(orders)

        def reason(order: Order) -> str:
            refusal = refusals[order.pk]
            return own_or(order, actor, WORDS[refusal] if refusal else "")

        return [OrderResult(order, reason=reason(order)) for order in orders]

    def act(self, planned: OrderResult, *, actor: User, data: Data) -> OrderResult:
        try:
            request_refill(order=planned.order, actor=actor)
        except RefillRefused as error:
            return OrderResult(planned.order, reason=WORDS[error.reason])
        return planned

    def logged(self, done: OrderResult) -> str:
        return "The provider is asked to refill it, with others."


REFILL = RefillMany()
