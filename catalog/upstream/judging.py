"""Decide what an answer means ("What an answer to `add` means" in the protocol). The body counts before the HTTP
status.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from catalog.upstream.error_meanings import is_doubtful
from catalog.upstream.errors import (
    ErrorCode,
    ProviderRefused,
    UnreadableAnswer,
    UpstreamUnavailable,
    classify_error,
)
from catalog.upstream.evidence import Evidence
from catalog.upstream.order_signs import may_hold_order
from catalog.upstream.parsing import parse_add, stated_message
from catalog.upstream.results import AddAccepted, AddOutcome, NotSent, Refused, Unknown

T = TypeVar("T")


def judge_add(*, text: str, failure: str, evidence: Evidence) -> AddOutcome:
    """Return one of the four outcomes. `text` is the whole answer, or `failure` says why there is none."""
    status = evidence.http_status or 0
    if not evidence.phase.may_have_sent:
        return NotSent(failure, evidence)
    if failure:
        return Unknown(failure, evidence)
    try:
        order_id, charge = parse_add(text, is_refused=evidence.is_refused)
    except ProviderRefused as refusal:
        if evidence.gave_up:
            # It may have failed after accepting the order: the error page of a crash is not a refusal.
            return Unknown(f"HTTP {status}: {refusal.text}", evidence)
        if refusal.code is ErrorCode.UNRECOGNIZED and status in (401, 429) and may_hold_order(text):
            return Unknown(f"HTTP {status}: {refusal.text}", evidence)
        return Refused(_code(refusal.code, refusal.text, status), refusal.text, evidence)
    except UnreadableAnswer as problem:
        # The status decides only if the body, whole or garbled, mentions no order and leaves no doubt.
        if status == 429 and not may_hold_order(text):
            return Refused(ErrorCode.THROTTLED, "HTTP 429", evidence)
        if evidence.points_elsewhere and not may_hold_order(text):
            return NotSent(f"HTTP {status}: redirected", evidence)
        return Unknown(f"HTTP {status}: {problem.reason}", evidence)
    return AddAccepted(order_id, charge, evidence)


def judge_reading(parse: Callable[[str], T], *, text: str, failure: str, evidence: Evidence) -> T:
    """Return what `parse` reads in the answer of any action but `add`.

    Raise ProviderRefused for an error that the provider states, UpstreamUnavailable if there is no complete answer or
    only a server's error page, UnreadableAnswer otherwise; each with evidence.
    """
    if failure:
        raise UpstreamUnavailable(failure, evidence)
    status = evidence.http_status or 0
    try:
        return parse(text)
    except ProviderRefused as refusal:
        if refusal.code is ErrorCode.UNRECOGNIZED and evidence.gave_up:
            raise UpstreamUnavailable(f"HTTP {status}: {refusal.text}", evidence) from None
        raise ProviderRefused(_code(refusal.code, refusal.text, status), refusal.text, evidence) from None
    except UnreadableAnswer as problem:
        if status == 429:
            raise ProviderRefused(ErrorCode.THROTTLED, "HTTP 429", evidence) from None
        message = stated_message(text) if evidence.is_refused else ""
        if message and not is_doubtful(message):
            raise ProviderRefused(_code(classify_error(message), message, status), message, evidence) from None
        if status >= 300:
            raise UpstreamUnavailable(f"HTTP {status}: {problem.reason}", evidence) from None
        raise UnreadableAnswer(problem.reason, evidence) from None


def _code(code: ErrorCode, text: str, status: int) -> ErrorCode:
    """Return the class of a refusal; where its words are unknown, that of the HTTP statuses about our account."""
    if code is not ErrorCode.UNRECOGNIZED:
        return code
    if status == 429:
        return ErrorCode.THROTTLED
    return ErrorCode.CREDENTIALS if status == 401 and not is_doubtful(text) else code
