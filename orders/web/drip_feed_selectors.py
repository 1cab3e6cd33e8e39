"""Reads drip-feeds and their runs for pages. Each customer sees only their own."""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import blake2s

from django.db.models import QuerySet

from orders.models import DripFeed, Order
from orders.web.live_updates import ORDER_PACE, REFILL_PACE, Shown
from panel.accounts.models import User


def drips_of(*, customer: User) -> QuerySet[DripFeed]:
    """Return the customer's drip-feeds."""
    return DripFeed.objects.filter(customer=customer)


def runs_of(*, drip: DripFeed) -> QuerySet[Order]:
    """Return the orders of the runs that began."""
    return Order.objects.filter(drip_feed=drip)


def drip_feed_version(*, drip: DripFeed, runs: Iterable[Order]) -> str:
    """Return a hash of what the drip-feed's page shows; it differs as soon as anything shown changes."""
    shown = [(run.pk, *Shown.of(run)) for run in runs]
    state = (drip.state, drip.begun, drip.refunded, drip.next_run_at, shown)
    return blake2s(repr(state).encode(), digest_size=8).hexdigest()


def pace_of(*, drip: DripFeed, runs: Iterable[Order]) -> int:
    """Return the seconds until the page polls again; 0 if nothing on it changes by itself."""
    if any(not run.is_final for run in runs):
        return ORDER_PACE
    return REFILL_PACE if drip.is_running else 0
