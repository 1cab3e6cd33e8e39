"""Calls to gateways, guarded like those to providers, and their answers as exact numbers."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal, NoReturn

from urllib3.exceptions import LocationParseError
from urllib3.util import parse_url

from billing.intake.addresses import may_be_private
from billing.intake.gateways import GatewayError
from panel.lib.http.exchange import Phase, Request
from panel.lib.http.transport import send_request
from panel.site.names import user_agent

# Seconds, and bytes.
CONNECT_TIMEOUT, TIMEOUT = 5.0, 20.0
MAX_ANSWER = 1_000_000
MAX_WORDS = 200


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer that was read to its end.

    `data` is its JSON, with each number as an int or a Decimal; None if a refusal came without a word.
    """

    status: int
    data: Any


def ask(
    method: Literal["POST", "GET"], url: str, *, body: bytes = b"", headers: Mapping[str, str] | None = None
) -> Reply:
    """Send one request and return the reply, of any status below 500.

    Raise GatewayError if there is none, it is no JSON, or the server says that it failed.
    """
    try:
        parsed = parse_url(url)
    except LocationParseError:
        raise GatewayError("The gateway's address cannot be read.") from None
    answer = send_request(
        Request(
            url=parsed,
            form=body,
            user_agent=user_agent(),
            allow_private=may_be_private(parsed),
            connect_timeout=CONNECT_TIMEOUT,
            total_timeout=TIMEOUT,
            max_body=MAX_ANSWER,
            method=method,
            headers=headers or {},
            content_type="application/json",
        )
    )
    if answer.phase is not Phase.ANSWERED or answer.failure or answer.http_status is None:
        raise GatewayError(f"No answer: {answer.failure or answer.phase}.")
    if answer.http_status >= 500 or 300 <= answer.http_status < 400:
        raise GatewayError(f"It answers {answer.http_status}.")
    if answer.http_status >= 400 and not answer.body.strip():
        return Reply(answer.http_status, None)
    return Reply(answer.http_status, read_exactly(answer.body))


def read_exactly(body: bytes) -> Any:
    """Return JSON with numbers that lose nothing. Raise GatewayError for NaN, doubled names and anything else."""
    try:
        return json.loads(
            body.decode(), parse_float=Decimal, parse_constant=_refuse_constant, object_pairs_hook=_without_doubles
        )
    except (ValueError, RecursionError):
        words = " ".join(body.decode(errors="replace").split())[:MAX_WORDS]
        raise GatewayError(f"Its answer cannot be read: {words}") from None


def _refuse_constant(word: str) -> NoReturn:
    raise ValueError(word)


def _without_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a doubled name")
    return found
