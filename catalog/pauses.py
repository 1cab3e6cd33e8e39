"""Pauses of sending to a provider that failed or refused, and what ends them.

A pause doubles with each failure. When it is over, one order at a time is tried until one is accepted. An answer to
another call can end it early: the provider is there again, takes our key, or has money of ours.
"""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum

import structlog
from django.db.models import F, Q, QuerySet
from django.db.models.functions import Least

from catalog.models import Provider
from panel.alerts.causes import Cause
from panel.alerts.services import raise_alert, resolve_alert
from panel.lib import clock
from panel.lib.backoff import backoff
from panel.lib.prepared_sql import Bound

log = structlog.get_logger(__name__)

FIRST_PAUSE = timedelta(minutes=1)
MAX_PAUSE = timedelta(hours=1)
# Orders in a row without a clear answer that pause a provider: one or two cost their orders a doubt, and no more.
MAX_FAILURES = 3
_MAX_COUNTED = 1_000


class PauseKind(StrEnum):
    """Why a provider is paused, in a word for the log, and for what ends it."""

    UNREACHABLE = "unreachable"
    DOUBT = "doubt"
    SETUP = "setup"
    FUNDS = "funds"
    CREDENTIALS = "credentials"
    THROTTLED = "throttled"
    REQUEST = "request"  # it misses what every request of ours has
    WORDS = "words"  # refusals in unknown words: each one more is an order that a person must decide about
    REFUSALS = "refusals"  # refusals for good: each one more is a refund


_ENDED_BY_ANSWER = (PauseKind.UNREACHABLE, PauseKind.SETUP, PauseKind.CREDENTIALS)
_NOT_PAUSED = {
    "paused_until": None,
    "pause_reason": "",
    "pause_count": 0,
    "pause_kind": "",
    "pause_amount": None,
    "failures_in_row": 0,
    "refusals_in_row": 0,
    "unknown_in_row": 0,
}
# The first and the longest pause. Words: each order more waits for a person. Refusals: customers may be to blame.
_PAUSES = {
    PauseKind.WORDS: (timedelta(minutes=10), timedelta(hours=6)),
    PauseKind.REFUSALS: (timedelta(minutes=1), timedelta(minutes=5)),
}
# These begin with a short pause, whatever the provider was paused for before.
_OF_THEIR_OWN = (PauseKind.WORDS, PauseKind.REFUSALS, PauseKind.REQUEST)


def usable_providers(now: Bound | None = None) -> QuerySet[Provider]:
    """Return the active providers that are not paused now. `now` is the time's place in a prepared statement."""
    return Provider.objects.filter(_not_paused(now), is_active=True)


def note_failure(*, provider: Provider, kind: PauseKind, text: str) -> bool:
    """Count an order that got no clear answer. Return True if the provider is paused for it.

    That is so for the last of MAX_FAILURES in a row, and for an order that was tried after a pause.
    """
    row = Provider.objects.filter(pk=provider.pk)
    row.update(failures_in_row=Least(F("failures_in_row") + 1, _MAX_COUNTED))
    for failures, pauses in row.values_list("failures_in_row", "pause_count"):
        if pauses or failures >= MAX_FAILURES:
            pause_provider(provider=provider, kind=kind, text=text)
            return True
    return False


def pause_provider(*, provider: Provider, kind: PauseKind, text: str, amount: int | None = None) -> None:
    """Pause sending to the provider, twice as long each time, and raise one alert. If it is paused, do nothing.

    `amount` is what it lacks of our money at least, in micro-units of its own currency.
    """
    row = Provider.objects.filter(pk=provider.pk)
    before = row.values_list("pause_count", "pause_kind").first()
    if before is None:
        return
    pauses, last_kind = before
    grown = 0 if kind != last_kind and {kind, last_kind} & set(_OF_THEIR_OWN) else pauses
    first, longest = _PAUSES.get(kind, (FIRST_PAUSE, MAX_PAUSE))
    wait = backoff(grown, first=first, longest=longest)
    paused = row.filter(_not_paused(), pause_count=pauses).update(
        paused_until=clock.now() + wait,
        pause_reason=text[:200],
        pause_count=grown + 1,
        pause_kind=kind,
        pause_amount=amount,
    )
    if paused:  # Else an answer to another order of the same moment has.
        raise_alert(cause=Cause.TROUBLE, about=provider.pk, text=f"{provider.name}: {text}", level="danger")
        log.warning("provider paused", provider=provider.pk, reason=kind, seconds=int(wait.total_seconds()))


def count_refusal(*, provider: Provider, is_unknown: bool) -> int:
    """Count a refusal for good, or in unknown words. Return how many there were since an order was accepted."""
    name = "unknown_in_row" if is_unknown else "refusals_in_row"
    row = Provider.objects.filter(pk=provider.pk)
    row.update(**{name: Least(F(name) + 1, _MAX_COUNTED)})
    return row.values_list(name, flat=True).first() or 0


def note_clear_answer(*, provider: Provider) -> None:
    """Begin to count anew how many orders in a row got no clear answer."""
    Provider.objects.filter(pk=provider.pk, failures_in_row__gt=0).update(failures_in_row=0)


def note_success(*, provider: Provider) -> None:
    """End the pause and its growth, after the provider accepted an order."""
    troubled = Q(pause_count__gt=0) | Q(failures_in_row__gt=0) | Q(refusals_in_row__gt=0) | Q(unknown_in_row__gt=0)
    if Provider.objects.filter(troubled, pk=provider.pk).update(**_NOT_PAUSED):
        resolve_alert(cause=Cause.TROUBLE, about=provider.pk)


def try_again(*, provider: Provider, balance: int | None) -> bool:
    """Let one order through to a paused provider that answered another call of ours. Return True if it was paused.

    `balance` is what it answered, in micro-units of its own currency. The next pause is as long as without this.
    """
    mended = Q(pause_kind__in=_ENDED_BY_ANSWER)
    if balance is not None:
        mended |= Q(pause_kind=PauseKind.FUNDS, pause_amount__lte=balance)
    now = clock.now()
    paused = Provider.objects.filter(mended, pk=provider.pk, paused_until__gt=now)
    return bool(paused.update(paused_until=now))


def try_after_teaching(*, provider: Provider) -> bool:
    """Let one order through to a provider that was paused for its words, after the owner said what they mean.

    Return True if it was paused for them.
    """
    now = clock.now()
    kinds = (PauseKind.WORDS, PauseKind.REFUSALS)
    paused = Provider.objects.filter(pk=provider.pk, pause_kind__in=kinds, paused_until__gt=now)
    return bool(paused.update(paused_until=now, unknown_in_row=0, refusals_in_row=0))


def resume_provider(*, provider: Provider) -> None:
    """End all pauses, after staff fixed the problem."""
    Provider.objects.filter(pk=provider.pk).update(**_NOT_PAUSED, polling_until=None, polling_failures=0)
    resolve_alert(cause=Cause.TROUBLE, about=provider.pk)


def _not_paused(now: Bound | None = None) -> Q:
    return Q(paused_until=None) | Q(paused_until__lte=now or clock.now())
