"""The signature of a NOWPayments call: HMAC-SHA512 over the body with its names sorted at every depth.

The vendor writes the text again from what it sends, so spaces and the order of names do not matter, but numbers do:
JavaScript prints 1e-7 where Python prints 1e-07. So numbers are kept as they came.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from typing import Any, NoReturn


class _Number(str):
    """The text of a number."""


def is_signed(*, body: bytes, signature: str, secret: str) -> bool:
    """Return True if `signature` is that of the body. Never raises, whatever was sent."""
    if not secret or not signature.isascii():
        return False
    try:
        right = hmac.new(secret.encode(), _signed_text(body).encode(), hashlib.sha512).hexdigest()
    except (ValueError, RecursionError):
        return False
    return hmac.compare_digest(right, signature.lower())


def _signed_text(body: bytes) -> str:
    """Return the text that is signed. Raise ValueError or RecursionError if the body is no object, or is ambiguous."""
    found = json.loads(
        body.decode(),
        parse_int=_Number,
        parse_float=_Number,
        parse_constant=_refuse,
        object_pairs_hook=_without_doubles,
    )
    if not isinstance(found, dict):
        raise ValueError("no object")
    return _written(found)


def _written(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ",".join(f"{_written(name)}:{_written(value[name])}" for name in sorted(value)) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(_written, value)) + "]"
    return str(value) if isinstance(value, _Number) else json.dumps(value, ensure_ascii=False)


def _refuse(word: str) -> NoReturn:
    raise ValueError(word)


def _without_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a doubled name")
    return found
