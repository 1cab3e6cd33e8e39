"""Ask a provider about many ids at once, so that a few bad ids do not cost the others their answers."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from catalog.upstream.errors import (
    PROVIDER_WIDE,
    ErrorCode,
    ProviderRefused,
    UnreadableAnswer,
    UpstreamError,
    UpstreamUnavailable,
)
from catalog.upstream.results import LIMITED, NONE_UNDERSTOOD, RowError

Row = TypeVar("Row")

# Seconds for all calls about one batch. With the call under way at that moment it is still shorter than any lease.
MAX_BATCH_SECONDS = 60.0
# After this many failures before the first answer, the provider is at fault and not a few ids.
MAX_FAILURES = 12
# The provider crashed, perhaps over one id. 503 is not listed: it means that the provider is down.
CRASHED = (500, 502, 504)
UNKNOWN = (ErrorCode.UNKNOWN_ORDER, ErrorCode.UNKNOWN_REFILL)


@dataclass(slots=True)
class BatchAnswers(Generic[Row]):
    """Result of asking about a batch.

    `answers` are by id. `asked` are the ids that were asked about: one that is missing from `answers` got no answer.
    `blamed` are the ids whose calls failed. `worked` is True if at least one call was answered. `trouble` is the error
    that ended the calls early, or the last error if no call was answered.
    """

    answers: dict[str, Row | RowError] = field(default_factory=dict)
    asked: set[str] = field(default_factory=set)
    blamed: set[str] = field(default_factory=set)
    worked: bool = False
    trouble: UpstreamError | None = None


def call_in_halves(
    call: Callable[[Sequence[str]], dict[str, Row | RowError]],
    ids: Sequence[str],
    *,
    refusals_count: bool = False,
    ends_at: Callable[[UpstreamError], bool] | None = None,
) -> BatchAnswers[Row]:
    """Ask about all ids in one call; where that fails, ask about its halves.

    `call` must be safe to repeat. Errors of the provider are returned, never raised. A call is halved only where a few
    bad ids may be the cause. An id that fails alone gets a RowError, if any other id was answered.

    With `refusals_count`, a refusal is an answer and ends the calls; `call` then splits refused lists itself. An error
    about all ids for which `ends_at` is True ends the calls, too.
    """
    result: BatchAnswers[Row] = BatchAnswers()
    blamed: dict[str, Row | RowError] = {}
    last: UpstreamError | None = None
    waiting, failures = [list(ids)], 0
    stop_at = time.monotonic() + MAX_BATCH_SECONDS
    while waiting and not result.trouble:
        part = waiting.pop()
        try:
            answers = call(part)
            error = None if refusals_count else _error_in(part, answers)
        except UpstreamError as raised:
            error = raised
        if error is None:
            result.worked = True
            result.answers |= answers
            result.asked |= set(part)
            continue
        if last is None or error.reason != LIMITED:
            last = error  # Our own limit hides no failure before it.
        # "Incorrect order ID" comes from a provider that works.
        failures += not (isinstance(error, ProviderRefused) and error.code in UNKNOWN)
        is_hopeless = not result.worked and failures >= MAX_FAILURES
        is_refused = refusals_count and isinstance(error, ProviderRefused) and not error.may_have_acted
        is_over = ends_at is not None and len(part) == len(ids) and ends_at(error)
        if is_over or is_refused or not _may_be_few_ids(error) or is_hopeless or time.monotonic() > stop_at:
            result.trouble = error
        elif len(part) == 1:
            blamed[part[0]] = RowError(part[0], ErrorCode.UNRECOGNIZED, error.reason)
        else:
            if len(part) == len(ids):
                random.shuffle(part)  # Adjacent bad ids would look like a provider that is down.
            middle = len(part) // 2
            waiting += [part[middle:], part[:middle]]
    if result.worked:
        result.answers |= blamed
        result.asked |= set(blamed)
        result.blamed = set(blamed)
    else:
        result.trouble = last
    return result


def _error_in(part: Sequence[str], answers: Mapping[str, object]) -> UpstreamError | None:
    """Return the error for a single id if it is about the provider ("Maintenance"); None if it is about the order."""
    answer = answers.get(part[0]) if len(part) == 1 else None
    if not isinstance(answer, RowError) or answer.is_malformed or answer.code in UNKNOWN:
        return None
    return UnreadableAnswer(answer.text)


def _may_be_few_ids(error: UpstreamError) -> bool:
    """Return True if the provider was reached and a few of the ids may have caused the error."""
    if isinstance(error, ProviderRefused):
        return not is_about_us(error)
    if isinstance(error, UpstreamUnavailable):
        return error.evidence is not None and error.evidence.http_status in CRASHED
    return isinstance(error, UnreadableAnswer)


def is_not_understood(error: UpstreamError | None) -> bool:
    """Return True if the provider answered, and said nothing of any id that is understood."""
    return isinstance(error, UnreadableAnswer) and error.reason == NONE_UNDERSTOOD


def is_about_us(error: UpstreamError) -> bool:
    """Return True if the error is about our account and not about the request."""
    return isinstance(error, ProviderRefused) and error.code in PROVIDER_WIDE
