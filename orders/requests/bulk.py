"""Cancels and refills of many orders by their customer, by the same rules as for a single order.

Each order has its own transaction: a refusal or a failure does not stop the others, and a second run skips what the
first one did. What staff do to many orders is in `orders.many`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection

from django.utils.translation import gettext as _

from orders.common.bulk_results import ALREADY, BulkResult, OrderResult, TooMany, for_each_order
from orders.models import CancelRequest, Order
from orders.requests import cancel
from orders.requests.cancel import CancelOutcome, TooLate, cancel_order, may_withdraw, why_not_asked
from orders.requests.refill import RefillRefused, request_refill
from orders.states import CancelState, Status
from panel.accounts.models import User
from panel.lib import clock

# Each order costs several statements, and the customer waits for the page.
MAX_ORDERS = 100


def plan_cancels(*, orders: Collection[Order]) -> BulkResult:
    """Return what `cancel_orders` would do now, in one statement. Raise TooMany.

    The orders must come with `service.upstream` loaded.
    """
    _check(orders)
    refused = CancelRequest.objects.filter(
        order__in=[order.pk for order in orders],
        state=CancelState.REFUSED,
        finished_at__gt=clock.now() - cancel.AFTER_REFUSAL,
    )
    refused_lately = set(refused.values_list("order_id", flat=True))
    return BulkResult([_plan_cancel(order, was_refused=order.pk in refused_lately) for order in orders])


def _plan_cancel(order: Order, *, was_refused: bool) -> OrderResult:
    if may_withdraw(order):
        return OrderResult(order, back=order.net_charge)
    reason = why_not_asked(order)
    if not reason and not order.service.upstream.cancel:
        reason = _("This service cannot be canceled once it was sent.")
    if not reason and was_refused:
        reason = _("The provider refused it within the last hour.")
    return OrderResult(order, reason=reason)


def cancel_orders(*, orders: Collection[Order], actor: User) -> BulkResult:
    """Cancel each order as `cancel_order` does. Raise TooMany."""

    def act(order: Order) -> OrderResult:
        try:
            outcome = cancel_order(order=order, actor=actor)
        except TooLate:
            order.refresh_from_db(fields=["status"])
            if order.status != Status.CANCELED:
                raise
            return OrderResult(order, reason=ALREADY)
        return OrderResult(order, back=order.net_charge if outcome is CancelOutcome.WITHDRAWN else 0)

    _check(orders)
    return _each(orders, act)


def refill_orders(*, orders: Collection[Order], actor: User) -> BulkResult:
    """Request a refill of each order as `request_refill` does. Raise TooMany."""

    def act(order: Order) -> OrderResult:
        request_refill(order=order, actor=actor)
        return OrderResult(order)

    _check(orders)
    return _each(orders, act)


def _check(orders: Collection[Order]) -> None:
    if len(orders) > MAX_ORDERS:
        raise TooMany(_("Choose at most %(most)s orders at a time.") % {"most": MAX_ORDERS})


def _each(orders: Collection[Order], act: Callable[[Order], OrderResult]) -> BulkResult:
    return for_each_order(orders, act, refusals=(TooLate, RefillRefused))
