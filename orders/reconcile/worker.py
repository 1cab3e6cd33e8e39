"""Rounds over orders in doubt: find out whether each was accepted, without submitting it twice.

The cheapest way comes first: send the order again under its request id if the provider promises to accept an id once,
else search for it (`orders.reconcile.search`). An order that is still in doubt at its deadline goes to review; one that
no search can resolve goes there at once.

That a provider keeps the promise is only what the owner set up. So after a repetition was accepted, the ids around it
are searched for a duplicate that only a repeated order can explain. Until that is done, no other order is repeated
there.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import structlog
from django.db.models import Min, QuerySet

from catalog.models import Provider
from catalog.provider_accounts import ProviderUnusable, client_for, drop_request_ids, request_scope, same_account
from catalog.provider_rounds import for_each_provider
from catalog.upstream.errors import UpstreamError
from orders.common.backoff import first_search_after, next_search_after
from orders.dispatch.submit import claim_repetition, send_add
from orders.models import Order, PlacementAttempt
from orders.models.attempts import ACCEPTED
from orders.reconcile.absence import was_only_refused
from orders.reconcile.findings import evidence_attempt
from orders.reconcile.match import MAX_WIDTH, Candidate, candidate_of, may_be
from orders.reconcile.search import (
    MAX_SECONDS,
    ProviderIds,
    calibrate,
    candidates_of,
    search_for,
    window_of,
)
from orders.states import MAYBE_ACCEPTED, Submission
from panel.lib import clock
from panel.lib.claims import claim_due
from panel.site import registry as site

log = structlog.get_logger(__name__)

BATCH = 20
LEASE = timedelta(seconds=2 * MAX_SECONDS)
# The search for a duplicate of a repeated order: how far above its id, and for about how many seconds.
MAX_ABOVE = 100
MAX_CHECK_SECONDS = 30.0


def reconcile_due_orders() -> int:
    """Do one round over all providers with orders in doubt that are due. Return how many orders were resolved."""
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
    """Resolve this provider's orders in doubt that are due. Return how many were resolved."""
    # Claim them for as long as a search may take.
    doubts = claim_due(_due_doubts().filter(provider=provider), due="next_action_at", lease=LEASE, limit=BATCH)
    if not doubts:
        return 0
    left = _send_again(provider, doubts)
    resolved = len(doubts) - len(left) + search_for(provider=provider, doubts=left)
    for order in doubts:
        _plan_next_search(order)
    return resolved


def _due_doubts() -> QuerySet[Order]:
    return Order.objects.filter(submission=Submission.IN_DOUBT, review_reason="", next_action_at__lte=clock.now())


def _plan_next_search(order: Order) -> None:
    """Set the time of the next search, by how long the order is in doubt. An order that was resolved stays as it is."""
    now = clock.now()
    # The deadline may have been set under another setting, so that it does not tell when the doubt began.
    attempts = order.submission_attempts.filter(outcome__in=MAYBE_ACCEPTED, started_at__gte=order.queued_at)
    began = attempts.order_by("pk").values_list("started_at", flat=True).first() or now
    if order.doubt_until and was_only_refused(order):  # Long before it was in doubt.
        began = max(began, order.doubt_until - timedelta(minutes=site.DOUBT_DEADLINE_MINUTES.value))
    wait = next_search_after(now - began)
    if order.doubt_until:
        wait = min(wait, max(order.doubt_until - now, first_search_after()))
    Order.objects.filter(pk=order.pk, submission=Submission.IN_DOUBT).update(next_action_at=now + wait)


# -- sending again under the request id --------------------------------------------------------------


