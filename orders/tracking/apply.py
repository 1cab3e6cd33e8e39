"""Applying a provider's answers to a batch of orders, in one short transaction.

Status and refund are written in one transaction. Orders are locked first, then wallets, both by id, so that two
batches cannot deadlock. Applying an answer twice is harmless, as a refund is a target.
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
from orders.review.decisions import ask_for_review, close_resolved_review
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
    """Write what the answers change of each order in the batch. An order that cannot be written stops no other.

    `answers` are by upstream id. Only orders of the batch change, so another provider's order with the same id is safe.
    """
    try:
        with transaction.atomic():
            _apply(provider, [order.pk for order in batch], answers)
    except (OrderMoved, LedgerError, DataError, IntegrityError) as error:
        if len(batch) > 1:
            # One of them cannot be written, so write each by itself.
            for order in batch:
                apply_answers(provider=provider, batch=[order], answers=answers)
            return
        log.error("answer not applied", order=batch[0].pk, error=repr(error))
        _retry_soon(batch[0])


def _retry_soon(order: Order) -> None:
    """Raise an alert and poll again as soon as a new order, since a refund may depend on it."""
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
        _update_order(change, now, events)
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


def _update_order(change: OrderChange, now: datetime, events: list[OrderEvent]) -> None:
    """Set the changed columns and the next poll on the order, unsaved. Append a change of status to `events`."""
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
    order.next_poll_at = _next_poll(order, now)


def _refund(change: OrderChange) -> Refunded | None:
    order = change.order
    if change.refund is None:
        return None
    text = "nothing was delivered"
    if order.refunded < order.charge:
        text = f"{change.refund.undelivered:,} of {order.quantity:,} not delivered"
    return Refunded(order, order.refunded - change.was_refunded, order.refunded, text)


def _review(change: OrderChange, now: datetime) -> None:
    """Ask for the review that the change needs, or close the one that it makes needless. Rare: a few statements."""
    order = change.order
    if change.status_row is None:
        _review_if_lost(order, change.row, now)
    elif change.review:
        ask_for_review(order=order, reason=change.review, note=change.review_note, figures=change.review_figures)
    elif change.closes_review:
        close_resolved_review(order=order)


def _review_if_lost(order: Order, row: StatusRow | RowError | None, now: datetime) -> None:
    """Ask for a review if the provider has given no usable row for the order for too long."""
    unknown = isinstance(row, RowError) and row.code is ErrorCode.UNKNOWN_ORDER
    limit = LOST_AFTER if unknown else SILENT_AFTER
    lost = order.poll_errors >= LOST_AFTER_ERRORS and now - (order.accepted_at or order.created_at) > limit
    if lost and order.finished_at is None and not order.closed_review.startswith(ReviewReason.LOST_UPSTREAM):
        ask_for_review(
            order=order,
            reason=ReviewReason.LOST_UPSTREAM,
            note=f"Asked {order.poll_errors} times about its order {order.upstream_id}.",
        )


def _watch_costs(provider: Provider, changes: Sequence[OrderChange]) -> None:
    """Raise an alert for each service with an order that cost too much, and for charges in another currency.

    Alerts are raised in the order of service ids, so that two batches cannot deadlock.
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
    """Return True if the answer shows that the order cost more than expected or was sold at a loss."""
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


def _next_poll(order: Order, now: datetime) -> datetime | None:
    """Return when to poll the order next: daily for a week after its end, as providers refund late; then None."""
    if order.finished_at is not None:
        late = now + LATE_POLL
        return late if late - order.finished_at < LATE_CHANGES + LATE_POLL else None
    age = now - (order.accepted_at or order.created_at)
    return now + next_poll_after(age=age, still_polls=order.still_polls)
