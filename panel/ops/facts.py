"""Whether orders are sent and followed and the books proven, by ages and their bounds, not by heartbeats alone."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Min

from catalog.pauses import usable_providers
from orders.common.backoff import poll_bound
from orders.common.stops import open_stops, without_stops
from orders.models import Order
from orders.states import Submission
from orders.tracking.monitor import poll_backlog
from panel.alerts.causes import Cause
from panel.alerts.models import Alert, Heartbeat, Process
from panel.lib import clock
from panel.lib.formats import duration_text
from panel.ops.watch.business import PROOF_BOUND
from panel.ops.watch.judgement import tasks_behind
from panel.ops.watch.presence import living

# An order that is due is sent within seconds, unless many wait for the same provider.
SENDING_BOUND = timedelta(minutes=10)
# Seconds for which an answer of `/readyz` holds.
READY_SECONDS = 5
LATE = timedelta(minutes=2)
TICKING = ("submit_orders", "begin_runs", "reconcile_orders", "poll_orders", "send_requests", "poll_refills")


@dataclass(frozen=True, slots=True)
class Fact:
    """`is_fine`: the age is within its bound. `text` is a sentence without names, which everybody may read."""

    name: str
    is_fine: bool
    text: str


def all_facts() -> list[Fact]:
    """Return what must hold for the panel to do its work."""
    return [_workers(), _sending(), _following(), _proof()]


def tasks_late() -> list[str]:
    """Return the frequent tasks that have not finished a round lately."""
    now = clock.now()
    # A heartbeat in the future only means that a clock was set back.
    fresh = Heartbeat.objects.filter(task__in=TICKING, beat_at__gte=now - LATE, beat_at__lte=now + LATE)
    alive = set(fresh.values_list("task", flat=True))
    return [task for task in TICKING if task not in alive]


def _workers() -> Fact:
    late = tasks_behind()
    if not Process.objects.filter(kind=Process.Kind.WORKER).exists():
        late = tasks_late()  # Nobody says that they live, as where cron runs the rounds.
    elif not living(Process.Kind.WORKER).exists():
        return Fact("workers", False, "No worker runs.")
    return Fact("workers", not late, f"Late tasks: {', '.join(late)}." if late else "The tasks run.")


def _sending() -> Fact:
    if open_stops().filter(provider=None).exists():
        return Fact("sending", False, "Sending is stopped.")
    oldest = oldest_unsent()
    if oldest is None:
        return Fact("sending", True, "No order waits.")
    age = clock.now() - oldest
    return Fact("sending", age <= SENDING_BOUND, f"The oldest order that could be sent waits {duration_text(age)}.")


def oldest_unsent() -> datetime | None:
    """Return since when the longest-waiting order could have been sent: its provider takes orders."""
    now = clock.now()
    providers = without_stops(usable_providers())
    waiting = Order.objects.filter(submission=Submission.QUEUED, review_reason="", turn__gte=0, next_action_at__lte=now)
    found: datetime | None = waiting.filter(provider__in=providers).aggregate(oldest=Min("next_action_at"))["oldest"]
    return found


def _following() -> Fact:
    bound = poll_bound()
    age = max((one.oldest for one in poll_backlog()), default=timedelta(0))
    text = f"The oldest open order was checked {duration_text(age)} ago; the bound is {duration_text(bound)}."
    return Fact("following", age <= bound, text if age else "No order is open.")


def _proof() -> Fact:
    if Alert.objects.filter(cause=Cause.LEDGER, resolved_at=None).exists():
        return Fact("books", False, "The books do not add up.")
    proven = Heartbeat.objects.filter(task="check_ledger").values_list("beat_at", flat=True).first()
    if proven is None:
        return Fact("books", False, "The books were never proven.")
    age = clock.now() - proven
    return Fact("books", age <= PROOF_BOUND, f"The books were proven {duration_text(age)} ago.")
