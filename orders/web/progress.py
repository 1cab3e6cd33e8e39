"""How fast an order is delivered, and when it is probably done. Pure: no database, no clock.

Two sources: the order's own progress since its start, once there is enough of it; until then how long orders of its
service usually take. Nothing is said of the past, nor of an order that stands still.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.utils.translation import gettext as _

from orders.models import Order, OrderEvent
from orders.states import EventKind, Status

# Below these, one late answer of a provider would change the expectation too much.
MIN_DELIVERED = 10
MIN_SHARE = 0.05
MIN_LASTED = timedelta(minutes=2)
# It stands still if its last change is longer ago than this, and than all that it took until then.
STILL_AFTER = timedelta(minutes=30)
# Further ahead nobody can tell.
MAX_AHEAD = timedelta(days=60)


@dataclass(frozen=True, slots=True)
class Progress:
    """What was delivered of an order when. `begun_at` is its start, `changed_at` the last change of `delivered`."""

    begun_at: datetime
    changed_at: datetime
    delivered: int
    quantity: int


def progress_of(order: Order, events: Iterable[OrderEvent]) -> Progress | None:
    """Return the order's own progress; None before its start, and if its provider reports no numbers."""
    if order.is_final or order.accepted_at is None or order.checked_at is None or order.delivered is None:
        return None
    starts = (
        event.created_at for event in events if event.kind == EventKind.STATUS and event.new == Status.IN_PROGRESS
    )
    return Progress(min(starts, default=order.accepted_at), order.checked_at, order.delivered, order.quantity)


def pace_of(progress: Progress | None) -> float | None:
    """Return how many are delivered a second; None until enough were."""
    if progress is None:
        return None
    lasted = progress.changed_at - progress.begun_at
    enough = max(MIN_DELIVERED, MIN_SHARE * progress.quantity)
    if lasted < MIN_LASTED or progress.delivered < enough:
        return None
    return progress.delivered / lasted.total_seconds()


def expected_end(
    *, now: datetime, ordered_at: datetime, progress: Progress | None, typical_seconds: int | None
) -> datetime | None:
    """Return when the order is probably done; None if nobody can tell.

    `typical_seconds` is how long orders of the service usually take, from `ordered_at` to the end.
    """
    pace = pace_of(progress)
    if progress is not None and pace is not None:
        still = now - progress.changed_at
        if still > max(STILL_AFTER, progress.changed_at - progress.begun_at):
            return None
        missing = progress.quantity - progress.delivered
        end = progress.changed_at + timedelta(seconds=min(missing / pace, MAX_AHEAD.total_seconds() + 1))
    elif typical_seconds is not None:
        end = ordered_at + timedelta(seconds=typical_seconds)
    else:
        return None
    return end if now < end <= now + MAX_AHEAD else None


def pace_text(pace: float) -> str:
    """Return a pace as people say it, in two digits: "About 50 a minute", "About 3 a day"."""
    if pace * 60 >= 1:
        return _("About %(count)s a minute") % {"count": _two_digits(pace * 60)}
    if pace * 3_600 >= 1:
        return _("About %(count)s an hour") % {"count": _two_digits(pace * 3_600)}
    return _("About %(count)s a day") % {"count": _two_digits(max(1.0, pace * 86_400))}


def _two_digits(value: float) -> str:
    step = 10 ** max(0, len(str(int(value))) - 2)
    return f"{round(value / step) * step:,}"
