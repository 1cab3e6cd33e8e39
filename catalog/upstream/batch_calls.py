"""Asking about many ids at once, where a few bad ones must not keep the others from their answers."""

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
from catalog.upstream.results import RowError

Row = TypeVar("Row")

# For all calls about one batch: shorter than any claim, with the call that it is in the middle of.
ASK_SECONDS = 60.0
# Calls that fail before the first is answered: then the fault is the provider's, and not that of a few ids.
MAX_FAILURES = 12
# It crashed, perhaps over one id. 503 is how a provider says that it is down.
CRASHED = (500, 502, 504)
UNKNOWN = (ErrorCode.UNKNOWN_ORDER, ErrorCode.UNKNOWN_REFILL)


@dataclass(slots=True)
class Said(Generic[Row]):
    """What a provider said of a batch: the answers by id, and the ids for which silence, too, is an answer.

    `blamed` are those over
    which the provider stumbled. `worked`: at least one call was answered. `trouble` is why it was not asked to the end.
    """

    answers: dict[str, Row | RowError] = field(default_factory=dict)
    asked: set[str] = field(default_factory=set)
    blamed: set[str] = field(default_factory=set)
    worked: bool = False
    trouble: UpstreamError | None = None


def ask_in_halves(
    call: Callable[[Sequence[str]], dict[str, Row | RowError]], ids: Sequence[str], *, refusals_count: bool = False
) -> Said[Row]:
    """Asks about all ids in one call, which may safely be repeated; never raises for what the provider does.

    `refusals_count`: what the provider refuses in words is its answer, and `call` has split refused lists itself.

    Where the call fails as a whole for what may be a few bad ids, the halves are asked, so that they keep
    nobody else from an answer. An id that fails alone holds a RowError, if others are answered for.
    """
    said: Said[Row] = Said()
    blamed: dict[str, Row | RowError] = {}
    last: UpstreamError | None = None
    waiting, failures = [list(ids)], 0
    stop_at = time.monotonic() + ASK_SECONDS
    while waiting and not said.trouble:
        part = waiting.pop()
        try:
            answers = call(part)
            error = None if refusals_count else _error_in(part, answers)
        except UpstreamError as raised:
            error = raised
        if error is None:
            said.worked = True
            said.answers |= answers
            said.asked |= set(part)
            continue
        last = error
        # "Incorrect order ID" is the answer of a provider that works.
        failures += not (isinstance(error, ProviderRefused) and error.code in UNKNOWN)
        is_hopeless = not said.worked and failures >= MAX_FAILURES
        is_refused = refusals_count and isinstance(error, ProviderRefused) and not error.may_have_acted
        if is_refused or not _may_be_few_ids(error) or is_hopeless or time.monotonic() > stop_at:
            said.trouble = error
        elif len(part) == 1:
            blamed[part[0]] = RowError(part[0], ErrorCode.UNRECOGNIZED, error.reason)
        else:
            if len(part) == len(ids):
                random.shuffle(part)  # Bad ids that lie together would look like a provider that is down.
            middle = len(part) // 2
            waiting += [part[middle:], part[:middle]]
    if said.worked:
        said.answers |= blamed
        said.asked |= set(blamed)
        said.blamed = set(blamed)
    else:
        said.trouble = last
    return said


def _error_in(part: Sequence[str], answers: Mapping[str, object]) -> UpstreamError | None:
    """The error that a single id was answered with, unless it speaks of the order: "Maintenance" does not."""
    answer = answers.get(part[0]) if len(part) == 1 else None
    if not isinstance(answer, RowError) or answer.is_malformed or answer.code in UNKNOWN:
        return None
    return UnreadableAnswer(answer.text)


def _may_be_few_ids(error: UpstreamError) -> bool:
    """Whether the provider was there, and stumbled over what it was asked."""
    if isinstance(error, ProviderRefused):
        return not is_about_us(error)
    if isinstance(error, UpstreamUnavailable):
        return error.evidence is not None and error.evidence.http_status in CRASHED
    return isinstance(error, UnreadableAnswer)


def is_about_us(error: UpstreamError) -> bool:
    """Whether it speaks of our account, and not of what was asked."""
    return isinstance(error, ProviderRefused) and error.code in PROVIDER_WIDE
