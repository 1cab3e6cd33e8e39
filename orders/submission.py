"""Sending orders to their providers: claim and commit, send once, record.

1. *Claim*: in one transaction the order becomes `placing` under a fresh token and a lease, and the intent
   is written as a PlacementAttempt. From here on it is never sent again by itself.
2. *Send*: outside any transaction. The client refuses to send once the lease has run out.
3. *Record*: fenced by the token. What is not an answer is `in_doubt`, and so is a lease that ran out.

Killed at any line: before 1 the order is still queued; after it, `expire_leases` finds it in doubt.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import uuid4

import structlog
from django.conf import settings
from django.db import InterfaceError, OperationalError, connection, transaction
from django.db.models import F, Min
from django.utils import timezone

from catalog.models import Provider
from catalog.providers import ProviderUnusable, client_for, pause_provider, usable_providers
from catalog.upstream.client import UpstreamClient
from catalog.upstream.results import AddOutcome
from orders.events import write_event
from orders.inputs import add_params
from orders.models import Order, PlacementAttempt
from orders.outcomes import record_outcome
from orders.placing import cost_of_order, loss_note
from orders.reviewing import ask_for_review
from orders.states import Placement, ReviewReason

log = structlog.get_logger(__name__)

LEASE_MARGIN_SECONDS = 10
ROUND_SECONDS = 20.0
RECORD_WAITS = (0.1, 1.0, 5.0)
HELD_LIMIT = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class Claim:
    """An order that this process alone may send, until the lease runs out."""

    order: Order
    attempt: PlacementAttempt
    not_after: float
    """`time.monotonic()` after which not one byte may leave."""


def submit_due_orders(*, seconds: float = ROUND_SECONDS) -> int:
    """One round over all providers with due orders; returns how many were sent."""
    expire_leases()
    return sum(submit_for_provider(provider=provider, seconds=seconds) for provider in providers_with_due_orders())


def providers_with_due_orders() -> list[Provider]:
    """Usable providers with something to send, the longest waiting first."""
    due = (
        Order.objects.filter(placement=Placement.QUEUED, review_reason="", next_action_at__lte=timezone.now())
        .values("provider_id")
        .annotate(first=Min("next_action_at"))
        .order_by("first")
        .values_list("provider_id", flat=True)
    )
    usable = usable_providers().in_bulk(list(due))
    return [usable[pk] for pk in due if pk in usable]


def submit_for_provider(*, provider: Provider, seconds: float = ROUND_SECONDS) -> int:
    """Sends this provider's due orders one after the other, for about `seconds`; returns how many.

    Stops early when the provider is paused by what it answers, or when another worker has the lane.
    """
    try:
        client = client_for(provider)
    except ProviderUnusable as error:
        pause_provider(provider=provider, reason="key", text=str(error))
        return 0
    stop_at = time.monotonic() + seconds
    sent = 0
    while time.monotonic() < stop_at:
        claim = claim_next(provider_id=provider.pk)
        if claim is None:
            break
        sent += 1
        if not _send(provider, client, claim):
            break
    return sent


def _send(provider: Provider, client: UpstreamClient, claim: Claim) -> bool:
    """Sends a claimed order and records the answer; False when the provider should be left alone."""
    order = claim.order
    outcome = client.add(
        add_params(
            service_type=order.service_type,
            upstream_service_id=order.upstream_service_id,
            link=order.link,
            quantity=order.quantity,
            params=order.params,
        ),
        not_after=claim.not_after,
    )
    return _record(provider, claim, outcome)


def _record(provider: Provider, claim: Claim, outcome: AddOutcome) -> bool:
    """Records the answer even if the database connection broke while the provider was talking.

    The answer exists only here: losing it would turn a placed order into a doubt.
    """
    for wait in RECORD_WAITS:
        try:
            return record_outcome(provider=provider, order=claim.order, attempt=claim.attempt, outcome=outcome)
        except (OperationalError, InterfaceError):
            log.exception("answer not recorded yet", order=claim.order.pk, outcome=repr(outcome))
            connection.close()
            time.sleep(wait)
    return record_outcome(provider=provider, order=claim.order, attempt=claim.attempt, outcome=outcome)


def claim_next(*, provider_id: int) -> Claim | None:
    """Claims the provider's next due order, or None when there is none or its lane is taken.

    The provider's row is locked for the claim, so that `max_parallel_adds` is held by counting. An order
    that would now cost more than the customer paid is set aside for staff, and the next one is taken.
    """
    while True:
        with transaction.atomic():
            provider = (
                # NO KEY: an order that commits just now holds its provider's key, and must not keep the lane.
                usable_providers()
                .select_for_update(skip_locked=True, of=("self",), no_key=True)
                .filter(pk=provider_id)
                .first()
            )
            if provider is None:
                return None
            placing = Order.objects.filter(provider=provider, placement=Placement.PLACING).count()
            if placing >= provider.max_parallel_adds:
                return None
            order = _next_due(provider)
            if order is None:
                return None
            loss = loss_note(order)
            if not loss:
                return _claim(order)
            ask_for_review(order=order, reason=ReviewReason.WOULD_LOSE, note=loss)


def _next_due(provider: Provider) -> Order | None:
    return (
        Order.objects.filter(
            provider=provider,
            placement=Placement.QUEUED,
            review_reason="",
            next_action_at__lte=timezone.now(),
        )
        .select_related("service__upstream")
        .order_by("next_action_at", "pk")
        .first()
    )


def _claim(order: Order) -> Claim | None:
    now = timezone.now()
    token = uuid4().hex
    lease = timedelta(seconds=settings.SUBMISSION_LEASE_SECONDS)
    not_after = time.monotonic() + settings.SUBMISSION_LEASE_SECONDS - LEASE_MARGIN_SECONDS
    moved = Order.objects.filter(pk=order.pk, placement=Placement.QUEUED, review_reason="").update(
        placement=Placement.PLACING,
        claim_token=token,
        lease_until=now + lease,
        attempts=F("attempts") + 1,
        # What it should cost is judged by the rate it is sent at, not by that of the day it was ordered.
        expected_cost=cost_of_order(service=order.service, quantity=order.quantity),
    )
    if not moved:
        return None
    order.placement, order.claim_token, order.lease_until = Placement.PLACING, token, now + lease
    attempt = PlacementAttempt.objects.create(order=order, token=token, started_at=now)
    return Claim(order, attempt, not_after)


def expire_leases() -> int:
    """Turns orders whose lease ran out into doubts, and doubts past their deadline into reviews.

    A worker that died may have sent its order: it must not go back to the queue. Returns the new doubts.
    """
    now = timezone.now()
    deadline = now + timedelta(minutes=settings.DOUBT_DEADLINE_MINUTES)
    expired = Order.objects.filter(placement=Placement.PLACING, lease_until__lt=now)
    doubts = 0
    for pk in list(expired.values_list("pk", flat=True)[:500]):
        with transaction.atomic():
            if expired.filter(pk=pk).update(placement=Placement.IN_DOUBT, next_action_at=deadline, lease_until=None):
                doubts += 1
                write_event(
                    order_id=pk,
                    kind="placement",
                    old=Placement.PLACING,
                    new=Placement.IN_DOUBT,
                    text="No answer was recorded in time",
                    public=False,
                )
    if doubts:
        log.warning("leases ran out", orders=doubts)
    overdue = Order.objects.filter(placement=Placement.IN_DOUBT, review_reason="", next_action_at__lte=now)
    for order in overdue[:500]:
        with transaction.atomic():
            ask_for_review(
                order=order,
                reason=ReviewReason.DOUBT,
                note="The provider never told whether it has this order.",
            )
    _review_held(now)
    return doubts


def _review_held(now: datetime) -> None:
    """Asks staff about orders that wait in the queue for a day, whatever keeps them there."""
    held = Order.objects.filter(placement=Placement.QUEUED, review_reason="", created_at__lt=now - HELD_LIMIT).exclude(
        closed_review__startswith=ReviewReason.HELD
    )
    for order in held[:500]:
        with transaction.atomic():
            ask_for_review(
                order=order,
                reason=ReviewReason.HELD,
                note=f"{order.attempts} attempts so far. The provider may be off, paused or out of money.",
            )
