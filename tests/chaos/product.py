"""The panel as the chaos uses it: rounds of its work, what its owner does, and time that passes faster."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from catalog.models import Provider
from catalog.provider_accounts import resume_provider
from orders.dispatch import submit, timeouts
from orders.models import Order, OrderEvent, OrderPoll
from orders.reconcile import worker
from orders.tracking import poll as polling

WORK: tuple[Callable[[], Any], ...] = (
    timeouts.meet_deadlines,
    submit.submit_due_orders,
    worker.reconcile_due_orders,
    polling.poll_due_orders,
)


def sweep() -> None:
    """What the workers of a healthy panel do in a few minutes: all waits are over, and everything is looked at."""
    for work in WORK:
        resume_providers()
        end_waits()
        work()


def give_up() -> None:
    """The deadline of every doubt has passed: what is not settled now is for staff."""
    Order.objects.filter(submission="in_doubt").update(doubt_until=_past())
    timeouts.meet_deadlines()


def poll() -> None:
    end_waits()
    polling.poll_due_orders()


def end_leases(orders: Any) -> None:
    orders.filter(submission="placing").update(lease_until=_past())


def end_waits() -> None:
    """Every wait before a next try, look or poll is over; no deadline is."""
    waiting = Order.objects.filter(submission__in=("queued", "in_doubt")).exclude(next_action_at__lte=timezone.now())
    _end_wait(waiting, "next_action_at")
    _end_wait(OrderPoll.objects.filter(due_at__gt=timezone.now()), "due_at")


def _end_wait(rows: QuerySet[Any], column: str) -> None:
    """Without the rows that a worker holds just now: nobody shall wait for the chaos, or even deadlock with it."""
    with transaction.atomic():
        free = list(rows.select_for_update(skip_locked=True).values_list("pk", flat=True))
        rows.model._default_manager.filter(pk__in=free).update(**{column: _past()})


def resume_providers() -> None:
    """The owner presses "Resume" for each provider that is paused."""
    for provider in Provider.objects.filter(is_active=True).exclude(paused_until=None, polling_until=None):
        resume_provider(provider=provider)


def retire(provider: Provider) -> None:
    """Its scene is over: no later round looks at its orders again."""
    Provider.objects.filter(pk=provider.pk).update(is_active=False)
    Order.objects.filter(provider=provider).update(next_action_at=None, next_poll_at=None)
    OrderPoll.objects.filter(provider=provider).delete()


def submit_for(provider: Provider) -> None:
    """Sends what is due at this provider, in this process."""
    resume_provider(provider=provider)
    submit.submit_for_provider(provider=provider)


def how_settled(order: Order) -> str:
    """How a doubt became a placed order: "" when it never was in doubt, or still is."""
    events = OrderEvent.objects.filter(order=order, kind="placement")
    if order.submission != "placed" or not events.filter(new="in_doubt").exists():
        return ""
    if events.filter(text__startswith="Found at the provider").exists():
        return "settled by ids"
    ids = order.submission_attempts.exclude(request_id="").values_list("request_id", flat=True)
    return "settled by repeat" if len(ids) > len(set(ids)) else "settled by late answer"


def _past() -> Any:
    return timezone.now() - timedelta(seconds=1)


# What a process can be told to do, by name.
ROUNDS: dict[str, Callable[[], Any]] = {
    "expire": timeouts.meet_deadlines,
    "submit": submit.submit_due_orders,
    "reconcile": worker.reconcile_due_orders,
    "poll": poll,
    "sweep": sweep,
    "give up": give_up,
}
