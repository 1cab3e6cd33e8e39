"""Reads drip-feeds and their runs for pages. Each customer sees only their own."""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import blake2s

from django.db.models import BigIntegerField, Case, F, QuerySet, Sum, Value, When
from django.db.models.functions import Greatest, Least

from orders.models import DripFeed, Order
from orders.states import Status
from orders.web.live_updates import ORDER_PACE, REFILL_PACE, Shown
from panel.accounts.models import User


def drips_of(*, customer: User) -> QuerySet[DripFeed]:
    """Return the customer's drip-feeds."""
    return DripFeed.objects.filter(customer=customer)


def runs_of(*, drip: DripFeed) -> QuerySet[Order]:
    """Return the orders of the runs that began."""
    return Order.objects.filter(drip_feed=drip)


def delivered_of(*, drip: DripFeed) -> int:
    """Return how many were delivered by all runs together, as far as their provider reports it. One query."""
    delivered = Case(
        When(status=Status.COMPLETED, then=F("quantity")),
        When(refunded=F("charge"), then=Value(0)),
        When(remains__isnull=False, then=F("quantity") - Greatest(Least(F("remains"), F("quantity")), Value(0))),
        default=Value(0),
        output_field=BigIntegerField(),
    )
    return runs_of(drip=drip).order_by().aggregate(total=Sum(delivered))["total"] or 0


def drip_feed_version(*, drip: DripFeed, runs: Iterable[Order], delivered: int) -> str:
    """Return a hash of what the drip-feed's page shows; it differs as soon as anything shown changes."""
    shown = [(run.pk, *Shown.of(run)) for run in runs]
    state = (drip.state, drip.begun, drip.refunded, drip.next_run_at, drip.paused_at, delivered, shown)
    return blake2s(repr(state).encode(), digest_size=8).hexdigest()


def pace_of(*, drip: DripFeed, runs: Iterable[Order]) -> int:
    """Return the seconds until the page polls again; 0 if nothing on it changes by itself."""
    if any(not run.is_final for run in runs):
        return ORDER_PACE
    return REFILL_PACE if drip.is_running and not drip.is_paused else 0
