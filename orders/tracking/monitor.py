"""Whether every open order is looked at in time."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Count, Min, Q
from django.db.models.functions import Coalesce
from django.utils import timezone

from catalog.models import Provider
from orders.common.backoff import poll_bound
from orders.models import Order
from orders.states import Submission
from panel.alerts.causes import Cause
from panel.alerts.services import raise_alert, resolve_alert

# From so many in a row it is the order that the provider cannot tell of: in the end staff are asked.
ERRORS_OF_ITS_OWN = 3


@dataclass(frozen=True, slots=True)
class Following:
    """A provider's open orders: how many there are, and when the one that waits longest was last checked."""

    provider_id: int
    open: int
    oldest_check: datetime | None

    @property
    def oldest(self) -> timedelta:
        """How long ago the provider last told how that one stands."""
        return timezone.now() - self.oldest_check if self.oldest_check else timedelta(0)


def following() -> list[Following]:
    """One for each provider with open orders.

    The age leaves out what has a deadline of its own: orders in review, and those that the provider leaves out
    of its answers or cannot tell of, which go there.
    """
    rows = (
        Order.objects.filter(submission=Submission.ACCEPTED, finished_at=None)
        .values("provider_id")
        .annotate(
            open=Count("pk"),
            oldest=Min(
                Coalesce("checked_at", "accepted_at", "created_at"),
                filter=Q(review_reason="", poll_errors__lt=ERRORS_OF_ITS_OWN),
            ),
        )
        .order_by("provider_id")
    )
    return [Following(row["provider_id"], row["open"], row["oldest"]) for row in rows]


def watch_polls() -> None:
    """Alerts for each provider of which an open order went unchecked past the bound, and takes the alerts back."""
    bound = poll_bound()
    late = {one.provider_id: one for one in following() if one.oldest > bound}
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
