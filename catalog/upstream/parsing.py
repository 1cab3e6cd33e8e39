"""The body of an answer as data: JSON with guards, error shapes, and the answers of `add` and
`balance`.

Pure functions of the decoded text. They raise ProviderRefused and UnreadableAnswer, nothing else.
Protocol: "As a client: what must be accepted".
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from decimal import Decimal, InvalidOperation
from typing import Any

from catalog.upstream.cleaning import clean_text, parse_flag, parse_id, parse_number
from catalog.upstream.errors import ProviderRefused, UnreadableAnswer, classify_error
from catalog.upstream.results import Balance

ERROR_TEXT = 500
_UNREADABLE = Decimal("NaN")
_MAX_DIGITS = 64

# An object or a list of objects at the start of a line or behind a tag: where PHP's notices end.
_AFTER_NOTICES = re.compile(r"(?:^|>)[ \t\ufeff]*(?=\{\s*[\"}]|\[\s*[\[{\]])", re.MULTILINE)
_MESSAGE_KEYS = ("message", "msg", "error_message", "reason", "detail")
_ERROR_STATUSES = frozenset(("fail", "failed", "failure", "error", "false", "0"))
_NO_ERRORS = frozenset(("false", "0", "null", "none", "no"))
_ORDER_KEYS = ("charge", "start_count", "remains")


def _number(text: str) -> Decimal:
    # A number that is refused here costs its own row, not the whole list: it is read as NaN.
    if len(text) > _MAX_DIGITS:
        return _UNREADABLE
    try:
        return Decimal(text)
    except InvalidOperation:
        return _UNREADABLE


def _integer(text: str) -> int | Decimal:
    return int(text) if len(text) <= _MAX_DIGITS else _UNREADABLE


def _constant(_name: str) -> Decimal:
    return _UNREADABLE


# Not strict: some panels leave raw line ends in their strings.
_DECODER = json.JSONDecoder(parse_float=_number, parse_int=_integer, parse_constant=_constant, strict=False)


def load(text: str) -> Any:
    """The JSON of an answer, after a BOM or PHP notices. Raises UnreadableAnswer.

    It must reach to the end of the text, and only its first possible start is tried: otherwise the
    inner part of a truncated answer, or a script in an HTML page, would pass for an answer.
    """
    text = text.strip(" \t\r\n\ufeff\x00")
    if not text:
        raise UnreadableAnswer("The answer is empty.")
    notices = _AFTER_NOTICES.search(text)
    try:
        data, end = _DECODER.raw_decode(text, notices.end() if notices else 0)
    except (ValueError, RecursionError):
        kind = "HTML" if text[0] == "<" else "no valid JSON"
        raise UnreadableAnswer(f"The answer is {kind}.") from None
    if end != len(text):
        raise UnreadableAnswer("The answer goes on after its JSON.")
    return data


def error_text(data: Any) -> str:
    """The text of an error in any shape of the protocol; "" where `data` is no error.

    The trap: {"status": "Fail", "charge": …} is how an order stands, not an error of the call.
    """
    if not isinstance(data, dict):
        return ""
    for key in ("error", "Error", "ERROR", "errors", "Errors"):
        value = data.get(key)
        text = _message(data) if value is True else _flat_text(value)
        if text and text.lower() not in _NO_ERRORS:
            return text
    failed = "success" in data and not is_success(data["success"])
    status = data.get("status")
    if status is False or (isinstance(status, str | int) and _is_error_status(status)):
        failed = failed or not any(key in data for key in _ORDER_KEYS)
    return _message(data) if failed else ""


def _is_error_status(status: str | int) -> bool:
    if isinstance(status, int):
        return not status or 400 <= status <= 599
    return status.strip().lower() in _ERROR_STATUSES


def is_success(value: Any) -> bool:
    """`success` is a flag on some panels and a sentence on others."""
    if isinstance(value, str):
        return value.strip().lower() not in ("", "false", "0", "no")
    return parse_flag(value)


def _message(data: dict[str, Any]) -> str:
    for key in _MESSAGE_KEYS:
        text = _flat_text(data.get(key))
        if text:
            return text
    return ""


def _flat_text(value: Any, depth: int = 3) -> str:
    """The first text in a string, a list of them or a dict of lists ({"link": ["Bad link"]})."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        parts = (_flat_text(part, depth - 1) for part in value[:20]) if depth else iter(())
        return next((part for part in parts if part), "")
    if isinstance(value, int | Decimal) and (isinstance(value, bool) or value == 0):
        return ""
    return clean_text(value, limit=ERROR_TEXT)


def refuse_error(data: Any) -> None:
    """Raises ProviderRefused where `data` is an error."""
    text = error_text(data)
    if text:
        raise ProviderRefused(classify_error(text), text)


def unwrap(data: Any, keys: Iterable[str]) -> Any:
    """What lies under the first of `keys` that holds an object or a list, twice at most; else
    `data`.
    """
    for _ in range(2):
        if not isinstance(data, dict):
            break
        inner = next((data[key] for key in keys if isinstance(data.get(key), dict | list)), None)
        if inner is None:
            break
        data = inner
    return data


def parse_add(text: str) -> tuple[str, Decimal | None]:
    """The order id of an answer to `add`, and the charge where it is stated ("What an answer to
    `add` means").

    Raises ProviderRefused for an explicit error, and UnreadableAnswer for all else, also where an
    id and an error contradict each other.
    """
    data = load(text)
    body = unwrap(data, ("data", "order"))
    error = error_text(data) or error_text(body)
    order_id, charge = "", None
    if isinstance(body, dict):
        # The first key that is there decides: {"order": null, "id": 7} is no order 7.
        key = next((key for key in ("order", "order_id", "id") if key in body), "")
        order_id, charge = parse_id(body.get(key)), parse_number(body.get("charge"))
    if order_id and not error:
        return order_id, charge
    if order_id:
        raise UnreadableAnswer("The answer holds both an order id and an error.")
    if error:
        raise ProviderRefused(classify_error(error), error)
    raise UnreadableAnswer("The answer holds no order id.")


def parse_balance(text: str) -> Balance:
    """The answer of `balance`. Raises ProviderRefused, UnreadableAnswer."""
    data = load(text)
    refuse_error(data)
    body = unwrap(data, ("data",))
    refuse_error(body)
    value = body.get("balance") if isinstance(body, dict) else body
    amount = parse_number(value)
    if amount is None:
        raise UnreadableAnswer("The answer holds no balance.")
    currency = body.get("currency") if isinstance(body, dict) else ""
    return Balance(amount=amount, currency=parse_currency(currency))


def parse_currency(value: Any) -> str:
    """A currency code such as "USD"; "" where it is missing or no word."""
    code = clean_text(value, limit=8).upper()
    return code if code.isascii() and code.isalpha() else ""
