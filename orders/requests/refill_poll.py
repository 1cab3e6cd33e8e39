"""Polling of refills: claim a batch of one provider, one `refill_status` call, one short transaction.

Answers are matched by provider and refill id. Some providers give the same id to several refills; then each of them
gets the answer.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from datetime import timedelta
from functools import partial
from uuid import uuid4

from django.db import transaction
from django.db.models import QuerySet

from catalog.models import Provider
from catalog.provider_accounts import ProviderUnusable, client_for
from catalog.provider_rounds import for_each_provider
from catalog.upstream.batch_calls import BatchAnswers, call_in_halves
from catalog.upstream.errors import ErrorCode
from catalog.upstream.results import RefillStatus, RefillStatusRow, RowError
from orders.common.timeline import event_of
from orders.models import OrderEvent, Refill
from orders.requests import queue
from orders.states import EventKind, RefillState
from panel.alerts.causes import Cause
from panel.lib import clock
from panel.lib.backoff import backoff, jitter
from panel.lib.claims import claim_due

ROUND_SECONDS = 20.0
MIN_WAIT = timedelta(minutes=1)
MAX_WAIT = timedelta(hours=1)
LOST_AFTER_ERRORS = 10
LOST_AFTER = timedelta(hours=1)
# About seven days, as the waits grow to an hour.
MAX_ERRORS = 170
# A refill is followed for this long: an open one blocks the next.
MAX_AGE = timedelta(days=30)

Answers = Mapping[str, RefillStatusRow | RowError]

_STATES = {
    RefillStatus.PENDING: RefillState.PENDING,
    RefillStatus.IN_PROGRESS: RefillState.IN_PROGRESS,
    RefillStatus.COMPLETED: RefillState.COMPLETED,
    RefillStatus.REJECTED: RefillState.REJECTED,
}
_TEXTS = {
    RefillState.IN_PROGRESS: "The refill is in progress",
    RefillState.COMPLETED: "The refill is completed",
    RefillState.REJECTED: "The provider rejected the refill",
}


def poll_due_refills(*, seconds: float = ROUND_SECONDS) -> int:
    """Poll due refills of all providers once; return how many were polled."""
    return for_each_provider(partial(poll_provider_refills, seconds=seconds), providers_with_due_refills())


def providers_with_due_refills() -> list[Provider]:
    return queue.with_due(running())


def running() -> QuerySet[Refill]:
    """Return open refills that the provider accepted and gave an id for."""
    return Refill.objects.filter(state__in=(RefillState.PENDING, RefillState.IN_PROGRESS)).exclude(upstream_id="")


def poll_provider_refills(*, provider: Provider, seconds: float = ROUND_SECONDS) -> int:
    """Poll the provider's due refills, batch after batch, for about `seconds`; return how many."""
    if queue.is_busy(running(), provider=provider):
        return 0
    stop_at = time.monotonic() + seconds
    polled = 0
    trouble: queue.Trouble | None = None
    unread: queue.Trouble | None = None
    while trouble is None and time.monotonic() < stop_at:
        batch = claim_refill_polls(provider=provider)
        if not batch:
            break
        ids = [refill.upstream_id for refill in batch]
        result, trouble = _call(provider, ids)
        if is_limited := queue.is_limited(trouble):
            trouble = None
        # Refills not polled keep their claim until it runs out. Those past MAX_AGE end without an answer.
        answered = [refill for refill in batch if refill.upstream_id in result.asked or _age(refill) > MAX_AGE]
        if result.worked and not any(_is_understood(row) for row in result.answers.values()):
            unread = queue.unclear(ids, result.answers)
        if answered:
            apply_refill_answers(batch=answered, answers=result.answers)
        polled += len(answered)
        if is_limited:
            break
    if polled or trouble:
        queue.update_alert(provider=provider, cause=Cause.REFILL_STATUSES, trouble=trouble or unread)
    return polled


def _is_understood(row: RefillStatusRow | RowError) -> bool:
    return isinstance(row, RefillStatusRow) or row.is_understood


