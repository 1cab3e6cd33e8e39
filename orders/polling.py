"""Following orders: claim a batch of one provider, one `status` call, one short transaction.

The claim pushes `next_poll_at` ahead, so that batches do not overlap and a killed worker costs one lease.
A provider is polled by one process at a time, in as many lanes as it is set up with; when it fails, all of
them stop, and it is left alone for a while that grows with each failure.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from datetime import timedelta
from functools import partial

from django.db import transaction
from django.db.models import OuterRef, Q, Subquery
from django.utils import timezone

from catalog.models import Provider
from catalog.providers import ProviderUnusable, client_for, leave_polling_lane, take_polling_lane
from catalog.upstream.client import UpstreamClient
from catalog.upstream.errors import ErrorCode, ProviderRefused, UnreadableAnswer, UpstreamError, UpstreamUnavailable
from catalog.upstream.results import RowError, StatusRow
from orders.applying import apply_answers
from orders.models import Order
from orders.rounds import for_each_provider, in_lanes
from orders.states import Placement
from panel.ops.alerts import raise_alert, resolve_alert

BATCH = 100
CLAIM_SECONDS = 120
ROUND_SECONDS = 20.0
# Calls that fail one after the other before the fault is the provider's, and not that of a few ids of the batch:
# seven lead from a hundred ids down to one.
MOST_FAILURES = 12


def poll_due_orders(*, seconds: float = ROUND_SECONDS) -> int:
    """One round over all providers with due orders; returns how many orders were asked about."""
    return for_each_provider(partial(poll_provider, seconds=seconds), providers_with_due_polls())


def providers_with_due_polls() -> list[Provider]:
    """Providers with orders to look at and nobody at it, the longest waiting first.

    Also those that are switched off: off means that nothing new is bought, and customers are still owed
    what is not delivered.
    """
    now = timezone.now()
    first = Order.objects.filter(provider=OuterRef("pk"), next_poll_at__isnull=False).order_by("next_poll_at")
    free = Provider.objects.filter(Q(polling_until=None) | Q(polling_until__lte=now))
    waiting = free.annotate(first_due=Subquery(first.values("next_poll_at")[:1])).filter(first_due__lte=now)
    return list(waiting.order_by("first_due"))


def poll_provider(*, provider: Provider, seconds: float = ROUND_SECONDS) -> int:
    """Polls this provider's due orders, batch after batch, for about `seconds`; returns how many."""
    cause = f"provider:{provider.pk}:polling"
    try:
        client = client_for(provider)
    except ProviderUnusable as error:
        raise_alert(cause=cause, text=str(error), level="danger")
        return 0
    if not take_polling_lane(provider=provider, seconds=seconds + CLAIM_SECONDS):
        return 0
    poll = _Round(provider, client, stop_at=time.monotonic() + seconds)
    try:
        poll.run()
    finally:
        leave_polling_lane(provider=provider, answered=poll.answered)
    if poll.trouble:
        raise_alert(cause=cause, text=f"{provider.name} does not tell the status of orders: {poll.trouble}")
    elif poll.polled:
        resolve_alert(cause=cause)
    return poll.polled


class _Round:
    """One provider's due orders, in lanes. `trouble` is why the provider is left alone from now on."""

    def __init__(self, provider: Provider, client: UpstreamClient, *, stop_at: float) -> None:
        self._provider = provider
        self._client = client
        self._stop_at = stop_at
        self._counting = threading.Lock()
        self.polled = 0
        self.trouble: UpstreamError | None = None
        self._ended = False

    @property
    def answered(self) -> bool | None:
        """Whether the provider did to the end, or None where it was not asked.

        It did not, either, where an error of ours cut the round short: the next may fare no better.
        """
        if not self._ended:
            return False
        return True if self.polled else None

    def run(self) -> None:
        # One batch before the others: it tells whether the provider answers, and whether there is more.
        if self._poll_batch() == BATCH:
            in_lanes(self._poll_batches, self._provider.max_parallel_polls)
        self._ended = self.trouble is None

    def _poll_batches(self) -> None:
        while self.trouble is None and time.monotonic() < self._stop_at and self._poll_batch():
            pass

    def _poll_batch(self) -> int:
        """How many orders were asked about; 0 when none is due or the provider does not answer."""
        batch = claim_batch(provider_id=self._provider.pk)
        if not batch:
            return 0
        try:
            answers = ask_statuses(self._client, [order.upstream_id for order in batch if order.upstream_id])
        except UpstreamError as error:
            # The claim stands: the batch is asked again when it runs out, behind those that wait.
            self.trouble = error
            if len(batch) > 1 or not _may_be_one_row(error):
                return 0
            # Or is it this very order that the provider stumbles over? Then it must back off, too.
            [order] = batch
            answers = {str(order.upstream_id): RowError(str(order.upstream_id), ErrorCode.UNRECOGNIZED, error.reason)}
            apply_answers(provider=self._provider, batch=batch, answers=answers)
            return 0
        apply_answers(provider=self._provider, batch=batch, answers=answers)
        with self._counting:
            self.polled += len(batch)
        return len(batch)


def claim_batch(*, provider_id: int) -> list[Order]:
    """At most 100 due orders of one provider, the longest waiting first, kept from other workers.

    Only their ids are read.
    """
    now = timezone.now()
    with transaction.atomic():
        batch = list(
            Order.objects.filter(provider_id=provider_id, placement=Placement.PLACED, next_poll_at__lte=now)
            .order_by("next_poll_at", "pk")
            .only("upstream_id", "still_polls")
            .select_for_update(skip_locked=True)[:BATCH]
        )
        if batch:
            Order.objects.filter(pk__in=[order.pk for order in batch]).update(
                next_poll_at=now + timedelta(seconds=CLAIM_SECONDS)
            )
    return batch


def ask_statuses(client: UpstreamClient, ids: Sequence[str]) -> dict[str, StatusRow | RowError]:
    """How the orders stand, in one call (protocol: "status").

    Where the call fails as a whole for what may be one bad id, the halves are asked, so that it keeps
    nobody else from an answer. Raises UpstreamError when nothing was answered at all, or too little.
    """
    answers: dict[str, StatusRow | RowError] = {}
    refused: dict[str, StatusRow | RowError] = {}
    waiting, failures = [list(ids)], 0
    while waiting:
        part = waiting.pop()
        try:
            answers |= client.statuses(part)
        except UpstreamError as error:
            # "Incorrect order ID" is the answer of a provider that works.
            failures += not (isinstance(error, ProviderRefused) and error.code is ErrorCode.UNKNOWN_ORDER)
            if not _may_be_one_row(error) or len(ids) == 1 or failures >= MOST_FAILURES:
                raise
            if len(part) == 1:
                refused[part[0]] = RowError(part[0], ErrorCode.UNRECOGNIZED, error.reason)
                if not waiting and not answers:
                    raise
            else:
                middle = len(part) // 2
                waiting += [part[middle:], part[:middle]]
        else:
            failures = 0
    return answers | refused


def _may_be_one_row(error: UpstreamError) -> bool:
    """Whether the provider was there, and stumbled over what it was asked."""
    if isinstance(error, ProviderRefused):
        return error.code in (ErrorCode.UNKNOWN_ORDER, ErrorCode.UNRECOGNIZED, ErrorCode.PROTOCOL)
    if isinstance(error, UpstreamUnavailable):
        return error.evidence is not None and error.evidence.http_status == 500
    return isinstance(error, UnreadableAnswer)
