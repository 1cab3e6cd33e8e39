"""Settling doubts: finding out whether an order was placed, without ever placing it twice.

Cheapest first, each look: ask again under the order's request id, where the provider promises to take one id
once; else look for it among the provider's ids (`orders.looking`). What is not settled by its deadline waits
for staff, and so does, at once, what no look can settle.
"""

from __future__ import annotations

from datetime import timedelta

import structlog
from django.conf import settings
from django.db.models import Min, QuerySet
from django.utils import timezone

from catalog.models import Provider
from catalog.providers import ProviderUnusable
from orders.looking import look_for, watch_promise
from orders.models import Order
from orders.rounds import for_each_provider
from orders.schedule import next_look_after
from orders.states import Placement
from orders.submission import claim_repetition, send

log = structlog.get_logger(__name__)

BATCH = 20


def reconcile_due_orders() -> int:
    """One round over all providers with doubts to look for; returns how many doubts were settled."""
    return for_each_provider(reconcile_provider, providers_with_due_doubts())


def providers_with_due_doubts() -> list[Provider]:
    """Providers with doubts to look for, the longest waiting first; also those that are off or paused."""
    due = (
        _due_doubts()
        .values("provider_id")
        .annotate(first=Min("next_action_at"))
        .order_by("first")
        .values_list("provider_id", flat=True)
    )
    providers = Provider.objects.in_bulk(list(due))
    return [providers[pk] for pk in due]


def reconcile_provider(*, provider: Provider) -> int:
    """Looks for this provider's due doubts; returns how many were settled."""
    doubts = _claim_doubts(provider)
    if not doubts:
        return 0
    open_doubts = [order for order in doubts if not _ask_again(provider, order)]
    return len(doubts) - len(open_doubts) + look_for(provider=provider, doubts=open_doubts)


def _due_doubts() -> QuerySet[Order]:
    return Order.objects.filter(placement=Placement.IN_DOUBT, review_reason="", next_action_at__lte=timezone.now())


def _claim_doubts(provider: Provider) -> list[Order]:
    """Due doubts of the provider, their next look pushed ahead, so that no other worker looks meanwhile."""
    now = timezone.now()
    whole = timedelta(minutes=settings.DOUBT_DEADLINE_MINUTES)
    claimed = []
    for order in _due_doubts().filter(provider=provider).order_by("next_action_at", "pk")[:BATCH]:
        left = (order.doubt_until or now) - now
        wait = next_look_after(whole - left)
        moved = _due_doubts().filter(pk=order.pk, claim_token=order.claim_token).update(next_action_at=now + wait)
        if moved:
            claimed.append(order)
    return claimed


def _ask_again(provider: Provider, order: Order) -> bool:
    """Sends the order once more under its request id, where the provider takes one id once."""
    if not provider.request_id_parameter:
        return False
    try:
        claim = claim_repetition(order=order)
    except ProviderUnusable:
        return False
    if claim is None:
        return False
    send(claim=claim)
    order.refresh_from_db()
    if order.placement != Placement.PLACED:
        return False
    log.info("doubt settled by its request id", order=order.pk, upstream_id=order.upstream_id)
    watch_promise(provider=provider, order=order)
    return True
