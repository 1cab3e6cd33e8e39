"""Which orders are polled, and when next: the rows of the poll queue, made and moved."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from django.db.models import Exists, OuterRef, Subquery
from django.db.models.functions import Coalesce

from orders.models import Order, OrderPoll
from orders.states import FINAL, Submission
from panel.lib.bulk_sql import in_chunks
from panel.lib.prepared_sql import insert_row

# Rows that one transaction of the sweep writes.
SWEPT = 2_000
# Columns of an order, and what a poll calls them.
_ADOPTED = {
    "pk": "order_id",
    "provider_id": "provider_id",
    "next_poll_at": "due_at",
    "checked_at": "checked_at",
    "still_polls": "unchanged",
    "poll_errors": "errors",
}


def follow(*, order_id: int, provider_id: int, due_at: datetime) -> None:
    """Poll the order from `due_at` on, whether it is followed already or not; drop an end that was held.

    Joins a transaction.
    Until the next release the order's own `next_poll_at` says the same: the release before polls by it.
    """
    insert_row(
        OrderPoll(order_id=order_id, provider_id=provider_id, due_at=due_at),
        keeps=("provider_id", "checked_at"),
    )


def poll_soon(*, order_ids: Collection[int], due_at: datetime) -> None:
    """Poll these orders at `due_at` unless they ended, as often as new ones from then on."""
    open_orders = Order.objects.filter(pk__in=order_ids, submission=Submission.ACCEPTED).exclude(status__in=FINAL)
    OrderPoll.objects.filter(order__in=open_orders).update(due_at=due_at, unchanged=0)


def unfollow(*, polls: Collection[OrderPoll]) -> None:
    """Poll these orders no more, unless they became due by another reason since the polls were claimed.

    Joins a transaction that has locked the orders. They keep when they were last checked.
    """
    ended = OrderPoll.objects.filter(pk__in=[poll.pk for poll in polls], due_at__in={poll.due_at for poll in polls})
    checked_at = ended.filter(pk=OuterRef("pk")).values("checked_at")
    Order.objects.filter(pk__in=ended.values("pk")).update(
        next_poll_at=None, checked_at=Coalesce(Subquery(checked_at), "checked_at")
    )
    ended.delete()


def adopt_unfollowed() -> int:
    """Follow the orders that the release before accepted: they have `next_poll_at`, and no row. Return how many.

    Both releases may run for a while. An order that both follow is polled twice, which changes nothing.
    """
    unfollowed = Order.objects.filter(
        ~Exists(OrderPoll.objects.filter(order=OuterRef("pk"))),
        submission=Submission.ACCEPTED,
        next_poll_at__isnull=False,
    )
    rows = list(unfollowed.order_by("pk").values_list(*_ADOPTED))
    for chunk in in_chunks(rows, SWEPT):
        polls = [OrderPoll(**dict(zip(_ADOPTED.values(), row, strict=True))) for row in chunk]
        OrderPoll.objects.bulk_create(polls, ignore_conflicts=True, batch_size=500)
    return len(rows)
