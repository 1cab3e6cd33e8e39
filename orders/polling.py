"""Following orders: claim a batch of one provider, one `status` call, one short transaction.

The claim pushes `next_poll_at` ahead, so that batches do not overlap and a killed worker costs one lease.
Hearing an answer twice is harmless: refunds are targets, and every write is conditional.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial

import structlog
from django.conf import settings
from django.db import DatabaseError, transaction
from django.db.models import Min
from django.utils import timezone

from billing.ledger import LedgerError
from catalog.models import Provider
from catalog.providers import ProviderUnusable, client_for, leave_polling_lane, take_polling_lane
from catalog.upstream.client import UpstreamClient
from catalog.upstream.errors import ErrorCode, ProviderRefused, UpstreamError
from catalog.upstream.results import RowError, StatusRow
from orders.events import write_event
from orders.models import Order
from orders.progress import Change, change_from
from orders.refunds import Sold, overcharged
from orders.reviewing import ask_for_review
from orders.rounds import for_each_provider
from orders.schedule import LATE_CHANGES, LATE_POLL, next_poll_after
from orders.settling import OrderMoved, refund_up_to
from orders.states import FINAL, Placement, ReviewReason, Status
from panel.money import format_money
from panel.ops.alerts import raise_alert, resolve_alert

log = structlog.get_logger(__name__)

BATCH = 100
CLAIM_SECONDS = 120
AFTER_TROUBLE_SECONDS = 30.0
ROUND_SECONDS = 20.0
LOST_AFTER_ERRORS = 10
LOST_AFTER = timedelta(hours=1)
SILENT_AFTER = timedelta(hours=24)

Answers = Mapping[str, StatusRow | RowError]


def poll_due_orders(*, seconds: float = ROUND_SECONDS) -> int:
    """One round over all providers with due orders; returns how many orders were asked about."""
    return for_each_provider(partial(poll_provider, seconds=seconds), providers_with_due_polls())


def providers_with_due_polls() -> list[Provider]:
    """Providers with orders to look at, the longest waiting first.

    Also those that are switched off: off means that nothing new is bought, and customers are still owed
    what is not delivered.
    """
    due = (
        Order.objects.filter(next_poll_at__lte=timezone.now())
        .values("provider_id")
        .annotate(first=Min("next_poll_at"))
        .order_by("first")
        .values_list("provider_id", flat=True)
    )
    providers = Provider.objects.in_bulk(list(due))
    return [providers[pk] for pk in due]


def poll_provider(*, provider: Provider, seconds: float = ROUND_SECONDS) -> int:
    """Polls this provider's due orders, batch after batch, for about `seconds`; returns how many."""
    cause = f"provider:{provider.pk}:polling"
    try:
        client = client_for(provider)
    except ProviderUnusable as error:
        raise_alert(cause=cause, text=str(error), level="danger")
        return 0
    if not take_polling_lane(provider=provider, seconds=seconds + CLAIM_SECONDS):
        return 0
    wait: float = AFTER_TROUBLE_SECONDS  # Also when this round is cut short by an error of ours.
    try:
        polled, answered = _poll_batches(provider, client, cause, seconds)
        wait = 0 if answered else AFTER_TROUBLE_SECONDS
    finally:
        leave_polling_lane(provider=provider, wait=wait)
    return polled


def _poll_batches(provider: Provider, client: UpstreamClient, cause: str, seconds: float) -> tuple[int, bool]:
    """How many orders were asked about, and whether the provider answered to the end."""
    stop_at = time.monotonic() + seconds
    polled = 0
    while time.monotonic() < stop_at:
        batch = claim_batch(provider_id=provider.pk)
        if not batch:
            break
        try:
            answers = _ask(client, batch)
        except UpstreamError as error:
            # The claim stands: the batch is asked again when it runs out.
            raise_alert(cause=cause, text=f"{provider.name} does not tell the status of orders: {error}")
            return polled, False
        resolve_alert(cause=cause)
        apply_answers(provider=provider, batch=batch, answers=answers)
        polled += len(batch)
    return polled, True


def _ask(client: UpstreamClient, batch: Sequence[Order]) -> Answers:
    """One call. Where a provider refuses the whole list for one id it does not know, the halves are asked."""
    try:
        return client.statuses([order.upstream_id for order in batch if order.upstream_id])
    except ProviderRefused as error:
        if error.code is not ErrorCode.UNKNOWN_ORDER or len(batch) < 2:
            raise
    middle = len(batch) // 2
    return {**_ask(client, batch[:middle]), **_ask(client, batch[middle:])}


def claim_batch(*, provider_id: int) -> list[Order]:
    """At most 100 due orders of one provider, the longest waiting first, kept from other workers."""
    now = timezone.now()
    with transaction.atomic():
        batch = list(
            Order.objects.filter(provider_id=provider_id, placement=Placement.PLACED, next_poll_at__lte=now)
            .order_by("next_poll_at", "pk")
            .select_for_update(skip_locked=True)[:BATCH]
        )
        if batch:
            Order.objects.filter(pk__in=[order.pk for order in batch]).update(
                next_poll_at=now + timedelta(seconds=CLAIM_SECONDS)
            )
    return batch


