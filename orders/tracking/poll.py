"""Polling accepted orders: claim a batch of one provider, make one `status` call, apply it in one short transaction.

The claim moves `due_at` ahead, so batches do not overlap and a killed worker delays its batch by one lease. One
process at a time polls a provider, in `max_parallel_polls` lanes. When the provider fails, all lanes stop, and the
wait before the next round grows with each failure.

Where an answer about many orders says nothing of any of them that is understood, a few are polled one by one. If that
works, so are the others, a bounded number in each round.
"""

from __future__ import annotations

import threading
import time
from datetime import timedelta
from functools import partial

from django.db.models import OuterRef, Q, Subquery

from catalog.models import Provider
from catalog.provider_accounts import ProviderUnusable, client_for, has_limit, leave_polling_lane, take_polling_lane
from catalog.provider_rounds import for_each_provider, in_lanes
from catalog.upstream.batch_calls import BatchAnswers, call_in_halves, is_about_us, is_not_understood
from catalog.upstream.client import UpstreamClient
from catalog.upstream.errors import UpstreamError, UpstreamUnavailable
from catalog.upstream.results import LIMITED, RowError, StatusRow
from catalog.words.seen import statuses_as_taught
from orders.models import OrderPoll
from orders.tracking.apply import apply_answers
from panel.alerts.causes import Cause
from panel.alerts.services import raise_alert, resolve_alerts
from panel.lib import clock
from panel.lib.claims import claim_due

BATCH = 100
CLAIM_SECONDS = 120
ROUND_SECONDS = 20.0
# Orders that are polled one by one: how many show whether that works, in a batch, and in a round.
TRIED_SINGLY = 3
SINGLE_BATCH = 10
MAX_SINGLE_POLLS = 60
# After this many errors in a row the order itself is to blame; it goes to review in the end.
ERRORS_OF_ITS_OWN = 3
_EXCERPT = 250
# What an answer is compared with. The other columns of an order take longer to load than all else in a batch.
_COMPARED = (
    "provider_id",
    "due_at",
    "checked_at",
    "unchanged",
    "errors",
    "held_status",
    "held_refund",
    "held_since",
    "unknown_word",
    "unknown_since",
    *(
        f"order__{name}"
        for name in (
            "upstream_id",
            "service_type",
            "quantity",
            "charge",
            "refunded",
            "expected_cost",
            "exchange_rate",
            "currency",
            "submission",
            "claim_token",
            "status",
            "start_count",
            "start_corrected_at",
            "remains",
            "upstream_charge",
            "review_reason",
            "closed_review",
            "closed_finding",
            "created_at",
            "accepted_at",
            "finished_at",
        )
    ),
)


def poll_due_orders(*, seconds: float = ROUND_SECONDS) -> int:
    """Poll all providers with due orders, for about `seconds`. Return how many orders were polled."""
    return for_each_provider(partial(poll_provider, seconds=seconds), providers_with_due_polls())


def providers_with_due_polls() -> list[Provider]:
    """Return providers with due orders that no process is polling, the longest waiting first.

    Inactive providers are included: they get no new orders, but refunds still follow from their answers.
    """
    now = clock.now()
    first = OrderPoll.objects.filter(provider=OuterRef("pk")).order_by("due_at")
    free = Provider.objects.filter(Q(polling_until=None) | Q(polling_until__lte=now))
    waiting = free.annotate(first_due=Subquery(first.values("due_at")[:1])).filter(first_due__lte=now)
    return list(waiting.order_by("first_due"))


def poll_provider(*, provider: Provider, seconds: float = ROUND_SECONDS) -> int:
    """Poll this provider's due orders, batch after batch, for about `seconds`. Return how many were polled."""
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
    if poll.unreadable:
        text = (
            f"{provider.name} answers about several orders at once in a form that cannot be read. They are polled one "
            f"by one, at most {MAX_SINGLE_POLLS} in a round."
        )
        raise_alert(cause=Cause.STATUS_LISTS, about=provider.pk, text=text + _answered(poll.unreadable))
    if poll.trouble:
        text = f"{provider.name} does not report the status of orders: {poll.trouble}"
        raise_alert(cause=Cause.POLLING, about=provider.pk, text=text + _answered(poll.trouble))
    elif poll.polled:
        is_readable = poll.has_read_list and not poll.unreadable
        causes = [Cause.POLLING, *([Cause.STATUS_LISTS] if is_readable else [])]
        resolve_alerts(causes=causes, about=provider.pk)
    return poll.polled


def _answered(error: UpstreamError) -> str:
    """Return the beginning of an answer that is not understood, for the owner. The key is no longer in it."""
    if error.evidence is None or not is_not_understood(error):
        return ""
    return f" It answered: {' '.join(error.evidence.body_excerpt.split())[:_EXCERPT]}"


