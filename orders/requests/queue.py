"""What cancel requests and refills share: claiming due rows of one provider, sending them, and waiting.

The rows are the queue. A claim holds a token and a lease; a worker that lost its lease records nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import timedelta
from functools import reduce
from operator import or_
from typing import TypeVar
from uuid import uuid4

from django.db.models import Exists, F, OuterRef, Q, QuerySet

from catalog.models import Provider
from catalog.provider_accounts import ProviderUnusable, client_for, has_limit
from catalog.upstream.client import UpstreamClient
from catalog.upstream.errors import (
    PROVIDER_WIDE,
    ErrorCode,
    ProviderRefused,
    UnreadableAnswer,
    UpstreamError,
    UpstreamUnavailable,
)
from catalog.upstream.results import LIMITED, NOT_ASKED, RowError
from orders.common.backoff import resend_wait
from orders.common.stops import is_restore_open
from orders.common.timeline import event_of
from orders.models import CancelRequest, OrderEvent, ProviderRequest, Refill
from orders.states import EventKind
from panel.alerts.causes import Cause
from panel.alerts.services import raise_alert, resolve_alert
from panel.lib import clock
from panel.lib.backoff import jitter
from panel.lib.claims import hold, lock_due

BATCH = 100
# Far longer than a call may take.
LEASE = timedelta(seconds=120)
SHORT_WAIT = timedelta(seconds=30)
# About two hours; then the request fails, and the customer can read why.
MAX_ATTEMPTS = 8
# Of a request that may have been carried out, and may be repeated.
MAX_UNCLEAR_ATTEMPTS = 3

# Addresses and amounts of money: customers must not see the provider's identity or our balance there.
_REVEALING = re.compile(r"https?:|www\.|@|\w\.[a-z]{2,}|[$€£₹₽]|\d[.,]\d", re.IGNORECASE)

Row = TypeVar("Row", CancelRequest, Refill)
Answer = TypeVar("Answer")
Trouble = UpstreamError | ProviderUnusable


def due_now() -> dict[str, object]:
    """Return the columns of a request that is made now and due at once."""
    now = clock.now()
    return {"created_at": now, "next_action_at": now}


def with_due(*queues: QuerySet[ProviderRequest]) -> list[Provider]:
    """Return providers with due rows, including disabled ones: customers are still owed what they bought."""
    now = clock.now()
    due = (Q(Exists(rows.filter(provider=OuterRef("pk"), next_action_at__lte=now))) for rows in queues)
    return list(Provider.objects.filter(reduce(or_, due)))


def is_busy(rows: QuerySet[ProviderRequest], *, provider: Provider) -> bool:
    """Return True if a worker holds a claim on the provider's rows. Keeps a slow provider from taking every thread."""
    now = clock.now()
    held = rows.filter(provider=provider, next_action_at__gt=now, next_action_at__lte=now + LEASE)
    return held.exclude(claim_token="").exists()


def lock_batch(rows: QuerySet[Row], *, provider: Provider) -> list[Row]:
    """Return at most 100 due rows with their orders, the longest waiting first, locked for this transaction.

    None while a database that was restored, or may have been, waits for staff: it may not know that a request was sent.
    """
    if is_restore_open():
        return []
    return lock_due(rows.filter(provider=provider).select_related("order"), due="next_action_at", limit=BATCH)


def lease(batch: Sequence[Row], *, state: str) -> None:
    """Claim the locked rows for this worker until the lease ends."""
    values = {"state": state, "claim_token": uuid4().hex, "asked_at": clock.now(), "attempts": F("attempts") + 1}
    hold(batch, due="next_action_at", lease=LEASE, values=values)


def lock_held(rows: QuerySet[Row], batch: Sequence[Row]) -> list[Row]:
    """Lock and return the rows of a claimed batch that are still ours, with their orders."""
    held = rows.filter(pk__in=[row.pk for row in batch], claim_token=batch[0].claim_token)
    return list(held.select_related("order").order_by("pk").select_for_update(of=("self",)))


def send_batch(
    provider: Provider,
    action: Callable[[UpstreamClient, Sequence[str]], dict[str, Answer | RowError]],
    ids: Sequence[str | None],
) -> tuple[dict[str, Answer | RowError], Trouble | None]:
    """Return the answers by id, or the error that prevented them.

    What our own limit of requests held back counts as not asked, for every id.
    """
    asked = [one for one in ids if one]
    try:
        return action(client_for(provider), asked), None
    except (ProviderUnusable, UpstreamError) as error:
        if is_limited(error):
            return {one: RowError(one, ErrorCode.THROTTLED, NOT_ASKED) for one in asked}, None
        return {}, error


