"""`cancel` and `refill`: each order by the rules of the browser, one transaction each."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

import structlog
from django.db.models import Exists, F, OuterRef

from orders.checkout.drip_feeds import NothingToStop, stop_drip_feed
from orders.models import Order, Refill
from orders.requests.cancel import CancelOutcome, TooLate, cancel_order
from orders.requests.refill import ONE_EVERY, RefillRefusal, RefillRefused, request_refill
from orders.selectors import orders_of
from orders.states import FINAL, DripState, Status, is_end_undecided
from panel.accounts.models import ApiKey, User
from panel.api.errors import BAD_ORDER, COMPLETED, INTERNAL, ApiError, refused_refill
from panel.api.params import Params, read_ids, shown_id
from panel.lib import clock

log = structlog.get_logger(__name__)
T = TypeVar("T")

# Runs of drip-feeds that one request may refill.
MAX_RUNS = 100
CANCELED = "The order is canceled."
ASKED = "The provider is asked to cancel the order."
RUNS_ENDED = "What had not begun is canceled. Runs that have begun go on."
RUNS_ASKED = "What had not begun is canceled. The provider is asked to cancel the runs that have begun."


@dataclass(slots=True)
class Budget:
    """Runs that one request may still refill: each is a transaction, and a drip-feed can have a thousand."""

    runs: int


def cancel(key: ApiKey, params: Params) -> object:
    """Cancel orders; a refused or failed one does not stop the others. Raise ApiError."""
    ids = read_ids(params, one="order", many="orders")
    found = ids.pairs(_each(key.customer, ids.numbers, _cancel))
    if ids.is_one:
        [(_, answer)] = found
        return {"success": answer} if isinstance(answer, str) else _error(answer)
    return [
        {"order": shown_id(name), "cancel": 1 if isinstance(answer, str) else _error(answer)} for name, answer in found
    ]


def refill(key: ApiKey, params: Params) -> object:
    """Request refills, for drip-feeds at most MAX_RUNS runs; the next request continues. Raise ApiError."""
    ids = read_ids(params, one="order", many="orders")
    found = ids.pairs(_each(key.customer, ids.numbers, partial(_refill, left=Budget(MAX_RUNS))))
    if ids.is_one:
        [(_, answer)] = found
        return {"refill": str(answer)} if isinstance(answer, int) else _error(answer)
    return [
        {"order": shown_id(name), "refill": answer if isinstance(answer, int) else _error(answer)}
        for name, answer in found
    ]


def _error(error: object) -> dict[str, str]:
    return {"error": str(error or BAD_ORDER)}


def _each(customer: User, ids: Collection[int], act: Callable[[Order], T]) -> dict[int, T | ApiError]:
    found = orders_of(customer=customer).select_related("customer", "service__upstream", "drip_feed").in_bulk(ids)
    answers: dict[int, T | ApiError] = {}
    for pk in ids:
        try:
            if pk not in found:
                raise ApiError(BAD_ORDER)
            answers[pk] = act(found[pk])
        except ApiError as error:
            answers[pk] = error
        except Exception:
            if len(ids) == 1:
                raise  # The whole request failed, so raise.
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
        if is_end_undecided(order.status, order.review_reason):
            raise ApiError("Cannot cancel: it has ended, and our team looks at what comes back") from None
        if order.is_final:
            raise ApiError(COMPLETED) from None
        raise ApiError(f"Cannot cancel: {refusal}") from None
    return CANCELED if outcome is CancelOutcome.WITHDRAWN else ASKED


def _cancel_runs(first: Order) -> str:
    """Refund the runs that have not begun, and cancel those in progress where possible."""
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
    """Request refills, for a drip-feed one for each run entitled to it. Return the id of the first."""
    runs = [order] if order.run != 1 else _refillable(order, left.runs)
    refill_ids: list[int] = []
    refusal = RefillRefusal.NOT_COMPLETED
    for run in runs:
        try:
            refill_ids.append(request_refill(order=run, actor=run.customer).pk)
        except RefillRefused as error:
            refusal = error.reason
    left.runs -= len(refill_ids)
    if not refill_ids:
        raise refused_refill(refusal)
    return refill_ids[0]


def _refillable(first: Order, most: int) -> list[Order]:
    """Return completed runs without a recent refill; if there are none, the first run, which gives the reason."""
    lately = Refill.objects.filter(order=OuterRef("pk"), created_at__gt=clock.now() - ONE_EVERY)
    runs = Order.objects.filter(drip_feed=first.drip_feed, status=Status.COMPLETED).exclude(Exists(lately))
    return list(runs.select_related("customer", "service__upstream").order_by("run")[:most]) or [first]
