"""Applying a provider's answers to a batch of polls, in one short transaction.

Most answers change nothing: they write the narrow row of the poll alone. Only orders that an answer changes are locked
and written, status and refund in one transaction. Orders are locked first, then wallets, both by id, so that two
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
from orders.common.poll_queue import unfollow
from orders.common.timeline import event_of
from orders.common.transitions import OrderMoved, write_answers
from orders.models import Order, OrderEvent, OrderPoll
from orders.refunds.policy import overcharged, sold_at_a_loss
from orders.refunds.posting import Refunded, post_refunds
from orders.requests.cancel import close_cancel_requests
from orders.review.decisions import ask_for_review, close_resolved_review
from orders.states import FINAL, EventKind, ReviewReason, Status
from orders.tracking.interpret import OrderChange, change_of, is_foreign
from panel.alerts.causes import Cause
from panel.alerts.services import raise_alert
from panel.lib.bulk_sql import update_rows
from panel.lib.money import format_money
from panel.site import registry as site

log = structlog.get_logger(__name__)

LOST_AFTER_ERRORS = 10
LOST_AFTER = timedelta(hours=1)
MAX_COUNTED = 1_000
# What an answer writes of a poll.
_WRITTEN = ("due_at", "checked_at", "unchanged", "errors")

Answers = Mapping[str, StatusRow | RowError]


def apply_answers(*, provider: Provider, batch: Sequence[OrderPoll], answers: Answers) -> None:
    """Write what the answers change of each order in the batch. An order that cannot be written stops no other.

    The polls in the batch are claimed, and carry their orders. `answers` are by upstream id. Only orders of the batch
    change, so another provider's order with the same id is safe.
    """
    try:
        with transaction.atomic():
            _apply(provider, batch, answers)
    except (OrderMoved, LedgerError, DataError, IntegrityError) as error:
        if len(batch) > 1:
            # One of them cannot be written, so write each by itself.
            for poll in batch:
                apply_answers(provider=provider, batch=[poll], answers=answers)
            return
        log.error("answer not applied", order=batch[0].pk, error=repr(error))
        _retry_soon(batch[0])


def _retry_soon(poll: OrderPoll) -> None:
    """Raise an alert and poll again as soon as a new order, since a refund may depend on it."""
    raise_alert(
        cause=Cause.NOT_APPLIED,
        about=poll.pk,
        text=f"What {poll.order} came to could not be written, and no money was moved. It is tried again; see the log.",
        level="danger",
    )
    OrderPoll.objects.filter(pk=poll.pk).update(
        errors=Least(F("errors") + 1, MAX_COUNTED),
        due_at=timezone.now() + next_poll_after(age=timedelta(0), still_polls=poll.unchanged),
    )


def _apply(provider: Provider, batch: Sequence[OrderPoll], answers: Answers) -> None:
    now = timezone.now()
    # By the orders as they were claimed. What changes nothing of those needs no lock.
    changes = {poll.pk: change_of(order=poll.order, row=_row_of(poll.order, answers)) for poll in batch}
    if changing := [pk for pk, change in changes.items() if change]:
        _change_orders(changes, changing, answers, now)
    _write_polls(batch, changes, now)
    for poll in batch:
        if changes[poll.pk].status_row is None:
            _review_if_lost(poll, changes[poll.pk].row, now)
    _watch_costs(provider, list(changes.values()))


def _row_of(order: Order, answers: Answers) -> StatusRow | RowError | None:
    return answers.get(order.upstream_id or "")


def _change_orders(changes: dict[int, OrderChange], pks: Sequence[int], answers: Answers, now: datetime) -> None:
    """Lock these orders, write what the answers change of them as they are now, and put that into `changes`."""
    locked = Order.objects.filter(pk__in=pks).order_by("pk").select_for_update()
    found = [change_of(order=order, row=_row_of(order, answers)) for order in locked]
    changes.update((change.order.pk, change) for change in found)
    events: list[OrderEvent] = []
    for change in found:
        _update_order(change, now, events)
    write_answers(
        orders=[change.order for change in found],
        was={change.order.pk: (change.was, change.was_refunded) for change in found},
    )
    if events:
        OrderEvent.objects.bulk_create(events)
    if refunds := [refund for change in found if (refund := _refund(change))]:
        post_refunds(refunds=refunds)
    for change in found:
        _review(change)
    ended = [change.order.pk for change in found if change.was not in FINAL and change.order.status in FINAL]
    if ended:
        close_cancel_requests(order_ids=ended)


def _update_order(change: OrderChange, now: datetime, events: list[OrderEvent]) -> None:
    """Set the changed columns on the order, unsaved. Append a change of status to `events`."""
    order = change.order
    if change.status_row is not None:
        order.checked_at = now
        for name, value in change.values.items():
            setattr(order, name, value)
        if change.refund:
            order.refunded = change.refund.target
    if order.status != change.was:
        if order.status in FINAL and order.finished_at is None:
            order.finished_at = now
        text = _delivered_text(order)
        events.append(event_of(order_id=order.pk, kind=EventKind.STATUS, old=change.was, new=order.status, text=text))


def _write_polls(batch: Sequence[OrderPoll], changes: Mapping[int, OrderChange], now: datetime) -> None:
    """Write how the polls went and when the next ones are due, in one statement; end those that are followed no more.

    A poll that became due by another reason meanwhile, such as a cancel, stays as it is.
    """
    rows: list[tuple[object, ...]] = []
    ended: list[int] = []
    for poll in batch:
        change, claimed_until = changes[poll.pk], poll.due_at
        due_at = _next_poll(poll, change, now)
        if due_at is None:
            ended.append(poll.pk)
        else:
            rows.append((poll.pk, claimed_until, due_at, poll.checked_at, poll.unchanged, poll.errors))
    if rows:
        update_rows(model=OrderPoll, columns=_WRITTEN, rows=rows, unmoved=("due_at",))
    if ended:
        unfollow(order_ids=ended, checked_at=now)


def _next_poll(poll: OrderPoll, change: OrderChange, now: datetime) -> datetime | None:
    """Count the answer on the poll, unsaved. Return when the order is polled next, None if it is followed no more.

    That is daily for a week after its end, as providers refund late.
    """
    order = change.order
    if change.status_row is None:
        poll.errors = min(poll.errors + 1, MAX_COUNTED)
        poll.unchanged = min(poll.unchanged + 1, MAX_COUNTED)
    else:
        poll.checked_at = now
        poll.errors = 0
        poll.unchanged = 0 if change.values or change.refund else min(poll.unchanged + 1, MAX_COUNTED)
    if order.finished_at is not None:
        late = now + LATE_POLL
        return late if late - order.finished_at < LATE_CHANGES + LATE_POLL else None
    age = now - (order.accepted_at or order.created_at)
    return now + next_poll_after(age=age, still_polls=poll.unchanged)


def _refund(change: OrderChange) -> Refunded | None:
    order = change.order
    if change.refund is None:
        return None
    text = "nothing was delivered"
    if order.refunded < order.charge:
        text = f"{change.refund.undelivered:,} of {order.quantity:,} not delivered"
    return Refunded(order, order.refunded - change.was_refunded, order.refunded, text)


def _review(change: OrderChange) -> None:
    """Ask for the review that the change needs, or close the one that it makes needless. Rare: a few statements."""
    order = change.order
    if change.review:
        ask_for_review(order=order, reason=change.review, note=change.review_note, figures=change.review_figures)
    elif change.closes_review:
        close_resolved_review(order=order)


def _review_if_lost(poll: OrderPoll, row: StatusRow | RowError | None, now: datetime) -> None:
    """Ask for a review if the provider has given no usable row for the order for too long."""
    order = poll.order
    unknown = isinstance(row, RowError) and row.code is ErrorCode.UNKNOWN_ORDER
    limit = LOST_AFTER if unknown else timedelta(hours=site.SILENCE_HOURS.value)
    lost = poll.errors >= LOST_AFTER_ERRORS and now - (order.accepted_at or order.created_at) > limit
    if lost and order.finished_at is None and not order.closed_review.startswith(ReviewReason.LOST_UPSTREAM):
        ask_for_review(
            order=order,
            reason=ReviewReason.LOST_UPSTREAM,
            note=f"Asked {poll.errors} times about its order {order.upstream_id}.",
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
    if "upstream_charge" in change.values and overcharged(order, cost, percent=site.OVERCHARGE_PERCENT.value):
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
