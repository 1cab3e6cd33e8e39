"""Queued orders of customers whose orders are held (billing/order_holds.py): they wait outside of the turns.

The claim that meets one sets aside all that its customer has in the queue: below turn 0 and never due, so that no claim
sees them again. They can be canceled like any order that was not sent, and queue again once the hold is released.
"""

from __future__ import annotations

from django.db import transaction
from django.db.models import Case, F, QuerySet, Value, When

from billing.order_holds import end_hold, released_customers
from orders.models import Order
from orders.states import Submission
from panel.lib import clock

# Orders in one statement.
CHUNK = 500


def set_aside(*, customer_id: int) -> int:
    """Take the customer's queued orders out of their turns; return how many. Joins a transaction.

    Orders that another transaction has locked are left for the next claim.
    """
    queued = Order.objects.filter(customer_id=customer_id, submission=Submission.QUEUED, turn__gte=0)
    away = Case(When(turn=0, then=Value(-1)), default=-F("turn"))
    return _update(queued.filter(review_reason=""), turn=away, next_action_at=None)


def queue_released() -> int:
    """Let the orders of customers queue again whose hold was released. Return how many.

    They get new turns in `end_waits`. The time of the hold does not count as time in the queue.
    """
    count = 0
    for customer_id in {*released_customers(), *_left_aside()}:
        queued = Order.objects.filter(customer_id=customer_id, submission=Submission.QUEUED)
        aside = queued.filter(turn__lt=0, next_action_at=None)
        with transaction.atomic():
            now = clock.now()
            _update(queued.filter(turn__gte=0), queued_at=now)
            count += _update(aside, queued_at=now, next_action_at=now)
        if not aside.exists():  # Else one is locked: the next round finds it.
            end_hold(customer_id=customer_id)
    return count


def _left_aside() -> list[int]:
    """Return customers without a hold whose orders a claim set aside that had read the hold before its end."""
    aside = Order.objects.filter(submission=Submission.QUEUED, turn__lt=0, next_action_at=None)
    found = aside.filter(customer__wallet__order_hold=None).order_by().values_list("customer_id", flat=True)
    return list(found.distinct())


def _update(orders: QuerySet[Order], **values: object) -> int:
    """Update the orders that nobody has locked, so that this waits for none of those who cancel them."""
    free = orders.select_for_update(skip_locked=True, of=("self",), no_key=True)
    pks = list(free.values_list("pk", flat=True))
    for start in range(0, len(pks), CHUNK):
        Order.objects.filter(pk__in=pks[start : start + CHUNK]).update(**values)
    return len(pks)
