"""Monitoring whether open orders are polled in time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Count, Min, Q
from django.db.models.functions import Coalesce

from catalog.models import Provider
from orders.common.backoff import poll_bound
from orders.common.poll_queue import adopt_unfollowed
from orders.models import Order
from orders.states import Submission
from orders.tracking.end_alerts import refresh_end_alerts
from orders.tracking.poll import ERRORS_OF_ITS_OWN
from orders.tracking.unknown_words import refresh_word_alerts
from panel.alerts.causes import Cause
from panel.alerts.services import raise_alert, resolve_alert
from panel.lib import clock


@dataclass(frozen=True, slots=True)
class PollBacklog:
    """A provider's open orders: how many, and when the one that waits longest was last polled with success.

    `unread` of them got no answer that can be read, several times in a row.
    """

    provider_id: int
    open: int
    unread: int
    oldest_check: datetime | None

    @property
    def oldest(self) -> timedelta:
        """Return how long ago that one was last polled with success."""
        return clock.now() - self.oldest_check if self.oldest_check else timedelta(0)


def poll_backlog() -> list[PollBacklog]:
    """Return a row for each provider with open orders. `unread` and `oldest_check` leave out orders in review.

    `oldest_check` leaves out orders with repeated errors, too, which go to review, unless most orders have them: then
    it is not the orders that are to blame.
    """
    watched = Q(review_reason="")
    in_trouble = watched & Q(poll__errors__gte=ERRORS_OF_ITS_OWN)
    checked = Coalesce("poll__checked_at", "checked_at", "accepted_at", "created_at")
    rows = (
        Order.objects.filter(submission=Submission.ACCEPTED, finished_at=None)
        .values("provider_id")
        .annotate(
            open=Count("pk"),
            watched=Count("pk", filter=watched),
            unread=Count("pk", filter=in_trouble),
            oldest=Min(checked, filter=watched & (Q(poll=None) | Q(poll__errors__lt=ERRORS_OF_ITS_OWN))),
            oldest_unread=Min(checked, filter=in_trouble),
        )
        .order_by("provider_id")
    )
    return [PollBacklog(row["provider_id"], row["open"], row["unread"], _oldest(row)) for row in rows]


def _oldest(row: Mapping[str, Any]) -> datetime | None:
    most = row["unread"] * 2 > row["watched"]
    times = [row["oldest"], row["oldest_unread"] if most else None]
    return min((one for one in times if one is not None), default=None)


def watch_polls() -> None:
    """Follow what the release before accepted. Raise an alert for each provider with an open order that was not polled
    within the bound; resolve the others. Bring the alerts about doubted ends up to date.
    """
    adopt_unfollowed()
    refresh_end_alerts()
    refresh_word_alerts()
    bound = poll_bound()
    late = {one.provider_id: one for one in poll_backlog() if one.oldest > bound}
    for provider in Provider.objects.all():
        one = late.get(provider.pk)
        if one is None:
            resolve_alert(cause=Cause.UNCHECKED, about=provider.pk)
            continue
        text = (
            f"{provider.name}: an open order was last checked {_minutes(one.oldest)} min ago; the bound is "
            f"{_minutes(bound)} min. Nothing is lost: refunds wait until it answers."
        )
        if one.unread:
            text += f" Of {one.open:,} open orders, {one.unread:,} got no answer that can be read."
        raise_alert(
            cause=Cause.UNCHECKED,
            about=provider.pk,
            text=text,
            level="danger",
        )


def _minutes(age: timedelta) -> int:
    return int(age.total_seconds() // 60)