class _Round:
    """One round over a provider's due orders, in lanes.

    `trouble` is the error that ended it, if any. `unreadable` is the error of an answer about many orders, since which
    they are polled one by one.
    """

    def __init__(self, provider: Provider, client: UpstreamClient, *, stop_at: float) -> None:
        self._provider = provider
        self._client = client
        self._stop_at = stop_at
        self._batch = min(BATCH, client.max_ids)
        self._counting = threading.Lock()
        self._ended = False
        # Our own limit of requests held one back: nothing failed, and the rest waits for the next round.
        self._is_limited = False
        self.polled = 0
        self.trouble: UpstreamError | None = None
        self.unreadable: UpstreamError | None = None
        # An answer about several orders was understood.
        self.has_read_list = False
        self._singles_left = MAX_SINGLE_POLLS

    @property
    def failures(self) -> int | None:
        """Return how many rounds in a row have failed, or None if the provider was not called. An answer resets it.

        A round that an error of ours cut short counts as failed: the next may fail in the same way.
        """
        if self._ended and not self.trouble:
            return 0 if self.polled else None
        return 1 if self.polled else self._provider.polling_failures + 1

    def run(self) -> None:
        # The first batch goes alone, to learn whether the provider answers and more orders are due. It shrinks with
        # each failed round, until a single order that may be to blame is polled alone.
        first = max(1, self._batch >> self._provider.polling_failures)
        if self._poll_batch(first) == first:
            in_lanes(self._poll_batches, self._provider.max_parallel_polls)
        self._ended = True

    def _poll_batches(self) -> None:
        while (
            self.trouble is None
            and not self._is_limited
            and time.monotonic() < self._stop_at
            and self._poll_batch(self._size())
        ):
            pass

    def _size(self) -> int:
        return self._batch if not self.unreadable else min(SINGLE_BATCH, self._singles_left)

    def _poll_batch(self, size: int) -> int:
        """Poll one batch. Return its size; 0 if no order is due or the provider answered nothing."""
        batch = claim_batch(provider_id=self._provider.pk, size=size) if size else []
        if not batch:
            return 0
        result = self._ask([str(poll.order.upstream_id) for poll in batch])
        # Asked one by one, some may have been left for lack of time.
        result.asked -= {one for one, row in result.answers.items() if isinstance(row, RowError) and row.is_not_asked}
        if _is_limited(result.trouble):
            self._is_limited, result.trouble = True, None
        is_alone = len(batch) == 1 and batch[0].errors >= ERRORS_OF_ITS_OWN
        if not (is_alone and is_not_understood(result.trouble)):
            self.trouble = self.trouble or result.trouble
        if len(batch) == 1 and result.trouble and not is_about_us(result.trouble):
            # This order itself may cause the error, so it must wait longer, too.
            result.asked.add(str(batch[0].order.upstream_id))
        # The other orders stay claimed: they are polled again when the lease ends, after those that wait now.
        answered = [poll for poll in batch if poll.order.upstream_id in result.asked]
        answers = statuses_as_taught(provider=self._provider, answers=result.answers)
        apply_answers(provider=self._provider, batch=answered, answers=answers)
        if not result.worked:
            return 0
        with self._counting:
            self.polled += len(answered)
        return len(batch)

    def _ask(self, ids: list[str]) -> BatchAnswers[StatusRow]:
        """Return the answers about the batch; those that are asked for one by one follow until the round has enough."""
        if self.unreadable:
            return self._ask_singly(ids)
        result = call_in_halves(self._client.clear_statuses, ids, ends_at=is_not_understood)
        self.has_read_list = self.has_read_list or (result.worked and len(ids) > 1)
        if result.worked or not is_not_understood(result.trouble) or len(ids) == 1:
            return result
        tried = self._ask_singly(ids[:TRIED_SINGLY])
        if not tried.worked:
            return result
        self.unreadable = result.trouble
        more = self._ask_singly(ids[TRIED_SINGLY:])
        return BatchAnswers(
            tried.answers | more.answers, tried.asked | more.asked, worked=True, trouble=tried.trouble or more.trouble
        )

    def _ask_singly(self, ids: list[str]) -> BatchAnswers[StatusRow]:
        with self._counting:
            part = ids[: self._singles_left]
            self._singles_left -= len(part)
        result: BatchAnswers[StatusRow] = BatchAnswers()
        try:
            result.answers = self._client.statuses_singly(part)
        except UpstreamError as error:
            result.trouble = error
            return result
        left = {one for one, row in result.answers.items() if isinstance(row, RowError) and row.is_not_asked}
        result.asked = set(part) - left
        result.worked = any(isinstance(row, StatusRow) or row.is_understood for row in result.answers.values())
        if left and has_limit(self._provider):
            self._is_limited = True
        elif left:
            result.trouble = UpstreamUnavailable("it is too slow, or gives no answers that can be read")
        return result


def _is_limited(error: UpstreamError | None) -> bool:
    return isinstance(error, UpstreamUnavailable) and error.reason == LIMITED


def claim_batch(*, provider_id: int, size: int = BATCH) -> list[OrderPoll]:
    """Claim at most `size` due polls of one provider, the longest waiting first, and return them with their orders."""
    due = OrderPoll.objects.filter(provider_id=provider_id).select_related("order").only(*_COMPARED)
    return claim_due(due, due="due_at", lease=timedelta(seconds=CLAIM_SECONDS), limit=size)
