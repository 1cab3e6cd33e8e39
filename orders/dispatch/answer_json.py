"""The outcome of an `add` as JSON, and back. Pure.

Nothing here needs redacting: the client has already removed the API key from every text of an outcome.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

from catalog.upstream.errors import ErrorCode
from catalog.upstream.evidence import Evidence
from catalog.upstream.results import AddAccepted, AddOutcome, NotSent, Refused, Unknown
from panel.lib.http.exchange import Phase

_KINDS: dict[type, str] = {AddAccepted: "accepted", Refused: "refused", NotSent: "not sent", Unknown: "unknown"}


@dataclass(frozen=True, slots=True)
class KeptAnswer:
    """An outcome, and the provider's name for staff: its primary key may mean another one in a restored database."""

    provider_name: str
    outcome: AddOutcome


def answer_to_json(answer: KeptAnswer) -> str:
    """Return the answer as JSON."""
    kind = _KINDS[type(answer.outcome)]
    # Decimals become text, so that a charge keeps all its digits.
    return json.dumps({"kind": kind, "provider": answer.provider_name, **asdict(answer.outcome)}, default=str)


def answer_from_json(text: str) -> KeptAnswer:
    """Return the answer in `text`. Raise ValueError if it is not exactly what `answer_to_json` writes."""
    values = json.loads(text)
    if not isinstance(values, dict):
        raise ValueError("not an object")
    evidence = values.get("evidence")
    if not isinstance(evidence, dict):
        raise ValueError("no evidence")
    return KeptAnswer(_text(values, "provider"), _outcome(values, _evidence(evidence)))


def _outcome(values: Mapping[str, Any], evidence: Evidence) -> AddOutcome:
    match _text(values, "kind"):
        case "accepted":
            order_id = _text(values, "order_id")
            if not order_id:
                raise ValueError("no order id")
            return AddAccepted(order_id, _amount(values, "charge"), evidence)
        case "refused":
            return Refused(ErrorCode(_text(values, "code")), _text(values, "text"), evidence)
        case "not sent":
            return NotSent(_text(values, "reason"), evidence)
        case "unknown":
            return Unknown(_text(values, "reason"), evidence)
        case other:
            raise ValueError(f"unknown kind {other!r}")


def _evidence(values: Mapping[str, Any]) -> Evidence:
    http_status = None if values.get("http_status", 0) is None else _number(values, "http_status")
    phase = Phase(_text(values, "phase"))
    # Answers of versions that did not keep the target of a redirect may still lie there.
    redirect = _text({"redirect": "", **values}, "redirect")
    return Evidence(phase, http_status, _text(values, "body_excerpt"), _number(values, "elapsed_ms"), redirect)


def _text(values: Mapping[str, Any], name: str) -> str:
    value = values.get(name)
    if not isinstance(value, str):
        raise ValueError(f"{name} is not text")
    return value


def _number(values: Mapping[str, Any], name: str) -> int:
    value = values.get(name)
    if type(value) is not int:
        raise ValueError(f"{name} is not a whole number")
    return value


def _amount(values: Mapping[str, Any], name: str) -> Decimal | None:
    if values.get(name, "") is None:
        return None
    try:
        amount = Decimal(_text(values, name))
    except InvalidOperation:
        raise ValueError(f"{name} is not a number") from None
    if not amount.is_finite():
        raise ValueError(f"{name} is not finite")
    return amount
