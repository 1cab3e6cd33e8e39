"""Applying what a provider says of a batch of orders, in one short transaction.

Status and refund are one transaction. Rows are locked first, then wallets, both by id: two batches
can never wait for each other. Hearing an answer twice is harmless: a refund is a target.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

import structlog
from django.conf import settings
from django.db import DataError, IntegrityError, transaction
from django.db.models import F
from django.db.models.functions import Least
from django.utils import timezone

from billing.ledger import LedgerError
from catalog.models import Provider
from catalog.upstream.errors import ErrorCode
from catalog.upstream.results import RowError, StatusRow
from orders.common.backoff import LATE_CHANGES, LATE_POLL, next_poll_after
from orders.common.timeline import event_of
from orders.common.transitions import OrderMoved, write_answers
from orders.models import Order, OrderEvent
from orders.refunds.policy import overcharged, sold_at_a_loss
from orders.refunds.posting import Refunded, post_refunds
from orders.requests.cancel import close_cancel_requests
from orders.review.decisions import ask_for_review, close_settled_review
from orders.states import FINAL, EventKind, ReviewReason, Status, Submission
from orders.tracking.interpret import OrderChange, change_of, is_foreign
from panel.alerts.causes import Cause
from panel.alerts.services import raise_alert
from panel.lib.money import format_money

log = structlog.get_logger(__name__)

LOST_AFTER_ERRORS = 10
LOST_AFTER = timedelta(hours=1)
SILENT_AFTER = timedelta(hours=24)
MAX_COUNTED = 1_000

Answers = Mapping[str, StatusRow | RowError]


def apply_answers(*, provider: Provider, batch: Sequence[Order], answers: Answers) -> None:
    """Writes what the provider said of each order of the batch. One bad row never stops the others.

    Answers are matched by the id that this provider gave: another provider's order of the same number
    is never touched.
    """
    try:
        with transaction.atomic():
            _apply(provider, [order.pk for order in batch], answers)
    except (OrderMoved, LedgerError, DataError, IntegrityError) as error:
        if len(batch) > 1:
            # One of them cannot be written: each by itself, so that the others are.
            for order in batch:
                apply_answers(provider=provider, batch=[order], answers=answers)
            return
        log.error("answer not applied", order=batch[0].pk, error=repr(error))
        _set_back(batch[0])


def _set_back(order: Order) -> None:
    """Not ended yet: it must not wait a day for its refund, nor in silence."""
    raise_alert(
        cause=Cause.NOT_APPLIED,
        about=order.pk,
        text=f"What {order} came to could not be written, and no money was moved. It is tried again; see the log.",
        level="danger",
    )
    Order.objects.filter(pk=order.pk).update(
        poll_errors=Least(F("poll_errors") + 1, MAX_COUNTED),
        next_poll_at=timezone.now() + next_poll_after(age=timedelta(0), still_polls=order.still_polls),
    )


def _apply(provider: Provider, pks: Sequence[int], answers: Answers) -> None:
    now = timezone.now()
    locked = Order.objects.filter(pk__in=pks, submission=Submission.ACCEPTED).order_by("pk").select_for_update()
    changes = [change_of(order=order, row=answers.get(order.upstream_id or "")) for order in locked]
    events: list[OrderEvent] = []
    for change in changes:
        _take_over(change, now, events)
    write_answers(
        orders=[change.order for change in changes],
        was={change.order.pk: (change.was, change.was_refunded) for change in changes},
    )
    if events:
        OrderEvent.objects.bulk_create(events)
    if refunds := [refund for change in changes if (refund := _refund(change))]:
        post_refunds(refunds=refunds)
    for change in changes:
        _review(change, now)
    ended = [change.order.pk for change in changes if change.was not in FINAL and change.order.status in FINAL]
    if ended:
        close_cancel_requests(order_ids=ended)
    _watch_costs(provider, changes)


def _take_over(change: OrderChange, now: datetime, events: list[OrderEvent]) -> None:
    """Puts what differs on the order, unsaved, and the time of the next look."""
    order = change.order
    if change.status_row is None:
        order.poll_errors = min(order.poll_errors + 1, MAX_COUNTED)
        order.still_polls = min(order.still_polls + 1, MAX_COUNTED)
    else:
        order.checked_at = now
        order.poll_errors = 0
        order.still_polls = 0 if change.values or change.refund else min(order.still_polls + 1, MAX_COUNTED)
        for name, value in change.values.items():
            setattr(order, name, value)
        if change.refund:
            order.refunded = change.refund.target
    if order.status != change.was:
        if order.status in FINAL and order.finished_at is None:
            order.finished_at = now
        text = _delivered_text(order)
        events.append(event_of(order_id=order.pk, kind=EventKind.STATUS, old=change.was, new=order.status, text=text))
    order.next_poll_at = _next_look(order, now)


def _refund(change: OrderChange) -> Refunded | None:
    order = change.order
    if change.refund is None:
        return None
    text = "nothing was delivered"
    if order.refunded < order.charge:
        text = f"{change.refund.undelivered:,} of {order.quantity:,} not delivered"
    return Refunded(order, order.refunded - change.was_refunded, order.refunded, text)


def _review(change: OrderChange, now: datetime) -> None:
    """What people must look at, and what they no longer need to. Rare, and a statement or two each."""
    order = change.order
    if change.status_row is None:
        _ask_where_lost(order, change.row, now)
    elif change.review:
        ask_for_review(order=order, reason=change.review, note=change.review_note, figures=change.review_figures)
    elif change.settles_review:
        close_settled_review(order=order)


def _ask_where_lost(order: Order, row: StatusRow | RowError | None, now: datetime) -> None:
    """Missing, malformed or unknown upstream: backs off alone, and goes to review when it stays so."""
    unknown = isinstance(row, RowError) and row.code is ErrorCode.UNKNOWN_ORDER
    patience = LOST_AFTER if unknown else SILENT_AFTER
    lost = order.poll_errors >= LOST_AFTER_ERRORS and now - (order.accepted_at or order.created_at) > patience
    if lost and order.finished_at is None and not order.closed_review.startswith(ReviewReason.LOST_UPSTREAM):
        ask_for_review(
            order=order,
            reason=ReviewReason.LOST_UPSTREAM,
            note=f"Asked {order.poll_errors} times about its order {order.upstream_id}.",
        )


def _watch_costs(provider: Provider, changes: Sequence[OrderChange]) -> None:
    """Alerts when a provider charged more than its rate says: once for a service, not for each order.

    In one order for all batches: two of them that raise the same alerts must not wait for each other.
    """
    worst: dict[int, Order] = {}
    foreign = ""
    for change in changes:
        order, row = change.order, change.status_row
        if row is None:
            continue
        if is_foreign(order, row):
            foreign = f"{provider.name} charges in {row.currency}; order {order.pk} was sent in {order.currency}."
        if not _costs_too_much(change):
            continue
        known = worst.setdefault(order.service_id, order)
        if _excess(order) > _excess(known):
            worst[order.service_id] = order
    for _, order in sorted(worst.items()):
        _alert_overcharge(order)
    if foreign:
        raise_alert(cause=Cause.CHARGE_CURRENCY, about=provider.pk, text=foreign, level="danger")


def _costs_too_much(change: OrderChange) -> bool:
    """Whether the answer shows that the order cost more than its rate says, or than was left of its charge."""
    order, cost = change.order, change.order.upstream_charge or 0
    if "upstream_charge" in change.values and overcharged(order, cost):
        return True
    ended = "status" in change.values or change.refund is not None
    return ended and order.is_final and sold_at_a_loss(order, refunded=order.refunded, upstream_charge=cost)


def _excess(order: Order) -> int:
    return (order.upstream_charge or 0) - order.expected_cost


def _alert_overcharge(order: Order) -> None:
    cost = order.upstream_charge or 0
    shown, expected, paid = (
        format_money(amount, settings.PANEL_CURRENCY, exact=True)
        for amount in (cost, order.expected_cost, order.net_charge)
    )
    raise_alert(
        cause=Cause.OVERCHARGE,
        about=order.service_id,
        text=(
            f"Service {order.service_id}: the provider charged {shown} for order {order.pk} instead of {expected}; "
            f"the customer paid {paid}."
        ),
        level="danger" if cost > order.net_charge else "warning",
    )


def _delivered_text(order: Order) -> str:
    if order.status == Status.PARTIAL and order.delivered is not None:
        return f"{order.delivered:,} of {order.quantity:,} delivered"
    return ""


def _next_look(order: Order, now: datetime) -> datetime | None:
    """Daily for a week after the end, since late refunds happen; then never again."""
    if order.finished_at is not None:
        late = now + LATE_POLL
        return late if late - order.finished_at < LATE_CHANGES + LATE_POLL else None
    age = now - (order.accepted_at or order.created_at)
    return now + next_poll_after(age=age, still_polls=order.still_polls)