def _call(provider: Provider, ids: Sequence[str]) -> tuple[BatchAnswers[RefillStatusRow], queue.Trouble | None]:
    """Return the answers, and the error that prevented some of them."""
    try:
        client = client_for(provider)
    except ProviderUnusable as error:
        return BatchAnswers(), error
    result = call_in_halves(client.refill_statuses, list(dict.fromkeys(ids)), refusals_count=True)
    if queue.is_final(result.trouble):
        result.asked |= set(ids)  # A refusal of the whole call counts for every id.
    return result, result.trouble


def _age(refill: Refill) -> timedelta:
    return clock.now() - (refill.asked_at or refill.created_at)


def claim_refill_polls(*, provider: Provider) -> list[Refill]:
    """Claim at most 100 due refills of one provider for the time of a lease."""
    return claim_due(
        running().filter(provider=provider).select_related("order"),
        due="next_action_at",
        lease=queue.LEASE,
        limit=queue.BATCH,
        values={"claim_token": uuid4().hex},
    )


def apply_refill_answers(*, batch: Sequence[Refill], answers: Answers) -> None:
    """Record the answers. A missing or malformed row counts an error only for its own refill."""
    events: list[OrderEvent] = []
    with transaction.atomic():
        held = queue.lock_held(running(), batch)
        for refill in held:
            text = _apply(refill, answers.get(refill.upstream_id))
            refill.claim_token = ""
            if text:
                events.append(event_of(order_id=refill.order_id, kind=EventKind.REFILL, text=text))
        Refill.objects.bulk_update(
            held, ["state", "note", "poll_errors", "claim_token", "next_action_at", "finished_at"]
        )
        if events:
            # In the order in which polling locks them: each event locks its order when the transaction ends.
            OrderEvent.objects.bulk_create(sorted(events, key=lambda event: event.order_id))


def _apply(refill: Refill, answer: RefillStatusRow | RowError | None) -> str:
    """Apply the answer to the refill, unsaved; return the text for the customer, or ""."""
    age = _age(refill)
    status = answer.status if isinstance(answer, RefillStatusRow) else None
    state = _STATES[status] if status else RefillState(refill.state)
    if state in (RefillState.COMPLETED, RefillState.REJECTED):
        queue.end(refill, state=state, note=f"{_TEXTS[state]}.")
        return _TEXTS[state]
    if note := _why_given_up(refill, answer, age):
        queue.end(refill, state=RefillState.UNFOLLOWED, note=note)
        return note
    refill.poll_errors = 0 if status else refill.poll_errors + 1
    refill.next_action_at = clock.now() + next_refill_poll_after(age=age, errors=refill.poll_errors)
    changed, refill.state = state != refill.state, state
    return _TEXTS.get(state, "") if changed else ""


def _why_given_up(refill: Refill, answer: RefillStatusRow | RowError | None, age: timedelta) -> str:
    """Return why the refill is no longer followed, for the customer; "" while it is."""
    if age > MAX_AGE:
        return f"The provider has not finished it in {MAX_AGE.days} days. It is not followed any more."
    if isinstance(answer, RefillStatusRow) and answer.status:
        return ""
    errors = refill.poll_errors + 1
    unknown = isinstance(answer, RowError) and answer.code is ErrorCode.UNKNOWN_REFILL
    if unknown and errors >= LOST_AFTER_ERRORS and age > LOST_AFTER:
        return "The provider took it, but no longer knows it. It cannot be followed."
    if errors >= MAX_ERRORS:
        return "The provider accepted it, but does not report its status. It is not polled any more."
    return ""


def next_refill_poll_after(*, age: timedelta, errors: int) -> timedelta:
    """Return the wait until the next poll, 1 minute to 1 hour: it grows with age and with errors in a row."""
    by_errors = backoff(errors, first=MIN_WAIT, longest=MAX_WAIT)
    return min(max(MIN_WAIT, age / 5, by_errors), MAX_WAIT) * jitter()