def is_limited(trouble: Trouble | None) -> bool:
    """Return True if our own limit of requests held the request back: it was not sent, and nothing failed."""
    return isinstance(trouble, UpstreamUnavailable) and trouble.reason == LIMITED


_ASKED_FOR = {Cause.CANCELS: "cancel", Cause.REFILLS: "refill", Cause.REFILL_STATUSES: "refill status"}


def update_alert(*, provider: Provider, cause: Cause, trouble: Trouble | None) -> None:
    """Raise the alert while the provider fails these requests, and resolve it once they work."""
    if trouble is None:
        resolve_alert(cause=cause, about=provider.pk)
        return
    level = "danger" if isinstance(trouble, ProviderUnusable) else "warning"
    text = f"{provider.name}, asked for {_ASKED_FOR[cause]}: {trouble}"
    raise_alert(cause=cause, about=provider.pk, text=text, level=level)


def cut_short(answers: Mapping[str, object], *, provider: Provider) -> Trouble | None:
    """Return an error for the owner if some requests were not sent at all, else None.

    Under a limit of requests that the owner set it is as intended that some wait.
    """
    if has_limit(provider):
        return None
    left = sum(isinstance(answer, RowError) and answer.is_not_asked for answer in answers.values())
    return UpstreamUnavailable(f"it is too slow, or limits how often we may ask: {left} wait") if left else None


def unclear(ids: Collection[str | None], answers: Mapping[str, object]) -> Trouble | None:
    """Return an error for the owner if answers about some of the ids are missing or cannot be read, else None."""
    missing = sum(one is not None and one not in answers for one in ids)
    rows = [answer for answer in answers.values() if isinstance(answer, RowError) and answer.is_malformed]
    if not missing and not rows:
        return None
    shown = f" It answered: {rows[0].excerpt}" if rows and rows[0].excerpt else ""
    return UnreadableAnswer(f"its answer says nothing of {missing + len(rows)} of {len(ids)} that can be read.{shown}")


def is_for_now(code: ErrorCode) -> bool:
    """Return True if the refusal is temporary and says nothing about the request itself."""
    return code in PROVIDER_WIDE


def is_final(trouble: Trouble | None) -> bool:
    """Return True if the provider clearly refused the whole batch for good."""
    refused = isinstance(trouble, ProviderRefused) and not is_for_now(trouble.code)
    return refused and not may_have_acted(trouble)


def is_refused(trouble: Trouble | None) -> bool:
    """Return True if the provider said no to the whole batch, for good or for now."""
    return isinstance(trouble, ProviderRefused) and not may_have_acted(trouble)


def may_have_acted(trouble: Trouble | None) -> bool:
    """Return True if the provider may have acted on the request. `None`: it answered, but not for every id."""
    return trouble is None or (isinstance(trouble, UpstreamError) and trouble.may_have_acted)


def in_plain_words(error: RowError, *, action: str) -> str:
    """Return a refusal as the text for the customer; `action` is "to cancel it" or the like."""
    if error.code is ErrorCode.UNKNOWN_ORDER:
        return f"The provider refused {action}: it no longer knows the order."
    reason = error.text.strip().rstrip(".")[:200]
    if not reason or _REVEALING.search(reason):
        return f"The provider refused {action}."
    return f"The provider refused {action}: {reason}."


def events_of(*, order_id: int, kind: EventKind, text: str, answer: object) -> list[OrderEvent]:
    """Return unsaved events: the text for the customer and, for staff, the provider's own words."""
    events = [event_of(order_id=order_id, kind=kind, text=text)]
    if isinstance(answer, RowError) and answer.text:
        events.append(event_of(order_id=order_id, kind=kind, text=f"The provider said: {answer.text}", public=False))
    return events


def put_off(row: Row, *, waiting: str, most: int = MAX_ATTEMPTS) -> bool:
    """Requeue the row with a growing wait, unsaved; return False after `most` attempts."""
    if row.attempts >= most:
        return False
    row.state = waiting
    row.next_action_at = clock.now() + resend_wait(row.attempts) * jitter()
    return True


def put_back(row: Row, *, waiting: str) -> None:
    """Requeue a row that was not sent, unsaved, without counting the attempt."""
    row.state, row.attempts = waiting, row.attempts - 1
    row.next_action_at = clock.now() + SHORT_WAIT * jitter()


def end(row: Row, *, state: str, note: str = "") -> None:
    """End the row, unsaved."""
    row.state, row.note = state, note[:300]
    row.next_action_at, row.finished_at = None, clock.now()
