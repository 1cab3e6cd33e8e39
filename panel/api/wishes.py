"""`cancel` and `refill`: each order by the rules of the browser, one transaction each."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

import structlog

from orders.cancelling import CancelOutcome, TooLate, cancel_order
from orders.dripping import NothingToStop, stop_drip_feed
from orders.models import Order
from orders.refilling import RefillRefused, request_refill
from orders.selectors import orders_of
from orders.states import Status
from panel.api.errors import BAD_ORDER, INTERNAL, ApiError, refused_refill

log = structlog.get_logger(__name__)


def cancel_each(*, customer: Any, ids: Collection[int]) -> dict[int, CancelOutcome | ApiError]:
    """What came of each order; one that is refused or fails stops no other."""
    return _each(customer, ids, _cancel)


def refill_each(*, customer: Any, ids: Collection[int]) -> dict[int, int | ApiError]:
    """The refill's id, or why there is none, of each order."""
    return _each(customer, ids, _refill)


def _each(customer: Any, ids: Collection[int], act: Callable[[Order], Any]) -> dict[int, Any]:
    found = orders_of(customer=customer).select_related("customer", "service__upstream", "drip_feed").in_bulk(ids)
    answers: dict[int, Any] = {}
    for pk in ids:
        try:
            if pk not in found:
                raise ApiError(BAD_ORDER)
            answers[pk] = act(found[pk])
        except ApiError as error:
            answers[pk] = error
        except Exception:
            log.exception("order of a request failed", order=pk)
            answers[pk] = ApiError(INTERNAL)
    return answers


def _cancel(order: Order) -> CancelOutcome:
    if order.run == 1:
        return _cancel_runs(order)
    return _cancel_one(order)


def _cancel_one(order: Order) -> CancelOutcome:
    try:
        return cancel_order(order=order, actor=order.customer)
    except TooLate as refusal:
        order.refresh_from_db()
        if order.status == Status.CANCELED:
            return CancelOutcome.WITHDRAWN  # The answer to an earlier request was lost.
        if order.is_final:
            raise ApiError("Order already completed") from None
        raise ApiError(f"Cannot cancel: {refusal}") from None


def _cancel_runs(first: Order) -> CancelOutcome:
    """The runs to come are given back; those under way are canceled where that is possible."""
    outcomes: list[CancelOutcome] = []
    refusal = ApiError("Order already completed")
    assert first.drip_feed is not None
    try:
        stop_drip_feed(drip=first.drip_feed, actor=first.customer)
        outcomes.append(CancelOutcome.WITHDRAWN)
    except NothingToStop:
        pass
    runs = Order.objects.filter(drip_feed=first.drip_feed).select_related("customer", "service__upstream")
    for run in runs.order_by("run"):
        try:
            outcomes.append(_cancel_one(run))
        except ApiError as error:
            if not run.is_final:
                refusal = error
    if not outcomes:
        raise refusal
    return CancelOutcome.ASKED if CancelOutcome.ASKED in outcomes else CancelOutcome.WITHDRAWN


def _refill(order: Order) -> int:
    """Of a drip-feed, each completed run; the answer is the first refill's."""
    runs = [order]
    if order.run == 1:
        others = Order.objects.filter(drip_feed=order.drip_feed).select_related("customer", "service__upstream")
        runs = list(others.order_by("run"))
    taken: list[int] = []
    refusal: RefillRefused | None = None
    for run in runs:
        try:
            taken.append(request_refill(order=run, actor=run.customer).pk)
        except RefillRefused as error:
            refusal = refusal or error
    if not taken:
        assert refusal is not None
        raise refused_refill(refusal)
    return taken[0]
