"""`cancel` and `refill`: each order by the rules of the browser, one transaction each."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import partial
from typing import Any

import structlog
from django.db.models import Exists, F, OuterRef
from django.utils import timezone

from orders.checkout.drip_feeds import NothingToStop, stop_drip_feed
from orders.models import Order, Refill
from orders.requests.cancel import CancelOutcome, TooLate, cancel_order
from orders.requests.refill import ONE_EVERY, RefillRefusal, RefillRefused, request_refill
from orders.selectors import orders_of
from orders.states import FINAL, DripState, Status
from panel.api.errors import BAD_ORDER, COMPLETED, INTERNAL, ApiError, refused_refill

log = structlog.get_logger(__name__)

MOST_RUNS = 100
"""Runs of drip-feeds that one request refills."""
CANCELED = "The order is canceled."
ASKED = "The provider is asked to cancel the order."
RUNS_ENDED = "What had not begun is canceled. Runs that have begun go on."
RUNS_ASKED = "What had not begun is canceled. The provider is asked to cancel the runs that have begun."


def cancel_each(*, customer: Any, ids: Collection[int]) -> dict[int, str | ApiError]:
    """What came of each order, one of the above; one that is refused or fails stops no other."""
    return _each(customer, ids, _cancel)


@dataclass(slots=True)
class Budget:
    """Runs that one request may still refill: each is a transaction, and a drip-feed has a thousand."""

    runs: int


def refill_each(*, customer: Any, ids: Collection[int]) -> dict[int, int | ApiError]:
    """The refill's id, or why there is none, of each order. Of drip-feeds MOST_RUNS at most; asked again, the next."""
    return _each(customer, ids, partial(_refill, left=Budget(MOST_RUNS)))


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
            if len(ids) == 1:
                raise  # The whole request failed, and says so.
            log.exception("order of a request failed", order=pk)
            answers[pk] = ApiError(INTERNAL)
    return answers


def _cancel(order: Order) -> str:
    return _cancel_runs(order) if order.run == 1 else _cancel_one(order)


def _cancel_one(order: Order) -> str:
    try:
        outcome = cancel_order(order=order, actor=order.customer)
    except TooLate as refusal:
        order.refresh_from_db()
        if order.status == Status.CANCELED and order.refunded == order.charge:
            return CANCELED  # The answer to an earlier request was lost.
        if order.is_final and order.review_reason:
            raise ApiError("Cannot cancel: it has ended, and our team looks at what comes back") from None
        if order.is_final:
            raise ApiError(COMPLETED) from None
        raise ApiError(f"Cannot cancel: {refusal}") from None
    return CANCELED if outcome is CancelOutcome.WITHDRAWN else ASKED


def _cancel_runs(first: Order) -> str:
    """The runs to come are given back; those under way are canceled where that is possible."""
    drip = first.drip_feed
    assert drip is not None
    try:
        stop_drip_feed(drip=drip, actor=first.customer)
    except NothingToStop:
        drip.refresh_from_db()
    runs = Order.objects.filter(drip_feed=drip)
    outcomes: set[str] = set()
    refusal = ApiError(COMPLETED)
    for run in runs.exclude(status__in=FINAL).select_related("customer", "service__upstream").order_by("run"):
        try:
            outcomes.add(_cancel_one(run))
        except ApiError as error:
            refusal = error
    if ASKED in outcomes:
        return RUNS_ASKED
    if not runs.exclude(status=Status.CANCELED, refunded=F("charge")).exists():
        return CANCELED
    if outcomes or drip.state == DripState.STOPPED:
        return RUNS_ENDED
    raise refusal


def _refill(order: Order, left: Budget) -> int:
    """Of a drip-feed, each run that has a right to it; the answer is the first refill's."""
    runs = [order] if order.run != 1 else _refillable(order, left.runs)
    taken: list[int] = []
    refusal = RefillRefusal.NOT_COMPLETED
    for run in runs:
        try:
            taken.append(request_refill(order=run, actor=run.customer).pk)
        except RefillRefused as error:
            refusal = error.reason
    left.runs -= len(taken)
    if not taken:
        raise refused_refill(refusal)
    return taken[0]


def _refillable(first: Order, most: int) -> list[Order]:
    """Completed runs of which none was refilled lately, and the first run where there is none: it tells why."""
    lately = Refill.objects.filter(order=OuterRef("pk"), created_at__gt=timezone.now() - ONE_EVERY)
    runs = Order.objects.filter(drip_feed=first.drip_feed, status=Status.COMPLETED).exclude(Exists(lately))
    return list(runs.select_related("customer", "service__upstream").order_by("run")[:most]) or [first]
