"""Requests that wait, sent or polled at once because staff want it so."""

from __future__ import annotations

from django.db import transaction
from django.db.models import QuerySet

from orders.common.timeline import write_event
from orders.models import CancelRequest, Order, Refill
from orders.states import EventKind
from panel.accounts.models import User
from panel.lib import clock
from panel.lib.task_hints import hint_after_commit


def send_at_once(*, waiting: QuerySet[CancelRequest] | QuerySet[Refill], order: Order, actor: User) -> bool:
    """Let the order's request among `waiting` be sent in the next round. Return False if none waits any more."""
    kind = EventKind.REFILL if waiting.model is Refill else EventKind.CANCEL
    text = "Staff did not wait for the next try to send the request"
    return _hurry(waiting, order, actor, kind, text, "orders.tasks.send_requests")


def poll_at_once(*, running: QuerySet[Refill], order: Order, actor: User) -> bool:
    """Let the order's refill among `running` be polled in the next round. Return False if none runs any more."""
    text = "Staff asked the provider how the refill stands"
    return _hurry(running, order, actor, EventKind.REFILL, text, "orders.tasks.poll_refills")


def _hurry(
    rows: QuerySet[CancelRequest] | QuerySet[Refill], order: Order, actor: User, kind: EventKind, text: str, task: str
) -> bool:
    # What a worker holds is at the provider right now.
    due = rows.filter(order=order, claim_token="", next_action_at__isnull=False)
    with transaction.atomic():
        if not due.update(next_action_at=clock.now()):
            return False
        write_event(order_id=order.pk, kind=kind, text=text, actor=actor, public=False)
        hint_after_commit(task)
    return True
