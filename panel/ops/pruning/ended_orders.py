"""Pruning what is stored about orders that ended long ago: events, and answers to attempts that were not accepted.

Ended orders are read by an index on their end, from where the last batch stopped. An order that is not settled at that
moment is passed over, until the next pass.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta

from django.db import transaction
from django.db.models import Case, Exists, F, OuterRef, Q, TextField, Value, When
from django.db.models.fields.tuple_lookups import Tuple, TupleGreaterThan
from django.utils import timezone

from orders.models import CancelRequest, Order, OrderEvent, OrderPoll, PlacementAttempt, PruningProgress, Refill
from orders.states import FINAL, AttemptOutcome, CancelState, EventKind, RefillState, Submission
from panel.site import retention

# Orders in a batch, which is one transaction.
BATCH = 500
# A new pass begins so long after the last one began: then orders that were not settled are by now.
PASS = timedelta(days=30)

# What the order itself says (`timeline_of` reads it there), or what only explains how it came to its end.
_REPEATED = (EventKind.ORDERED, EventKind.SUBMISSION, EventKind.STATUS, EventKind.REVIEW)
# Of money, and of staff even where the person is not stored, such as by a command.
_KEPT = (EventKind.REFUND, EventKind.STAFF)
_DECIDED = (Submission.ACCEPTED, Submission.REFUSED, Submission.WITHDRAWN)


def prune_events() -> int | None:
    """Delete events of a batch of settled orders. Return how many, or None if no order is left.

    Those of people and of money stay, and what the customer reads about cancels and refills.
    """
    return _prune_batch("events", retention.KEEP_EVENTS_DAYS.value, _delete_events)


def prune_answers() -> int | None:
    """Empty what was sent in the attempts of a batch of settled orders, and the answers other than an acceptance.

    Return how many, or None if no order is left. The attempts stay, with their outcome.
    """
    return _prune_batch("answers", retention.KEEP_ANSWERS_DAYS.value, _empty_answers)


def _delete_events(orders: Sequence[int]) -> int:
    ours = OrderEvent.objects.filter(order__in=orders, actor=None).exclude(kind__in=_KEPT)
    return ours.filter(Q(kind__in=_REPEATED) | Q(is_public=False)).delete()[0]


def _empty_answers(orders: Sequence[int]) -> int:
    accepted = Q(outcome=AttemptOutcome.ACCEPTED)
    attempts = PlacementAttempt.objects.filter(~accepted & ~Q(body="") | Q(sent__isnull=False), order__in=orders)
    return attempts.update(
        sent=None, body=Case(When(accepted, then=F("body")), default=Value(""), output_field=TextField())
    )


def _prune_batch(name: str, days: int, prune: Callable[[Sequence[int]], int]) -> int | None:
    """Call `prune` with the settled ones of the next orders that ended more than `days` ago, in one transaction."""
    until = timezone.now() - timedelta(days=days)
    with transaction.atomic():
        progress = _lock_progress(name)
        if progress is None:
            return None  # Another process prunes.
        ended = Order.objects.filter(finished_at__lt=until)
        if progress.finished_at is not None:
            place = (progress.finished_at, progress.order_number)
            # The first condition is that of the index.
            ended = ended.filter(
                Q(finished_at__gte=progress.finished_at), TupleGreaterThan(Tuple("finished_at", "pk"), place)
            )
        rows = list(ended.order_by("finished_at", "pk").values_list("finished_at", "pk")[:BATCH])
        if not rows:
            if timezone.now() - progress.began_at >= PASS:
                progress.finished_at, progress.order_number, progress.began_at = None, 0, timezone.now()
                progress.save()
            return None
        pruned = prune(_settled([pk for _, pk in rows]))
        progress.finished_at, progress.order_number = rows[-1]
        progress.save()
        return pruned


def _lock_progress(name: str) -> PruningProgress | None:
    """Return the row of this name, locked; None if another process has locked it."""
    row = PruningProgress.objects.select_for_update(skip_locked=True).filter(name=name).first()
    if row is not None:
        return row
    row, is_new = PruningProgress.objects.get_or_create(name=name)
    return row if is_new else None


def _settled(orders: Sequence[int]) -> list[int]:
    """Return those of the orders of which nothing is open: no review, no doubt, no poll and no request."""
    requests = (
        Exists(CancelRequest.objects.filter(order=OuterRef("pk"), state__in=CancelState.open())),
        Exists(Refill.objects.filter(order=OuterRef("pk"), state__in=RefillState.open())),
        Exists(OrderPoll.objects.filter(order=OuterRef("pk"))),
    )
    ended = Order.objects.filter(pk__in=orders, status__in=FINAL, submission__in=_DECIDED, review_reason="")
    for one in requests:
        ended = ended.filter(~one)
    return list(ended.order_by().values_list("pk", flat=True))
