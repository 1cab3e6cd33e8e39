"""Reading drip-feeds and their runs for pages. Each customer sees their own alone."""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import blake2s

from django.db.models import QuerySet

from orders.models import DripFeed, Order
from orders.web.live_updates import ORDER_PACE, REFILL_PACE, Shown
from panel.accounts.models import User


def drips_of(*, customer: User) -> QuerySet[DripFeed]:
    """The customer's drip-feeds."""
    return DripFeed.objects.filter(customer=customer)


def runs_of(*, drip: DripFeed) -> QuerySet[Order]:
    """The runs that began, each an order."""
    return Order.objects.filter(drip_feed=drip)


def drip_feed_version(*, drip: DripFeed, runs: Iterable[Order]) -> str:
    """Stands for what the page of a drip-feed shows: another one as soon as anything of it changed."""
    shown = [(run.pk, *Shown.of(run)) for run in runs]
    state = (drip.state, drip.begun, drip.refunded, drip.next_run_at, shown)
    return blake2s(repr(state).encode(), digest_size=8).hexdigest()


def pace_of(*, drip: DripFeed, runs: Iterable[Order]) -> int:
    """Seconds until the page asks again; 0: nothing of it changes by itself."""
    if any(not run.is_final for run in runs):
        return ORDER_PACE
    return REFILL_PACE if drip.is_running else 0
