"""Applying a provider's answers to a batch of polls, in one short transaction.

Most answers change nothing: they write the narrow row of the poll alone. Only orders that an answer may change are
locked, compared again and written, status and refund in one transaction. Applying an answer twice is harmless, as a
refund is a target.

Everything that writes these rows takes orders first, then polls, then wallets, each by id, so that two of them cannot
deadlock.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

import structlog
from django.conf import settings
from django.db import DataError, IntegrityError, transaction
from django.db.models import F
from django.db.models.functions import Least

from billing.ledger import LedgerError
from catalog.models import Provider
from catalog.upstream.errors import ErrorCode
from catalog.upstream.results import RowError, StatusRow
from orders.common.backoff import LATE_CHANGES, LATE_POLL, next_poll_after
from orders.common.poll_queue import unfollow
from orders.common.timeline import event_of
from orders.common.transitions import OrderMoved, write_answers
from orders.models import Order, OrderEvent, OrderPoll
from orders.reckoning.costs import correct_costs, counted_cost
from orders.reckoning.currency import stop_foreign_currency
from orders.refunds.policy import overcharged, sold_at_a_loss
from orders.refunds.posting import Refunded, post_refunds, refunded_by_answers
from orders.requests.cancel import close_cancel_requests
from orders.review.decisions import ask_for_review, close_resolved_review
from orders.states import FINAL, EventKind, ReviewReason, Status
from orders.tracking.end_alerts import alert_recanted, alert_wave
from orders.tracking.hidden_losses import watch_hidden_losses
from orders.tracking.interpret import OrderChange, ask_about_word, change_of, is_foreign, without_effect
from orders.tracking.recanted import recants
from orders.tracking.unknown_words import Unknown, alert_unknown_words, stays, unknown_of
from orders.tracking.waves import Held, end_of, held_of, held_until, hold_ends
from panel.alerts.causes import Cause
from panel.alerts.services import raise_alert
from panel.lib import clock
from panel.lib.bulk_sql import update_rows
from panel.lib.money import format_money
from panel.site import registry as site

log = structlog.get_logger(__name__)

LOST_AFTER_ERRORS = 10
LOST_AFTER = timedelta(hours=1)
MAX_COUNTED = 1_000

Answers = Mapping[str, StatusRow | RowError]


def apply_answers(
    *, provider: Provider, batch: Sequence[OrderPoll], answers: Answers, together: Collection[int] | None = None
) -> None:
    """Write what the answers change of each order in the batch. An order that cannot be written stops no other.

    The polls in the batch are claimed, and carry their orders. `answers` are by upstream id. Only orders of the batch
    change, so another provider's order with the same id is safe. `together` are the orders that ended in the same call,
    those of the batch by default.
    """
    now = clock.now()
    changes = {poll.pk: _change_of(poll, poll.order, answers, now) for poll in batch}
    if together is None:
        together = {pk for pk, change in changes.items() if end_of(change)}
    try:
        with transaction.atomic():
            _apply(provider, batch, answers, changes, together)
    except (OrderMoved, LedgerError, DataError, IntegrityError) as error:
        if len(batch) > 1:
            # One of them cannot be written, so write each by itself.
            for poll in batch:
                apply_answers(provider=provider, batch=[poll], answers=answers, together=together)
            return
        log.error("answer not applied", order=batch[0].pk, error=repr(error))
        _retry_soon(batch[0])


def _change_of(poll: OrderPoll, order: Order, answers: Answers, now: datetime) -> OrderChange:
    change = change_of(order=order, row=_row_of(order, answers))
    if stays(unknown_of(poll, change.unknown_word, now=now), now=now):
        ask_about_word(change)
    return change


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
        due_at=clock.now() + next_poll_after(age=timedelta(0), still_polls=poll.unchanged),
    )


def _apply(
    provider: Provider,
    batch: Sequence[OrderPoll],
    answers: Answers,
    claimed: Mapping[int, OrderChange],
    together: Collection[int],
) -> None:
    """Apply the answers. `claimed` are the changes of the orders as they were claimed."""
    now = clock.now()
    changes = dict(claimed)
    # What changes nothing of those needs no lock.
    written = {poll.pk: _written(poll, changes[poll.pk], now) for poll in batch}
    touched = [
        poll.pk
        for poll in batch
        if (change := changes[poll.pk])
        or written[poll.pk].due_at is None
        or _is_lost(poll.order, change.row, written[poll.pk].errors, now)
    ]
    refunds: list[Refunded] = []
    held: dict[int, Held] = {}
    if touched:
        # The orders may have changed since they were claimed.
        orders = Order.objects.filter(pk__in=touched).order_by("pk").select_for_update()
        polls = {poll.pk: poll for poll in batch}
        locked = {order.pk: _change_of(polls[order.pk], order, answers, now) for order in orders}
        held = hold_ends(
            provider=provider, polls=batch, changes=locked, together=together, answers=len(answers), now=now
        )
        locked |= {pk: without_effect(locked[pk]) for pk in held}
        _keep_own_refunds(list(locked.values()))
        changes |= locked
        refunds = _change_orders(provider, [change for change in locked.values() if change], now)
        written |= {
            poll.pk: _written(poll, changes[poll.pk], now, held.get(poll.pk)) for poll in batch if poll.pk in locked
        }
        for pk, change in locked.items():
            if _is_lost(change.order, change.row, written[pk].errors, now):
                _ask_about_lost(change.order, written[pk].errors)
    _write_polls(batch, written)
    if refunds:
        post_refunds(refunds=refunds)
    if held:
        alert_wave(provider)
    if any(change.review == ReviewReason.RECANTED for change in changes.values()):
        alert_recanted(provider)
    if any(change.unknown_word is not None for change in changes.values()):
        alert_unknown_words(provider)
    _watch_costs(provider, list(changes.values()))
    watch_hidden_losses(provider, list(changes.values()))


def _row_of(order: Order, answers: Answers) -> StatusRow | RowError | None:
    return answers.get(order.upstream_id or "")


def _keep_own_refunds(changes: Sequence[OrderChange]) -> None:
    """Drop the reviews of recanted ends whose refund was a decision of staff: no answer can take that back."""
    doubted = [change for change in changes if change.late_answer]
    if not doubted:
        return
    refunded = refunded_by_answers(order_ids=[change.order.pk for change in doubted])
    for change in doubted:
        order, answer = change.order, change.late_answer
        if answer and not recants(order, answer, refunded=refunded.get(order.pk, 0)):
            change.review, change.late_answer = "", None
            change.closes_review = bool(order.review_reason)


def _change_orders(provider: Provider, changes: Sequence[OrderChange], now: datetime) -> list[Refunded]:
    """Write the changes of locked orders, their timelines and their reviews. Return the refunds to post."""
    if not changes:
        return []
    events: list[OrderEvent] = []
    costs = [counted_cost(change.order) for change in changes]
    for change in changes:
        _update_order(change, now, events)
    write_answers(
        orders=[change.order for change in changes],
        was={change.order.pk: (change.was, change.was_refunded) for change in changes},
    )
    correct_costs(provider_id=provider.pk, before=costs, orders=[change.order for change in changes], at=now)
    if events:
        OrderEvent.objects.bulk_create(events)
    for change in changes:
        _review(change)
    ended = [change.order.pk for change in changes if change.was not in FINAL and change.order.status in FINAL]
    if ended:
        close_cancel_requests(order_ids=ended)
    return [refund for change in changes if (refund := _refund(change))]


def _update_order(change: OrderChange, now: datetime, events: list[OrderEvent]) -> None:
    """Set the changed columns on the order, unsaved. Append a change of status to `events`."""
    order = change.order
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


class _Written(NamedTuple):
    """What an answer writes of a poll. `due_at` is None if the order is followed no more."""

    due_at: datetime | None
    checked_at: datetime | None
    unchanged: int
    errors: int
    held_status: str
    held_refund: int | None
    held_since: datetime | None
    unknown_word: str
    unknown_since: datetime | None


# How many of the columns each answer writes; the others are about ends that are held and words that are unknown.
_USUAL = 4


def _written(poll: OrderPoll, change: OrderChange, now: datetime, held: Held | None = None) -> _Written:
    """Return the poll after this answer. An order that ended is polled daily for a week, as providers refund late.

    `held` is an end that waits for the next answer. An answer that is no such end drops the one that waited.
    """
    order = change.order
    is_answered = change.status_row is not None
    unchanged = 0 if change.values or change.refund else min(poll.unchanged + 1, MAX_COUNTED)
    if order.finished_at is not None:
        late = now + LATE_POLL
        due_at = late if late - order.finished_at < LATE_CHANGES + LATE_POLL else None
    else:
        due_at = now + next_poll_after(age=now - (order.accepted_at or order.created_at), still_polls=unchanged)
    errors = 0 if is_answered else min(poll.errors + 1, MAX_COUNTED)
    if held:
        due_at = held_until(held, now=now)
    elif not is_answered:
        held = held_of(poll)
    unknown = unknown_of(poll, change.unknown_word, now=now)
    if not is_answered:
        unknown = Unknown(poll.unknown_word, poll.unknown_since)
    return _Written(
        due_at,
        now if is_answered else poll.checked_at,
        unchanged,
        errors,
        held.status if held else "",
        held.refund if held else None,
        held.since if held else None,
        *unknown,
    )


def _write_polls(batch: Sequence[OrderPoll], written: Mapping[int, _Written]) -> None:
    """Write the polls; end those that are followed no more. One statement, or two if ends are held or words unknown.

    A poll that became due by another reason meanwhile, such as a cancel, stays as it is. So does one that somebody
    holds just now: to wait for it could deadlock, and it is polled again when its lease ends.
    """
    pairs = [(poll, written[poll.pk]) for poll in batch]
    unusual = [pair for pair in pairs if _is_unusual(pair[0]) or _is_unusual(pair[1])]
    usual = [pair for pair in pairs if not (_is_unusual(pair[0]) or _is_unusual(pair[1]))]
    for part, columns in ((usual, _Written._fields[:_USUAL]), (unusual, _Written._fields)):
        rows = [(poll.pk, poll.due_at, after.due_at or poll.due_at, *after[1 : len(columns)]) for poll, after in part]
        update_rows(model=OrderPoll, columns=columns, rows=rows, unmoved=("due_at",), skip_locked=True)
    ended = [poll for poll, after in pairs if after.due_at is None]
    if ended:
        unfollow(polls=ended)


def _is_unusual(poll: OrderPoll | _Written) -> bool:
    return bool(poll.held_since or poll.unknown_since)


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
        ask_for_review(
            order=order,
            reason=change.review,
            note=change.review_note,
            figures=change.review_figures,
            replaces=change.review == ReviewReason.RECANTED,
        )
    elif change.closes_review:
        close_resolved_review(order=order)


def _is_lost(order: Order, row: StatusRow | RowError | None, errors: int, now: datetime) -> bool:
    """Return True if the provider has given no usable row for the open order for too long, and staff don't know yet."""
    if isinstance(row, StatusRow) or errors < LOST_AFTER_ERRORS or order.finished_at is not None:
        return False
    unknown = isinstance(row, RowError) and row.code is ErrorCode.UNKNOWN_ORDER
    limit = LOST_AFTER if unknown else timedelta(hours=site.SILENCE_HOURS.value)
    is_known = order.review_reason or order.closed_review.startswith(ReviewReason.LOST_UPSTREAM)
    return not is_known and now - (order.accepted_at or order.created_at) > limit


def _ask_about_lost(order: Order, errors: int) -> None:
    ask_for_review(
        order=order,
        reason=ReviewReason.LOST_UPSTREAM,
        note=f"Asked {errors} times about its order {order.upstream_id}.",
    )


def _watch_costs(provider: Provider, changes: Sequence[OrderChange]) -> None:
    """Raise an alert for each service with an order that cost too much. Charges in another currency stop sending.

    Alerts are raised in the order of service ids, so that two batches cannot deadlock.
    """
    worst: dict[int, Order] = {}
    foreign = currency = ""
    for change in changes:
        order, row = change.order, change.status_row
        if row is None:
            continue
        if is_foreign(order, row):
            foreign = f"{provider.name} charges in {row.currency}; order {order.pk} was sent in {order.currency}."
            currency = row.currency
        if not _costs_too_much(change):
            continue
        known = worst.setdefault(order.service_id, order)
        if _excess(order) > _excess(known):
            worst[order.service_id] = order
    for _, order in sorted(worst.items()):
        _alert_overcharge(order)
    if foreign:
        stop_foreign_currency(provider_id=provider.pk, currency=currency)
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
