"""Due times that a clock which was ahead has left: without this, all would wait until the time comes round again.

Only where database and workers share one clock. Working early is harmless here: each of these rows is claimed.
"""

from __future__ import annotations

from datetime import timedelta

import structlog
from django.db.models import F, Model, QuerySet

from catalog.imports.run import LEASE as IMPORT_LEASE
from catalog.models import Provider, SyncRun
from orders.models import CancelRequest, Order, OrderPoll, Refill
from orders.states import Submission
from panel.lib import clock
from panel.site import registry as site
from panel.site.submission_times import submission_times

log = structlog.get_logger(__name__)

# Waits are rarely longer. What is due within it may be right, and is late by no more if it is not.
LONG_WAIT = timedelta(hours=1)
SPARE = timedelta(minutes=1)


def bring_back_due_times(by: timedelta) -> None:
    """Move what is due too late `by` the time that the clock was set back. Joins a transaction.

    Runs of drip-feeds stay: they must not begin earlier than their customers chose.
    """
    wait = min(by, LONG_WAIT)
    lease = timedelta(seconds=submission_times()[1]) + SPARE
    doubt = timedelta(minutes=site.DOUBT_DEADLINE_MINUTES.value) + SPARE
    queued = Order.objects.filter(submission__in=(Submission.QUEUED, Submission.IN_DOUBT))
    moved = (
        # Providers first, as a claim locks them before its order.
        _move(Provider.objects.all(), "paused_until", by, wait)
        + _move(Provider.objects.all(), "polling_until", by, wait)
        + _move(queued, "next_action_at", by, wait)
        + _move(Order.objects.filter(submission=Submission.SUBMITTING), "lease_until", by, lease)
        + _move(Order.objects.filter(submission=Submission.IN_DOUBT), "doubt_until", by, doubt)
        + _move(OrderPoll.objects.all(), "due_at", by, wait)
        + _move(CancelRequest.objects.all(), "next_action_at", by, wait)
        + _move(Refill.objects.all(), "next_action_at", by, wait)
        + _move(SyncRun.objects.filter(outcome=SyncRun.Outcome.RUNNING), "lease_until", by, IMPORT_LEASE + SPARE)
    )
    log.warning("clock was set back", seconds=round(by.total_seconds()), moved=moved)


def _move(rows: QuerySet[Model], column: str, by: timedelta, longest: timedelta) -> int:
    late = rows.filter(**{f"{column}__gt": clock.now() + longest}).order_by()
    return late.update(**{column: F(column) - by})