def _send_again(provider: Provider, doubts: Sequence[Order]) -> list[Order]:
    """Send the orders again under their request ids, if the provider accepts an id once. Return those still in doubt.

    Stops at the first that is not accepted: the next would fail in the same way.
    """
    # One that was refused a day ago is only searched for: its price and its provider may have changed since.
    refused = [order for order in doubts if was_only_refused(order)]
    left = [order for order in doubts if order not in refused]
    while left and provider.request_id_parameter and _may_trust(provider):
        try:
            claim = claim_repetition(order=left[0])
        except ProviderUnusable:
            break
        if claim is None:
            break
        send_add(claim=claim)
        order = Order.objects.get(pk=left[0].pk)
        if order.submission != Submission.ACCEPTED:
            left[0] = order  # Its token changed.
            break
        log.info("doubt resolved by its request id", order=order.pk, upstream_id=order.upstream_id)
        if provider.promise_unchecked is None:
            provider.promise_unchecked = order.pk
            Provider.objects.filter(pk=provider.pk).update(promise_unchecked=order.pk)
        left.pop(0)
    _may_trust(provider)
    return [*left, *refused]


def _may_trust(provider: Provider) -> bool:
    """Check by the last repetition whether the provider keeps its promise. Return True if another may be repeated.

    Return False if it cannot be checked now, or if a request id was accepted twice: then request ids are switched
    off, with an alert. Mutates `provider`.
    """
    order = Order.objects.filter(pk=provider.promise_unchecked).first() if provider.promise_unchecked else None
    if order is None:
        return True
    try:
        ids = _ids_around(provider, order)
    except (UpstreamError, ProviderUnusable, _NotCheckable):
        return False
    attempt = evidence_attempt(order)
    since = attempt.started_at if attempt else order.created_at
    # Read the candidates before the known ids, so that an order recorded in between is no duplicate.
    repeated, others = _repeated(provider, since), _others(provider, since)
    orphans = ids.orphans(min(ids.answers), max(ids.answers)) if ids and ids.answers else {}
    maybe_duplicates = [number for number, row in orphans.items() if any(may_be(one, row) for one in repeated)]
    duplicates = [number for number in maybe_duplicates if not any(may_be(one, orphans[number]) for one in others)]
    if duplicates:
        shown = ", ".join(map(str, sorted(duplicates)))
        text = (
            f"{provider.name} seems to have taken repeated orders twice, the second time as {shown}: it does not keep "
            "its promise about request IDs. They are switched off; ask it to cancel what is too much."
        )
        drop_request_ids(provider=provider, text=text)
        provider.request_id_parameter = ""
        provider.promise_unchecked = None
        return False
    if not maybe_duplicates:
        Provider.objects.filter(pk=provider.pk).update(promise_unchecked=None)
        provider.promise_unchecked = None
    # Otherwise the orphan may be another order in doubt; its own repetition will show.
    return True


class _NotCheckable(Exception):
    """The promise cannot be checked now, but perhaps later."""


def _ids_around(provider: Provider, order: Order) -> ProviderIds | None:
    """Return the answers for the ids around the repeated order; None if its ids cannot be searched at all.

    Raise _NotCheckable if they cannot be searched now, UpstreamError if the provider does not answer.
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
        raise _NotCheckable
    return ids


def _repeated(provider: Provider, since: datetime) -> list[Candidate]:
    """Return the accepted orders that may have been accepted in an earlier attempt, too, under the request id."""
    earlier = PlacementAttempt.objects.filter(
        order__provider=provider,
        order__submission=Submission.ACCEPTED,
        request_scope=request_scope(provider),
        outcome__in=MAYBE_ACCEPTED,
        started_at__gte=since,
    ).exclude(ACCEPTED)
    return [candidate_of(order=one.order, sent_at=one.started_at) for one in earlier.select_related("order")]


def _others(provider: Provider, since: datetime) -> list[Candidate]:
    """Return the candidates that are not accepted."""
    candidates = candidates_of(accounts=same_account(provider), since=since)
    orders = Order.objects.filter(pk__in=[one.order_id for one in candidates], submission=Submission.ACCEPTED)
    accepted = set(orders.values_list("pk", flat=True))
    return [one for one in candidates if one.order_id not in accepted]
