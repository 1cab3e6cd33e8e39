"""Rounds over orders in doubt: whether each was placed is found out without ever placing it twice.

Cheapest first, each time: send it again under its request id, where the provider promises to take one id once;
else search for it there (`orders.reconcile.search`). What is not settled by its deadline waits for staff, and so
does, at once, what no search can settle.

A promise is the owner's word for it. So after a repetition settled an order, the ids around it are searched for an
order that can be nothing but a repeated one taken twice. Until that could be done, nothing else is repeated there.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import structlog
from django.conf import settings
from django.db.models import F, Min, QuerySet
from django.utils import timezone

from catalog.models import Provider
from catalog.provider_accounts import ProviderUnusable, client_for, drop_request_ids, request_scope, same_account
from catalog.upstream.errors import UpstreamError
from orders.common.backoff import next_search_after
from orders.common.provider_rounds import for_each_provider
from orders.dispatch.submit import claim_repetition, send
from orders.models import Order, SubmissionAttempt
from orders.reconcile.match import MAX_WIDTH, Candidate, candidate_of, may_be
from orders.reconcile.search import (
    MAX_SECONDS,
    ProviderIds,
    calibrate,
    candidates_of,
    first_sending,
    search_for,
    window_of,
)
from orders.states import MAYBE_TAKEN, Submission
from panel.lib.claims import claim_due

log = structlog.get_logger(__name__)

BATCH = 20
LEASE = timedelta(seconds=2 * MAX_SECONDS)
# The search for an order that was taken twice: how far above the repeated one's id, and about how long.
MAX_ABOVE = 100
MAX_CHECK_SECONDS = 30.0


def reconcile_due_orders() -> int:
    """Do one round over all providers with orders in doubt that are due; return how many were settled."""
    return for_each_provider(reconcile_provider, providers_with_due_doubts())


def providers_with_due_doubts() -> list[Provider]:
    """Return providers with orders in doubt that are due, the longest waiting first; also those off or paused."""
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
    """Find out about this provider's orders in doubt that are due; return how many were settled."""
    # Kept from other workers for as long as a search may take.
    doubts = claim_due(_due_doubts().filter(provider=provider), due="next_action_at", lease=LEASE, limit=BATCH)
    if not doubts:
        return 0
    left = _send_again(provider, doubts)
    settled = len(doubts) - len(left) + search_for(provider=provider, doubts=left)
    for order in doubts:
        _plan_next_search(order)
    return settled


def _due_doubts() -> QuerySet[Order]:
    return Order.objects.filter(submission=Submission.IN_DOUBT, review_reason="", next_action_at__lte=timezone.now())


def _plan_next_search(order: Order) -> None:
    """Set the wait until the next search, by how long the order is in doubt; nothing if it is settled."""
    now = timezone.now()
    whole = timedelta(minutes=settings.DOUBT_DEADLINE_MINUTES)
    wait = next_search_after(whole - ((order.doubt_until or now) - now))
    Order.objects.filter(pk=order.pk, submission=Submission.IN_DOUBT).update(next_action_at=now + wait)


# -- sending again under the request id --------------------------------------------------------------


def _send_again(provider: Provider, doubts: Sequence[Order]) -> list[Order]:
    """Send the orders again under their request ids, where the provider takes one id once; return what is left.

    The first one that this does not settle is the last: the next would fare no better.
    """
    left = list(doubts)
    while left and provider.request_id_parameter and _may_trust(provider):
        try:
            claim = claim_repetition(order=left[0])
        except ProviderUnusable:
            break
        if claim is None:
            break
        send(claim=claim)
        order = Order.objects.get(pk=left[0].pk)
        if order.submission != Submission.ACCEPTED:
            left[0] = order  # It has another token now.
            break
        log.info("doubt settled by its request id", order=order.pk, upstream_id=order.upstream_id)
        if provider.promise_unchecked is None:
            provider.promise_unchecked = order.pk
            Provider.objects.filter(pk=provider.pk).update(promise_unchecked=order.pk)
        left.pop(0)
    _may_trust(provider)
    return left


def _may_trust(provider: Provider) -> bool:
    """Check the promise by the last repetition; return whether another order may be repeated. Updates `provider`.

    Not while the provider could not be asked, and never again once it took one id twice: then its request ids
    are switched off, with an alert.
    """
    order = Order.objects.filter(pk=provider.promise_unchecked).first() if provider.promise_unchecked else None
    if order is None:
        return True
    try:
        ids = _ids_around(provider, order)
    except (UpstreamError, ProviderUnusable, _NotNow):
        return False
    sending = first_sending(order)
    since = sending.started_at if sending else order.created_at
    # Before the ids that are known: an order that is recorded in between is known then, and no twin.
    repeated, others = _repeated(provider, since), _others(provider, since)
    found = ids.orphans(min(ids.answers), max(ids.answers)) if ids and ids.answers else {}
    maybe_twins = [number for number, row in found.items() if any(may_be(one, row) for one in repeated)]
    twins = [number for number in maybe_twins if not any(may_be(one, found[number]) for one in others)]
    if twins:
        shown = ", ".join(map(str, sorted(twins)))
        text = (
            f"{provider.name} seems to have taken repeated orders twice, the second time as {shown}: it does not keep "
            "its promise about request IDs. They are switched off; ask it to cancel what is too much."
        )
        drop_request_ids(provider=provider, text=text)
        provider.request_id_parameter = ""
        provider.promise_unchecked = None
        return False
    if not maybe_twins:
        Provider.objects.filter(pk=provider.pk).update(promise_unchecked=None)
        provider.promise_unchecked = None
    # Else it may be another order's in doubt: once that is repeated too, it is seen whose it was.
    return True


class _NotNow(Exception):
    """It cannot be told now, but may be later."""


def _ids_around(provider: Provider, order: Order) -> ProviderIds | None:
    """Return what the provider says of the ids around the repeated order; None where ids tell nothing.

    Raises _NotNow, and UpstreamError when the provider does not answer.
    """
    number, window = order.upstream_number, window_of(order=order)
    if number is None or window is None or not provider.probes_ids:
        return None
    accounts = same_account(provider)
    client = client_for(provider, read_timeout=MAX_CHECK_SECONDS)
    obstacle = calibrate(client=client, provider=provider, accounts=accounts)
    if obstacle and obstacle.is_final:
        return None
    ids = ProviderIds(client=client, accounts=accounts, max_seconds=MAX_CHECK_SECONDS)
    if obstacle or not ids.ask(max(window.first, number - MAX_WIDTH), number + MAX_ABOVE):
        raise _NotNow
    return ids


def _repeated(provider: Provider, since: datetime) -> list[Candidate]:
    """Return the placed orders that were sent more than once under one request id."""
    earlier = SubmissionAttempt.objects.filter(
        order__provider=provider,
        order__submission=Submission.ACCEPTED,
        request_scope=request_scope(provider),
        outcome__in=MAYBE_TAKEN,
        started_at__gte=since,
    ).exclude(order__accepted_attempt=F("pk"))
    return [candidate_of(order=one.order, sent_at=one.started_at) for one in earlier.select_related("order")]


def _others(provider: Provider, since: datetime) -> list[Candidate]:
    """Return the orders that may be there unknown to us and are not placed."""
    candidates = candidates_of(accounts=same_account(provider), since=since)
    placed = Order.objects.filter(pk__in=[one.order_id for one in candidates], submission=Submission.ACCEPTED)
    settled = set(placed.values_list("pk", flat=True))
    return [one for one in candidates if one.order_id not in settled]