def apply_answers(*, provider: Provider, batch: Sequence[Order], answers: Answers) -> None:
    """Writes what the provider said of each order. One bad row never stops the others.

    Answers are matched by the id that this provider gave: another provider's order of the same number
    is never touched.
    """
    now = timezone.now()
    with transaction.atomic():
        # Order rows first, by id; then wallets, by customer: two batches can never wait for each other.
        locked = {
            order.pk: order
            for order in Order.objects.filter(pk__in=[order.pk for order in batch])
            .select_related("customer")
            .order_by("pk")
            .select_for_update(of=("self",))
        }
        orders = sorted(locked.values(), key=lambda order: (order.customer_id, order.pk))
        for order in orders:
            _apply(provider, order, answers.get(order.upstream_id or ""), now)
        Order.objects.bulk_update(orders, ["next_poll_at", "still_polls", "poll_errors"])


def _apply(provider: Provider, order: Order, answer: StatusRow | RowError | None, now: datetime) -> None:
    if not isinstance(answer, StatusRow):
        _count_error(order, answer, now)
        return
    change = change_from(order=order, row=answer, exchange_rate=provider.exchange_rate)
    if not change:
        order.poll_errors = 0
        order.still_polls = min(order.still_polls + 1, 1_000)
    else:
        finished_at = order.finished_at
        try:
            # A savepoint for what changed alone: a row that the database refuses must not undo the others.
            with transaction.atomic():
                _write(order, change, now)
        except (OrderMoved, DatabaseError, LedgerError) as error:
            log.error("answer not applied", order=order.pk, error=repr(error))
            order.finished_at = finished_at  # Not ended yet: it must not wait a day for its refund.
            order.poll_errors = min(order.poll_errors + 1, 1_000)
        else:
            order.poll_errors = order.still_polls = 0
    order.next_poll_at = _next_look(order, now)


def _write(order: Order, change: Change, now: datetime) -> None:
    old = order.status
    if change.new_status in FINAL and order.finished_at is None:
        change.values["finished_at"] = now
    if change.values:
        moved = Order.objects.filter(pk=order.pk, status=old).update(**change.values)
        if not moved:
            raise OrderMoved(f"order {order.pk}")
        for name, value in change.values.items():
            setattr(order, name, value)
    if change.new_status:
        write_event(
            order_id=order.pk,
            kind="status",
            old=old,
            new=change.new_status,
            text=_delivered_text(order),
        )
    if change.refund is not None:
        text = (
            f"{change.refund.undelivered:,} of {order.quantity:,} not delivered"
            if change.refund.target < order.charge
            else "nothing was delivered"
        )
        refund_up_to(order=order, target=change.refund.target, text=text)
    if change.review:
        ask_for_review(order=order, reason=change.review, note=change.review_note)
    if "upstream_charge" in change.values:
        _watch_cost(order)


def _watch_cost(order: Order) -> None:
    """Alerts when a provider charged more than its rate says: once for a service, not for each order."""
    sold = Sold(quantity=order.quantity, charge=order.charge, expected_cost=order.expected_cost)
    cost = order.upstream_charge or 0
    if not overcharged(sold, cost):
        return
    shown, expected, paid = (
        format_money(amount, settings.PANEL_CURRENCY, exact=True)
        for amount in (cost, order.expected_cost, order.net_charge)
    )
    raise_alert(
        cause=f"service:{order.service_id}:overcharge",
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


def _count_error(order: Order, answer: RowError | None, now: datetime) -> None:
    """Missing, malformed or unknown upstream: backs off alone, and goes to review when it stays so."""
    order.poll_errors = min(order.poll_errors + 1, 1_000)
    order.still_polls = min(order.still_polls + 1, 1_000)
    order.next_poll_at = _next_look(order, now)
    unknown = isinstance(answer, RowError) and answer.code is ErrorCode.UNKNOWN_ORDER
    patience = LOST_AFTER if unknown else SILENT_AFTER
    placed_at = order.placed_at or order.created_at
    lost = order.poll_errors >= LOST_AFTER_ERRORS and now - placed_at > patience
    if lost and order.finished_at is None and not order.closed_review.startswith(ReviewReason.LOST_UPSTREAM):
        ask_for_review(
            order=order,
            reason=ReviewReason.LOST_UPSTREAM,
            note=f"Asked {order.poll_errors} times about its order {order.upstream_id}.",
        )


def _next_look(order: Order, now: datetime) -> datetime | None:
    """Daily for a week after the end, since late refunds happen; then never again."""
    if order.finished_at is not None:
        late = now + LATE_POLL
        return late if late - order.finished_at < LATE_CHANGES + LATE_POLL else None
    age = now - (order.placed_at or order.created_at)
    return now + next_poll_after(age=age, still_polls=order.still_polls)
