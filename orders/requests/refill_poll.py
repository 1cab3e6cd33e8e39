"""Following refills: claim a batch of one provider, one `refill_status` call, one short transaction.

Answers are matched by provider and refill id. Where two refills carry one id, which some providers give as a
mere flag, both get its answer.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from datetime import timedelta
from functools import partial
from uuid import uuid4

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from catalog.models import Provider
from catalog.provider_accounts import ProviderUnusable, client_for
from catalog.upstream.batch_calls import Said, ask_in_halves
from catalog.upstream.errors import ErrorCode
from catalog.upstream.results import RefillStatus, RefillStatusRow, RowError
from orders.common.provider_rounds import for_each_provider
from orders.common.timeline import event_of
from orders.models import OrderEvent, Refill
from orders.requests import queue
from orders.states import EventKind, RefillState
from panel.alerts.causes import Cause
from panel.lib.backoff import backoff, jitter
from panel.lib.claims import claim_due

ROUND_SECONDS = 20.0
MIN_WAIT = timedelta(minutes=1)
MAX_WAIT = timedelta(hours=1)
LOST_AFTER_ERRORS = 10
LOST_AFTER = timedelta(hours=1)
# About seven days: their waits grow to an hour.
MAX_ERRORS = 170
# For which it may run. An open refill keeps the customer from the next one.
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
    """One round over all providers with due refills; returns how many refills were asked about."""
    return for_each_provider(partial(poll_provider_refills, seconds=seconds), providers_with_due_refills())


def providers_with_due_refills() -> list[Provider]:
    return queue.with_due(running())


def running() -> QuerySet[Refill]:
    """Refills that the provider took and told an id of."""
    return Refill.objects.filter(state__in=(RefillState.PENDING, RefillState.IN_PROGRESS)).exclude(upstream_id="")


def poll_provider_refills(*, provider: Provider, seconds: float = ROUND_SECONDS) -> int:
    """Asks about this provider's due refills, batch after batch, for about `seconds`; returns how many."""
    if queue.is_busy(running(), provider=provider):
        return 0
    stop_at = time.monotonic() + seconds
    polled = 0
    trouble: queue.Trouble | None = None
    while trouble is None and time.monotonic() < stop_at:
        batch = claim_refill_polls(provider=provider)
        if not batch:
            break
        ids = [refill.upstream_id for refill in batch]
        said, trouble = _ask(provider, ids)
        # The claim of the others stands: they are asked about again when it runs out. Unless they are too old.
        heard = [refill for refill in batch if refill.upstream_id in said.asked or _age(refill) > MAX_AGE]
        if heard:
            apply_refill_answers(batch=heard, answers=said.answers)
        polled += len(heard)
    if polled or trouble:
        queue.tell_owner(provider=provider, cause=Cause.REFILL_STATUSES, trouble=trouble)
    return polled


def _ask(provider: Provider, ids: Sequence[str]) -> tuple[Said[RefillStatusRow], queue.Trouble | None]:
    """What was said, and what kept the provider from saying it all."""
    try:
        client = client_for(provider)
    except ProviderUnusable as error:
        return Said(), error
    said = ask_in_halves(client.refill_statuses, list(dict.fromkeys(ids)), refusals_count=True)
    if queue.is_final(said.trouble):
        said.asked |= set(ids)  # It refused to tell: that counts for each of them.
    return said, said.trouble


def _age(refill: Refill) -> timedelta:
    return timezone.now() - (refill.asked_at or refill.created_at)


def claim_refill_polls(*, provider: Provider) -> list[Refill]:
    """At most 100 due refills of one provider, kept from other workers for the time of a lease."""
    return claim_due(
        running().filter(provider=provider).select_related("order"),
        due="next_action_at",
        lease=queue.LEASE,
        limit=queue.BATCH,
        values={"claim_token": uuid4().hex},
    )


def apply_refill_answers(*, batch: Sequence[Refill], answers: Answers) -> None:
    """Writes what the provider said of each. A missing or bad row counts an error of its own refill alone."""
    events: list[OrderEvent] = []
    with transaction.atomic():
        held = queue.lock_held(running(), batch)
        for refill in held:
            text = _take_over(refill, answers.get(refill.upstream_id))
            refill.claim_token = ""
            if text:
                events.append(event_of(order_id=refill.order_id, kind=EventKind.REFILL, text=text))
        Refill.objects.bulk_update(
            held, ["state", "note", "poll_errors", "claim_token", "next_action_at", "finished_at"]
        )
        if events:
            # By order, as polling locks them: each event takes hold of its order when the transaction ends.
            OrderEvent.objects.bulk_create(sorted(events, key=lambda event: event.order_id))


def _take_over(refill: Refill, answer: RefillStatusRow | RowError | None) -> str:
    """Puts on the refill what was said of it; returns what the customer is told, or ""."""
    age = _age(refill)
    said = answer.status if isinstance(answer, RefillStatusRow) else None
    state = _STATES[said] if said else RefillState(refill.state)
    if state in (RefillState.COMPLETED, RefillState.REJECTED):
        queue.settle(refill, state=state, note=f"{_TEXTS[state]}.")
        return _TEXTS[state]
    if note := _why_given_up(refill, answer, age):
        queue.settle(refill, state=RefillState.UNFOLLOWED, note=note)
        return note
    refill.poll_errors = 0 if said else refill.poll_errors + 1
    refill.next_action_at = timezone.now() + next_refill_poll_after(age=age, errors=refill.poll_errors)
    changed, refill.state = state != refill.state, state
    return _TEXTS.get(state, "") if changed else ""


def _why_given_up(refill: Refill, answer: RefillStatusRow | RowError | None, age: timedelta) -> str:
    """Why it is not followed any more, for the customer; "" as long as it is."""
    if age > MAX_AGE:
        return f"The provider has not finished it in {MAX_AGE.days} days. It is not followed any more."
    if isinstance(answer, RefillStatusRow) and answer.status:
        return ""
    errors = refill.poll_errors + 1
    unknown = isinstance(answer, RowError) and answer.code is ErrorCode.UNKNOWN_REFILL
    if unknown and errors >= LOST_AFTER_ERRORS and age > LOST_AFTER:
        return "The provider took it, but no longer knows it. It cannot be followed."
    if errors >= MAX_ERRORS:
        return "The provider took it, but does not tell how it stands. It is not followed any more."
    return ""


def next_refill_poll_after(*, age: timedelta, errors: int) -> timedelta:
    """The wait before the next look: the older, and the more errors in a row, the longer; 1 minute to 1 hour."""
    by_errors = backoff(errors, first=MIN_WAIT, longest=MAX_WAIT)
    return min(max(MIN_WAIT, age / 5, by_errors), MAX_WAIT) * jitter()
