"""Monitoring whether open orders are polled in time."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Count, Min, Q
from django.db.models.functions import Coalesce

from catalog.models import Provider
from orders.common.backoff import poll_bound
from orders.common.poll_queue import adopt_unfollowed
from orders.models import Order
from orders.states import Submission
from orders.tracking.end_alerts import refresh_end_alerts
from panel.alerts.causes import Cause
from panel.alerts.services import raise_alert, resolve_alert
from panel.lib import clock

# After this many errors in a row the order itself is to blame; it goes to review in the end.
ERRORS_OF_ITS_OWN = 3


@dataclass(frozen=True, slots=True)
class PollBacklog:
    """A provider's open orders: how many, and when the one that waits longest was last polled with success."""

    provider_id: int
    open: int
    oldest_check: datetime | None

    @property
    def oldest(self) -> timedelta:
        """Return how long ago that one was last polled with success."""
        return clock.now() - self.oldest_check if self.oldest_check else timedelta(0)


def poll_backlog() -> list[PollBacklog]:
    """Return a row for each provider with open orders.

    `oldest_check` leaves out orders in review and orders with repeated errors, which go to review.
    """
    rows = (
        Order.objects.filter(submission=Submission.ACCEPTED, finished_at=None)
        .values("provider_id")
        .annotate(
            open=Count("pk"),
            oldest=Min(
                Coalesce("poll__checked_at", "checked_at", "accepted_at", "created_at"),
                filter=Q(review_reason="") & (Q(poll=None) | Q(poll__errors__lt=ERRORS_OF_ITS_OWN)),
            ),
        )
        .order_by("provider_id")
    )
    return [PollBacklog(row["provider_id"], row["open"], row["oldest"]) for row in rows]


def watch_polls() -> None:
    """Follow what the release before accepted. Raise an alert for each provider with an open order that was not polled
    within the bound; resolve the others. Bring the alerts about doubted ends up to date.
    """
    adopt_unfollowed()
    refresh_end_alerts()
    bound = poll_bound()
    late = {one.provider_id: one for one in poll_backlog() if one.oldest > bound}
    for provider in Provider.objects.all():
        one = late.get(provider.pk)
        if one is None:
            resolve_alert(cause=Cause.UNCHECKED, about=provider.pk)
            continue
        raise_alert(
            cause=Cause.UNCHECKED,
            about=provider.pk,
            text=(
                f"{provider.name}: an open order was last checked {_minutes(one.oldest)} min ago; the bound is "
                f"{_minutes(bound)} min. Nothing is lost: refunds wait until it answers."
            ),
            level="danger",
        )


def _minutes(age: timedelta) -> int:
    return int(age.total_seconds() // 60)
