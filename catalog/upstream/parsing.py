"""Parse the JSON of an answer: error shapes, and the answers of `add` and `balance`.

Pure functions of the decoded text that raise only ProviderRefused and UnreadableAnswer. Protocol: "As a client: what
must be accepted".
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from decimal import Decimal

from catalog.upstream.cleaning import clean_text, parse_flag, parse_id, parse_number
from catalog.upstream.errors import ProviderRefused, UnreadableAnswer, classify_error
from catalog.upstream.loading import UNREADABLE, load, load_with_addition
from catalog.upstream.results import Balance

ERROR_TEXT = 500
_ORDER_NAMED = re.compile(r'"(?:order|order_id|id)\\?"\s*:')

_ERROR_KEYS = ("error", "Error", "ERROR", "errors", "Errors")
_MESSAGE_KEYS = ("message", "msg", "error_message", "reason", "detail")
_ID_KEYS = ("order", "order_id", "id")
# Fields of an answer to `add` that decide whether an order was accepted, and which.
_DECIDING_KEYS = (*_ERROR_KEYS, *_ID_KEYS, "data", "status", "success")
# Texts in the place of an order id that mean "no order".
_NO_ORDER = frozenset(("", "0", "-1", "false", "null", "none", "error", "fail", "failed"))
_ERROR_STATUSES = frozenset(("fail", "failed", "failure", "error", "false", "0"))
_NO_ERRORS = frozenset(("false", "0", "null", "none", "no"))
_ORDER_KEYS = ("charge", "start_count", "remains")


def error_text(data: object) -> str:
    """Return the text of an error in any shape of the protocol; "" if `data` is not an error.

    Note that {"status": "Fail", "charge": …} is the status of an order and not an error of the call.
    """
    if not isinstance(data, dict):
        return ""
    for key in _ERROR_KEYS:
        value = data.get(key)
        if value is None:
            continue
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


def is_success(value: object) -> bool:
    """Return True for a true `success`, which is a flag on some panels and a sentence on others."""
    if isinstance(value, str):
        return value.strip().lower() not in ("", "false", "0", "no")
    return parse_flag(value)


def _message(data: dict[str, object]) -> str:
    for key in _MESSAGE_KEYS:
        text = _flat_text(data.get(key))
        if text:
            return text
    return ""


def _flat_text(value: object, depth: int = 3) -> str:
    """Return the first text in a string, a list of strings or a dict of lists ({"link": ["Bad link"]})."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        parts = (_flat_text(part, depth - 1) for part in value[:20]) if depth else iter(())
        return next((part for part in parts if part), "")
    if isinstance(value, int | Decimal) and (isinstance(value, bool) or value == 0):
        return ""
    return clean_text(value, limit=ERROR_TEXT)


def refuse_error(data: object) -> None:
    """Raise ProviderRefused if `data` is an error."""
    text = error_text(data)
    if text:
        raise ProviderRefused(classify_error(text), text)


def unwrap(data: object, keys: Iterable[str]) -> object:
    """Return the object or list under the first of `keys` that has one, at most two levels deep; else `data`."""
    for _ in range(2):
        if not isinstance(data, dict):
            break
        inner = next((data[key] for key in keys if isinstance(data.get(key), dict | list)), None)
        if inner is None:
            break
        data = inner
    return data


def parse_add(text: str) -> tuple[str, Decimal | None]:
    """Return the order id of an answer to `add`, and the charge if stated ("What an answer to `add` means").

    Raise ProviderRefused for an explicit error. Raise UnreadableAnswer otherwise, also for an answer that contradicts
    itself: two ids, an id and an error, or a refusal with text after it.
    """
    data, added = load_with_addition(text)
    layers = _layers(data)
    if any(layer.get(key) is UNREADABLE for layer in layers for key in _DECIDING_KEYS):
        raise UnreadableAnswer("The answer contradicts itself.")
    error = next(filter(None, map(error_text, layers)), "")
    order_id = _order_id(layers)
    if order_id and not error:
        charge = next((layer["charge"] for layer in layers if "charge" in layer), None)
        return order_id, parse_number(charge)
    if order_id:
        raise UnreadableAnswer("The answer holds both an order id and an error.")
    if error and added:
        raise UnreadableAnswer("The answer goes on after its error.")
    if error:
        raise ProviderRefused(classify_error(error), error)
    raise UnreadableAnswer("The answer holds no order id.")


def _layers(data: object) -> list[dict[str, object]]:
    """Return the answer and the objects nested in it, innermost first."""
    layers: list[dict[str, object]] = []
    while isinstance(data, dict) and len(layers) < 3:
        layers.insert(0, data)
        data = next((data[key] for key in ("data", "order") if isinstance(data.get(key), dict)), None)
    return layers


def _order_id(layers: Sequence[dict[str, object]]) -> str:
    """Return the id on which all id fields agree; "" if there is none or the first field is empty.

    {"order": null, "id": 7} is not order 7. Raise UnreadableAnswer if the fields disagree.
    """
    stated = [layer[key] for layer in layers for key in _ID_KEYS if not isinstance(layer.get(key, {}), dict)]
    stated += [layer["data"] for layer in layers if isinstance(layer.get("data"), list)]
    ids = [parse_id(value) for value in stated]
    full = {one for one, value in zip(ids, stated, strict=True) if not _is_no_order(value)}
    if len(full) > 1 or "" in full:
        raise UnreadableAnswer("The answer gives no single order id.")
    return ids[0] if ids else ""


def _is_no_order(value: object) -> bool:
    return not value if isinstance(value, list) else str(value).strip().lower() in _NO_ORDER


def names_order(text: str) -> bool:
    """Return True if an answer, readable or not, has a field for an order id."""
    return _ORDER_NAMED.search(text) is not None


def parse_balance(text: str) -> Balance:
    """Parse the answer of `balance`. Raise ProviderRefused or UnreadableAnswer."""
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


def parse_currency(value: object) -> str:
    """Return a currency code such as "USD"; "" if it is missing or not a word."""
    code = clean_text(value, limit=8)
    return code.upper() if code.isascii() and code.isalpha() else ""
