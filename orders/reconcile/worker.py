"""Settling doubts: finding out whether an order was placed, without ever placing it twice.

Cheapest first, each look: ask again under the order's request id, where the provider promises to take one id
once; else look for it among the provider's ids (`orders.reconcile.search`). What is not settled by its deadline waits
for staff, and so does, at once, what no look can settle.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import structlog
from django.conf import settings
from django.db.models import Min, QuerySet
from django.utils import timezone

from catalog.models import Provider
from catalog.provider_accounts import ProviderUnusable
from orders.common.backoff import next_look_after
from orders.common.provider_rounds import for_each_provider
from orders.dispatch.submit import claim_repetition, send
from orders.models import Order
from orders.reconcile.idempotency_check import may_trust, remember_repetition
from orders.reconcile.search import PATIENCE, look_for
from orders.states import Placement
from panel.lib.claims import claim_due

log = structlog.get_logger(__name__)

BATCH = 20
LOOK_LEASE = timedelta(seconds=2 * PATIENCE)


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
    left = _ask_again(provider, doubts)
    settled = len(doubts) - len(left) + look_for(provider=provider, doubts=left)
    for order in doubts:
        _plan_next_look(order)
    return settled


def _due_doubts() -> QuerySet[Order]:
    return Order.objects.filter(placement=Placement.IN_DOUBT, review_reason="", next_action_at__lte=timezone.now())


def _claim_doubts(provider: Provider) -> list[Order]:
    """Due doubts of the provider, kept from other workers for as long as a look may take."""
    doubts = _due_doubts().filter(provider=provider)
    return claim_due(doubts, due="next_action_at", lease=LOOK_LEASE, limit=BATCH)


def _plan_next_look(order: Order) -> None:
    """The wait until the next look, by how long the doubt lasts; of an order that is settled, nothing."""
    now = timezone.now()
    whole = timedelta(minutes=settings.DOUBT_DEADLINE_MINUTES)
    wait = next_look_after(whole - ((order.doubt_until or now) - now))
    Order.objects.filter(pk=order.pk, placement=Placement.IN_DOUBT).update(next_action_at=now + wait)


def _ask_again(provider: Provider, doubts: Sequence[Order]) -> list[Order]:
    """Sends the doubts once more under their request ids, where the provider takes one id once; what is left.

    The first one that it does not settle is the last: the next would fare no better.
    """
    left = list(doubts)
    while left and provider.request_id_parameter and may_trust(provider=provider):
        try:
            claim = claim_repetition(order=left[0])
        except ProviderUnusable:
            break
        if claim is None:
            break
        send(claim=claim)
        order = Order.objects.get(pk=left[0].pk)
        if order.placement != Placement.PLACED:
            left[0] = order  # It has another token now.
            break
        log.info("doubt settled by its request id", order=order.pk, upstream_id=order.upstream_id)
        remember_repetition(provider=provider, order=order)
        left.pop(0)
    may_trust(provider=provider)
    return left
