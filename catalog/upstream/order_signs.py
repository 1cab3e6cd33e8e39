"""Signs in an answer to `add` that an order was made, whatever else it says. Pure functions that raise nothing."""

from __future__ import annotations

import re
from collections.abc import Iterator

from catalog.upstream.cleaning import parse_id, parse_number
from catalog.upstream.error_meanings import is_doubtful, may_be_taken, says_taken
from catalog.upstream.errors import UnreadableAnswer
from catalog.upstream.loading import UNREADABLE, load
from catalog.upstream.status_words import is_success, status_of
from catalog.upstream.word_shapes import MAX_TEXT

# So many texts of an error are read.
MAX_TEXTS = 20
_MAX_PARTS = 500
_MAX_PAGE = 10_000

_NAME = re.compile(r'"([^"\\]{1,64})\\?"\s*+:')
_HTTP_ERROR = re.compile(r"[45][0-9]{2}")
_NO_LETTER = re.compile(r"[\W_]+")

# Any name that holds "order" or ends in "id" may hold an order's id, but for these. All names here are letters alone.
_OTHER_IDS = re.compile(
    r"(?:service|request|req|user|customer|client|account|api|provider|category|trace|error|correlation|event|log"
    r"|field|session|currency)ids?|(?:is|in)?valid"
)
# A number in these may be an order's id; in all but the first it may be a status of HTTP as well.
_HOLDERS = ("data", "result", "results", "response")
_CHARGE_KEYS = ("charge", "charged", "paid", "spent")
_FLAG_KEYS = ("success", "issuccess", "successful", "ok")
# A word in these may say what became of an order.
_STATE_KEYS = (*_FLAG_KEYS, "status", "state", *_HOLDERS)
# What an error may have beside its text: "Exception" is the name of one and not its message.
_UNTOLD = ("code", "type", "name", "field", "trace", "file", "line")
# What an order in an answer may hold beside what was ordered.
_ERROR_KEYS = ("error", "errors", "message", "msg", "reason", "detail", "details", "description", "title", "text")
# Texts in the place of an order id that mean "no order".
_NO_ORDER = frozenset(("", "0", "-1", "false", "null", "none", "error", "fail", "failed"))


def mentions_order(data: object) -> bool:
    """Return True if any field, however deep, may hold an order's id or charge, or says that one was made.

    Also for an answer of too many fields to look at.
    """
    parts = list(_parts(data))
    return len(parts) > _MAX_PARTS or any(_is_sign(_key(name), value) for name, value in parts)


def _is_sign(key: str, value: object) -> bool:
    if value is UNREADABLE:
        return _is_id_key(key)
    if _is_id_key(key) and not is_no_order(value) and ("order" in key or parse_id(value) or value is True):
        return True
    if isinstance(value, bool):
        return value and key in _FLAG_KEYS
    is_number = (parse_number(value) or 0) > 0
    if is_number and key in (*_CHARGE_KEYS, "data"):
        return True
    if is_number and key in (*_HOLDERS, *_FLAG_KEYS) and not _HTTP_ERROR.fullmatch(str(value).strip()):
        return True
    return key in _STATE_KEYS and isinstance(value, str) and (is_success(value) or status_of(value) is not None)


def is_in_doubt(data: object) -> bool:
    """Return True if a text of a refusal is doubtful, whichever field holds it, or if there is too much to read."""
    told = (value for name, value in _parts(data) if _key(name) not in _UNTOLD)
    texts = [value for value in told if isinstance(value, str) and any(map(str.isalpha, value))]
    return len(texts) > MAX_TEXTS or any(len(text) >= MAX_TEXT or is_doubtful(text) for text in set(texts))


def may_hold_order(text: str) -> bool:
    """Return True if an answer, readable or not, names an order or holds a text of doubt.

    A text that only asks to wait is none. Of an answer without JSON only words of acceptance count: the page of a
    server speaks of servers.
    """
    if names_order(text):
        return True
    try:
        data = load(text)
    except UnreadableAnswer:
        chunks = [text[start : start + MAX_TEXT] for start in range(0, len(text), MAX_TEXT // 2)]
        return len(text) > _MAX_PAGE or any(map(says_taken, chunks))
    texts = {value for _, value in _parts(data) if isinstance(value, str)}
    return mentions_order(data) or any(map(may_be_taken, texts))


def names_order(text: str) -> bool:
    """Return True if an answer, readable or not, has a field for an order id."""
    return any(_is_id_key(_key(name[1])) for name in _NAME.finditer(text))


def is_no_order(value: object) -> bool:
    """Return True for what stands in the place of an order id if there is no order."""
    return not value if isinstance(value, list) else str(value).strip().lower() in _NO_ORDER


def _parts(data: object) -> Iterator[tuple[str, object]]:
    """Yield each scalar of an answer with the name of the field that holds it, at most one more than _MAX_PARTS."""
    waiting: list[tuple[str, object]] = [("", data)]
    left = _MAX_PARTS + 1
    while waiting and left:
        name, value = waiting.pop()
        if isinstance(value, dict):
            is_order = _key(name).startswith("order")
            waiting += [
                (f"order_{inner}" if is_order and inner not in _ERROR_KEYS else inner, part)
                for inner, part in value.items()
            ]
        elif isinstance(value, list):
            waiting += [(name, part) for part in value]
        else:
            left -= 1
            yield name, value


def _key(name: str) -> str:
    return _NO_LETTER.sub("", name[:64].lower())


def _is_id_key(key: str) -> bool:
    return ("order" in key or key.endswith(("id", "ids"))) and not _OTHER_IDS.fullmatch(key)
