"""Following orders: claim a batch of one provider, one `status` call, one short transaction.

The claim pushes `next_poll_at` ahead, so that batches do not overlap and a killed worker costs one lease.
A provider is polled by one process at a time, in as many lanes as it is set up with; when it fails, all of
them stop, and it is left alone for a while that grows with each failure.
"""

from __future__ import annotations

import threading
import time
from datetime import timedelta
from functools import partial

from django.db.models import OuterRef, Q, Subquery
from django.utils import timezone

from catalog.models import Provider
from catalog.provider_accounts import ProviderUnusable, client_for, leave_polling_lane, take_polling_lane
from catalog.upstream.batch_calls import ask_in_halves, is_about_us
from catalog.upstream.client import UpstreamClient
from catalog.upstream.errors import UpstreamError
from orders.common.provider_rounds import for_each_provider, in_lanes
from orders.models import Order
from orders.states import Submission
from orders.tracking.apply import apply_answers
from panel.alerts.causes import Cause
from panel.alerts.services import raise_alert, resolve_alert
from panel.lib.claims import claim_due

BATCH = 100
CLAIM_SECONDS = 120
ROUND_SECONDS = 20.0


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
    try:
        client = client_for(provider)
    except ProviderUnusable as error:
        raise_alert(cause=Cause.POLLING, about=provider.pk, text=str(error), level="danger")
        return 0
    if not take_polling_lane(provider=provider, seconds=seconds + CLAIM_SECONDS):
        return 0
    poll = _Round(provider, client, stop_at=time.monotonic() + seconds)
    try:
        poll.run()
    finally:
        leave_polling_lane(provider=provider, failures=poll.failures)
    if poll.trouble:
        raise_alert(
            cause=Cause.POLLING,
            about=provider.pk,
            text=f"{provider.name} does not tell the status of orders: {poll.trouble}",
        )
    elif poll.polled:
        resolve_alert(cause=Cause.POLLING, about=provider.pk)
    return poll.polled


class _Round:
    """One provider's due orders, in lanes. `trouble` is why the provider is left alone from now on."""

    def __init__(self, provider: Provider, client: UpstreamClient, *, stop_at: float) -> None:
        self._provider = provider
        self._client = client
        self._stop_at = stop_at
        self._counting = threading.Lock()
        self._ended = False
        self.polled = 0
        self.trouble: UpstreamError | None = None

    @property
    def failures(self) -> int | None:
        """How many rounds in a row it failed by now, or None where it was not asked. An answer begins anew.

        An error of ours that cut the round short counts too: the next may fare no better.
        """
        if self._ended and not self.trouble:
            return 0 if self.polled else None
        return 1 if self.polled else self._provider.polling_failures + 1

    def run(self) -> None:
        # One batch before the others: it tells whether the provider answers, and whether there is more. The more
        # rounds failed, the smaller it is, until the one order that may be to blame is asked about alone.
        first = max(1, BATCH >> self._provider.polling_failures)
        if self._poll_batch(first) == first:
            in_lanes(self._poll_batches, self._provider.max_parallel_polls)
        self._ended = True

    def _poll_batches(self) -> None:
        while self.trouble is None and time.monotonic() < self._stop_at and self._poll_batch(BATCH):
            pass

    def _poll_batch(self, size: int) -> int:
        """How many orders were answered for; 0 when none is due or the provider is in trouble."""
        batch = claim_batch(provider_id=self._provider.pk, size=size)
        if not batch:
            return 0
        said = ask_in_halves(self._client.statuses, [str(order.upstream_id) for order in batch])
        self.trouble = self.trouble or said.trouble
        if len(batch) == 1 and said.trouble and not is_about_us(said.trouble):
            # Or is it this very order that the provider stumbles over? Then it must back off, too.
            said.asked.add(str(batch[0].upstream_id))
        # The claim of the others stands: they are asked about again when it runs out, behind those that wait.
        heard = [order for order in batch if order.upstream_id in said.asked]
        apply_answers(provider=self._provider, batch=heard, answers=said.answers)
        if not said.worked:
            return 0
        with self._counting:
            self.polled += len(heard)
        return len(batch)


def claim_batch(*, provider_id: int, size: int = BATCH) -> list[Order]:
    """At most `size` due orders of one provider, the longest waiting first, kept from other workers.

    Only their ids are read.
    """
    due = Order.objects.filter(provider_id=provider_id, submission=Submission.ACCEPTED).only(
        "upstream_id", "still_polls"
    )
    return claim_due(due, due="next_poll_at", lease=timedelta(seconds=CLAIM_SECONDS), limit=size)
