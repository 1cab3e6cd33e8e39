"""The panel's work as the chaos tests call it: rounds of tasks, actions of its owner, and waits that end at once."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from typing import Any

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from catalog.models import Provider
from catalog.pauses import resume_provider
from orders.common.stops import open_stops, resume_sending
from orders.common.transitions import OrderMoved
from orders.dispatch import submit, timeouts
from orders.models import Order, OrderEvent, OrderPoll
from orders.reconcile import worker
from orders.review.decisions import dismiss_review
from orders.states import ReviewReason, StopReason
from orders.tracking import poll as polling

# The tasks of a round, in order.
WORK: tuple[Callable[[], Any], ...] = (
    timeouts.meet_deadlines,
    submit.submit_due_orders,
    worker.reconcile_due_orders,
    polling.poll_due_orders,
)


def sweep() -> None:
    """Do what a healthy panel does within minutes: run each task, with all waits ended before it."""
    for work in WORK:
        resume_providers()
        decide_reused_ids()
        end_waits()
        work()


def give_up() -> None:
    """End the deadline of every doubt, so that those that are not resolved go to review."""
    Order.objects.filter(submission="in_doubt").update(doubt_until=_past())
    timeouts.meet_deadlines()


def poll() -> None:
    end_waits()
    polling.poll_due_orders()


def end_leases(orders: Any) -> None:
    orders.filter(submission="placing").update(lease_until=_past())


def end_waits() -> None:
    """End every wait before the next attempt, search or poll, but no deadline."""
    waiting = Order.objects.filter(submission__in=("queued", "in_doubt")).exclude(next_action_at__lte=timezone.now())
    _end_wait(waiting, "next_action_at")
    _end_wait(OrderPoll.objects.filter(due_at__gt=timezone.now()), "due_at")


def _end_wait(rows: QuerySet[Any], column: str) -> None:
    """Make the rows due, except those that a worker has locked: waiting for locks could cause a deadlock."""
    with transaction.atomic():
        free = list(rows.select_for_update(skip_locked=True).values_list("pk", flat=True))
        rows.model._default_manager.filter(pk__in=free).update(**{column: _past()})


def resume_providers() -> None:
    """Resume every paused provider, as the owner's "Resume" button does."""
    for provider in Provider.objects.filter(is_active=True).exclude(paused_until=None, polling_until=None):
        resume_provider(provider=provider)


def decide_reused_ids() -> None:
    """Decide as staff do that an id which came twice belongs to the order that had it first, and resume the sending."""
    for order in Order.objects.filter(submission="placed", review_reason=ReviewReason.DUPLICATE_ID):
        with suppress(OrderMoved):
            dismiss_review(order=order, note="The id is this order's", actor=None)
    for stop in open_stops().filter(reason=StopReason.REUSED_IDS):
        resume_sending(stop=stop, actor=None)


def retire(provider: Provider) -> None:
    """Deactivate the provider after its case, so that no later round works on its orders."""
    Provider.objects.filter(pk=provider.pk).update(is_active=False)
    Order.objects.filter(provider=provider).update(next_action_at=None, next_poll_at=None)
    OrderPoll.objects.filter(provider=provider).delete()


def submit_for(provider: Provider) -> None:
    """Submit the provider's due orders, in this process."""
    resume_provider(provider=provider)
    submit.submit_for_provider(provider=provider)


def resolution_of(order: Order) -> str:
    """Return how an order in doubt was found to be accepted: "" if it never was in doubt, or was not accepted."""
    events = OrderEvent.objects.filter(order=order, kind="placement")
    if order.submission != "placed" or not events.filter(new="in_doubt").exists():
        return ""
    if events.filter(text__startswith="Found at the provider").exists():
        return "resolved by ids"
    ids = order.submission_attempts.exclude(request_id="").values_list("request_id", flat=True)
    return "resolved by repeating" if len(ids) > len(set(ids)) else "resolved by a late answer"


def _past() -> Any:
    return timezone.now() - timedelta(seconds=1)


# The rounds of work that a child process can run, by name.
ROUNDS: dict[str, Callable[[], Any]] = {
    "expire": timeouts.meet_deadlines,
    "submit": submit.submit_due_orders,
    "reconcile": worker.reconcile_due_orders,
    "poll": poll,
    "sweep": sweep,
    "give up": give_up,
}
