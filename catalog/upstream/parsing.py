"""Parse the JSON of an answer: error shapes, and the answers of `add` and `balance`.

Pure functions of the decoded text that raise only ProviderRefused and UnreadableAnswer. Protocol: "As a client: what
must be accepted".
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal

from catalog.upstream.cleaning import clean_text, parse_flag, parse_id, parse_money, parse_number, parse_rate
from catalog.upstream.currencies import MAX_NAME, currency_of
from catalog.upstream.error_meanings import is_doubtful, says_nothing
from catalog.upstream.errors import ErrorCode, ProviderRefused, UnreadableAnswer, classify_error
from catalog.upstream.loading import UNREADABLE, load, load_with_addition
from catalog.upstream.order_signs import MAX_TEXTS, is_in_doubt, is_no_order, mentions_order, names_order
from catalog.upstream.results import Balance
from catalog.upstream.word_shapes import MAX_TEXT

ERROR_TEXT = MAX_TEXT
_THREE_DIGITS = re.compile(r"[1-9][0-9]{2}")

# Names are compared in lower case.
_ERROR_KEYS = ("error", "errors")
_MESSAGE_KEYS = ("message", "msg", "error_message", "error_msg", "errormessage", "reason", "detail", "details")
# What else may hold the text inside an object that is an error for certain.
_TEXT_KEYS = (*_MESSAGE_KEYS, "description", "title", "text")
_NO_TEXT_KEYS = frozenset(("code", "status", "type", "name", "id", "field", "trace", "file", "line"))
_INNER_KEYS = ("data", "result", "response")
_SPEAKING_KEYS = ("result", "response", "status", "meta")
_SUCCESS_KEYS = ("success", "is_success", "issuccess", "successful")
_FLAG_KEYS = ("status", "result", "ok")
# These are flags only if they hold a word of failure or success.
_WORDED_FLAG_KEYS = ("response", "type")
# Where the only text of a failure may be a code in words.
_WORD_KEYS = ("error_code", "errorcode", "code")
_CODE_KEYS = ("status", "code", "status_code", "statuscode")
_ID_KEYS = ("order", "order_id", "id")
# Fields of an answer to `add` that decide whether an order was accepted, and which.
_DECIDING_KEYS = ("error", "Error", "ERROR", "errors", "Errors", *_ID_KEYS, "data", "status", "success")
_ERROR_STATUSES = frozenset(("fail", "failed", "failure", "error", "false", "0", "ko", "nok"))
_TRUE_FLAGS = frozenset(("true", "1", "ok", "success", "yes"))
_NO_ERRORS = frozenset(("false", "0", "null", "none", "no"))
# Errors that say nothing where there is a message beside them.
_BARE_ERRORS = frozenset(("error", "fail", "failed", "failure", "true", "yes", "bad request", "validation error"))
_ORDER_KEYS = ("charge", "start_count", "remains")
_ROW_KEYS = frozenset(("order", "order_id", "id", "refill", "refill_id", "service", "rate"))


def error_text(data: object) -> str:
    """Return the text of an error in any shape of the protocol; "" if `data` is not an error.

    Note that {"status": "Fail", "charge": …} is the status of an order and not an error of the call.
    """
    if isinstance(data, list) and len(data) == 1 and isinstance(data[0], dict) and not _ROW_KEYS & data[0].keys():
        data = data[0]
    return next(iter(_error_texts(data)), "")


def _error_texts(data: object) -> list[str]:
    """Return all texts of an error, the most telling first; none if `data` is not an error."""
    if not isinstance(data, dict):
        return []
    fields = _fields(data)
    errors: list[str] = []
    has_error = False
    for value in _values(fields, _ERROR_KEYS):
        texts = [text for text in _texts(value) if text.lower() not in _NO_ERRORS]
        errors += texts
        has_error = has_error or value is True or bool(texts)
    if not has_error and not _is_failed(fields):
        return []
    # A bare number is a code of their own, and "error" says no more than that there is one.
    bare = [text for text in errors if text.lower() in _BARE_ERRORS or text.isdecimal()]
    telling = [text for text in errors if text not in bare]
    return list(dict.fromkeys([*telling, *_messages(fields)])) or _code_words(fields) or bare


def _code_words(fields: dict[str, list[object]]) -> list[str]:
    return [text for value in _values(fields, _WORD_KEYS) for text in _texts(value) if any(map(str.isalpha, text))]


def _fields(data: dict[str, object]) -> dict[str, list[object]]:
    """Return the values of a dict by their names in lower case."""
    fields: dict[str, list[object]] = {}
    for name, value in data.items():
        fields.setdefault(name.strip().lower() if len(name) <= 32 else name, []).append(value)
    return fields


def _values(fields: dict[str, list[object]], names: Iterable[str]) -> list[object]:
    return [value for name in names for value in fields.get(name, ())]


def _is_failed(fields: dict[str, list[object]]) -> bool:
    """Return True if a flag says that the call failed. The status of an order is no flag."""
    is_order = any(name in fields for name in _ORDER_KEYS)
    if any(not isinstance(value, dict | list) and not is_success(value) for value in _values(fields, _SUCCESS_KEYS)):
        return True
    flags = _FLAG_KEYS[1:] if is_order else _FLAG_KEYS
    if any(_is_error_status(value) for value in _values(fields, flags)):
        return True
    words = [value.strip().lower() for value in _values(fields, _WORDED_FLAG_KEYS) if isinstance(value, str)]
    if any(word in ("error", "fail", "failed", "failure") for word in words):
        return True
    return not is_order and any(400 <= code <= 599 for code in _codes(fields))


def _is_error_status(value: object) -> bool:
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return not value or 400 <= value <= 599
    return isinstance(value, str) and value.strip().lower() in _ERROR_STATUSES


def _codes(fields: dict[str, list[object]]) -> list[int]:
    """Return the numbers that an answer gives in the way of HTTP statuses."""
    values = [value for value in _values(fields, _CODE_KEYS) if not isinstance(value, bool)]
    return [int(value) for value in values if isinstance(value, int | str) and _THREE_DIGITS.fullmatch(str(value))]


def is_success(value: object) -> bool:
    """Return True for a true `success`, which is a flag on some panels and a sentence on others."""
    if isinstance(value, str):
        return value.strip().lower() not in ("", "false", "0", "no")
    return parse_flag(value)


def _messages(fields: dict[str, list[object]], depth: int = 2) -> list[str]:
    """Return the texts beside a flag, and in the objects beside it."""
    found = [text for value in _values(fields, _MESSAGE_KEYS) for text in _texts(value)]
    for value in _values(fields, _INNER_KEYS):
        if isinstance(value, str) and not _is_word(value):
            found.append(clean_text(value, limit=ERROR_TEXT))
        for part in value[:MAX_TEXTS] if isinstance(value, list) else [value]:
            if isinstance(part, dict) and depth:
                inner = _fields(part)
                found += [text for error in _values(inner, _ERROR_KEYS) for text in _texts(error)]
                found += _messages(inner, depth - 1)
            elif isinstance(part, str) and isinstance(value, list):
                found.append(clean_text(part, limit=ERROR_TEXT))
    return [text for text in found if text][:MAX_TEXTS]


def _is_word(text: str) -> bool:
    """Return True for a flag in words, such as "false" or "error"."""
    return text.strip().lower() in _ERROR_STATUSES | _TRUE_FLAGS | _NO_ERRORS


def _texts(value: object, depth: int = 3) -> list[str]:
    """Return the texts of an error: of a string, a list of strings, a dict of lists ({"link": ["Bad link"]}).

    An object with a message is read for that and not for its code: {"code": "E12", "message": "Bad link"}.
    """
    if isinstance(value, dict):
        fields = _fields(value)
        told = _values(fields, _TEXT_KEYS) or _values(fields, (name for name in fields if name not in _NO_TEXT_KEYS))
        return _texts(told, depth) or _texts(list(value.values()), depth)
    if isinstance(value, list):
        return [text for part in value[:MAX_TEXTS] for text in _texts(part, depth - 1)][:MAX_TEXTS] if depth else []
    if isinstance(value, int | Decimal) and (isinstance(value, bool) or value == 0):
        return []
    text = clean_text(value, limit=ERROR_TEXT)
    return [text] if text else []


def stated_message(text: str) -> str:
    """Return the message of an answer whose HTTP status says that it failed; "" if it holds none or is unreadable."""
    try:
        data = load(text)
    except UnreadableAnswer:
        return ""
    if isinstance(data, list) and len(data) == 1:
        data = data[0]
    return next(iter(_stated(data)), "") if isinstance(data, dict) else ""


def _stated(data: dict[str, object]) -> list[str]:
    fields = _fields(data)
    return _messages(fields) or [text for value in _values(fields, _TEXT_KEYS) for text in _texts(value)]


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


def parse_add(text: str, *, is_refused: bool = False) -> tuple[str, Decimal | None]:
    """Return the order id of an answer to `add`, and the charge if stated ("What an answer to `add` means").

    With `is_refused` the HTTP status says that the call failed, so that a message alone is an error.

    Raise ProviderRefused for an explicit error. Raise UnreadableAnswer otherwise, also for an answer that contradicts
    itself: two ids, an id and an error, success and an error, or a refusal with text around it.
    """
    data, before, added = load_with_addition(text)
    is_list = isinstance(data, list) and len(data) == 1 and isinstance(data[0], dict)
    layers = _layers(data[0] if is_list and isinstance(data, list) else data)
    if any(layer.get(key) is UNREADABLE for layer in layers for key in _DECIDING_KEYS):
        raise UnreadableAnswer("The answer contradicts itself.")
    errors = [error for layer in _speaking(layers) for error in _error_texts(layer)]
    order_id = _order_id(layers, has_error=bool(errors))
    if order_id and not errors and not is_list:
        charge = next((layer["charge"] for layer in layers if "charge" in layer), None)
        return order_id, parse_number(charge)
    if order_id and errors:
        raise UnreadableAnswer("The answer holds both an order id and an error.")
    if not errors and is_refused:
        errors = [message for layer in layers for message in _stated(layer)]
        if any(map(is_doubtful, errors)):
            raise UnreadableAnswer(f"The answer is in doubt: {errors[0]}")
    if not errors:
        raise UnreadableAnswer("The answer holds no order id.")
    if before:
        raise UnreadableAnswer("The answer holds text before its error.")
    if added:
        raise UnreadableAnswer("The answer goes on after its error.")
    if mentions_order(data) or any(map(names_order, errors)):
        raise UnreadableAnswer("The answer holds both an order id and an error.")
    if any(_speaks_of_success(layer) for layer in layers):
        raise UnreadableAnswer("The answer holds both success and an error.")
    code = ErrorCode.UNRECOGNIZED if is_in_doubt(data) else _meaning(errors, layers)
    raise ProviderRefused(code, errors[0])


def _meaning(errors: Sequence[str], layers: Sequence[dict[str, object]]) -> ErrorCode:
    """Return what all texts of a refusal mean together. A text of unknown words takes nothing from a known one."""
    codes = {code for layer in layers for code in _codes(_fields(layer))}
    if any(code == 408 or code >= 500 for code in codes) or any(map(is_doubtful, errors)):
        return ErrorCode.UNRECOGNIZED
    if any(len(error) >= ERROR_TEXT for error in errors):
        return ErrorCode.UNRECOGNIZED  # The rest may say more.
    meanings = {classify_error(error) for error in errors if not says_nothing(error)}
    return meanings.pop() if len(meanings) == 1 else ErrorCode.UNRECOGNIZED


def _speaks_of_success(layer: dict[str, object]) -> bool:
    """Return True if a flag says yes or "pending", or if one has two values."""
    flags = [
        str(value) for value in _values(_fields(layer), (*_SUCCESS_KEYS, *_FLAG_KEYS)) if isinstance(value, str | int)
    ]
    if any(value is UNREADABLE for value in layer.values()):
        return True
    return any(flag.strip().lower() in _TRUE_FLAGS or is_doubtful(flag) for flag in flags)


def _speaking(layers: Sequence[dict[str, object]]) -> Iterator[dict[str, object]]:
    """Yield the layers, each after the objects of it that may hold an error."""
    for layer in layers:
        yield from (layer[key] for key in _SPEAKING_KEYS if isinstance(layer.get(key), dict))  # type: ignore[misc]
        yield layer


def _layers(data: object) -> list[dict[str, object]]:
    """Return the answer and the objects nested in it, innermost first."""
    layers: list[dict[str, object]] = []
    while isinstance(data, dict) and len(layers) < 3:
        layers.insert(0, data)
        data = next((data[key] for key in ("data", "order") if isinstance(data.get(key), dict)), None)
    return layers


def _order_id(layers: Sequence[dict[str, object]], *, has_error: bool) -> str:
    """Return the id on which all id fields agree; "" if there is none or the first field is empty.

    {"order": null, "id": 7} is not order 7. Raise UnreadableAnswer if the fields disagree, or for a list beside them,
    unless it may be one of errors.
    """
    stated = [layer[key] for layer in layers for key in _ID_KEYS if not isinstance(layer.get(key, {}), dict)]
    if not has_error:
        stated += [layer["data"] for layer in layers if isinstance(layer.get("data"), list)]
    ids = [parse_id(value) for value in stated]
    full = {one for one, value in zip(ids, stated, strict=True) if not is_no_order(value)}
    if len(full) > 1 or "" in full:
        raise UnreadableAnswer("The answer gives no single order id.")
    return ids[0] if ids else ""


_BALANCE_KEYS = ("balance", "available_balance", "current_balance", "user_balance", "funds", "credit", "credits")
# Inside an object that is called a balance.
_AMOUNT_KEYS = ("amount", "value", "available", "total", *_BALANCE_KEYS)
_BALANCE_AROUND = ("data", "result", "response", "user", "account", "wallet", "profile")
_CURRENCY_KEYS = ("currency", "currency_code", "balance_currency")


def parse_balance(text: str, *, currency: str = "") -> Balance:
    """Parse the answer of `balance`, which is in `currency` unless it says otherwise; it may be nested.

    Raise ProviderRefused or UnreadableAnswer.
    """
    value, stated, is_inside = load(text), "", False
    for _ in range(4):
        if isinstance(value, list) and len(value) == 1 and isinstance(value[0], dict):
            (value,) = value
        refuse_error(value)
        if not isinstance(value, dict):
            break
        named = _lowered(value)
        stated = next((code for key in _CURRENCY_KEYS if (code := parse_currency(named.get(key)))), stated)
        inner = next(
            (named[key] for key in (_AMOUNT_KEYS if is_inside else _BALANCE_KEYS) if named.get(key) is not None), None
        )
        if inner is not None:
            is_inside = True
        elif is_inside and len(value) == 1:
            ((name, inner),) = value.items()  # {"balance": {"USD": "98.5"}}
            stated = parse_currency(name)
        else:
            inner = next((named[key] for key in _BALANCE_AROUND if isinstance(named.get(key), dict | list)), None)
        value = inner
    amount = parse_rate(value, currency=stated or currency)
    if amount is None:
        raise UnreadableAnswer("The answer holds no balance.")
    return Balance(amount=amount, currency=stated or parse_money(value).currency)


def _lowered(body: dict[str, object]) -> dict[str, object]:
    """Return the object with names in lower case. Of two names that are one by that, the first counts."""
    return {name.strip().lower(): value for name, value in reversed(body.items())}


def parse_currency(value: object) -> str:
    """Return the code of a currency, such as "USD" for "US Dollar"; "" if it is missing or not a word."""
    return currency_of(clean_text(value, limit=MAX_NAME))
