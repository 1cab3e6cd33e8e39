"""Read the JSON of an answer whose body holds more than JSON. Raise only UnreadableAnswer."""

from __future__ import annotations

import json
import re
from decimal import Decimal, InvalidOperation

from catalog.upstream.error_meanings import says_taken, speaks_of_refusal
from catalog.upstream.errors import UnreadableAnswer
from catalog.upstream.word_shapes import MAX_TEXT

# Stands for an unreadable value; compare with `is`. It is not a number, text, flag or id.
UNREADABLE = Decimal("NaN")
_MAX_DIGITS = 64
# Characters of notices after an answer: about as many as ten of them have.
MAX_ADDED = 4_000

# An object or a list of objects at the start of a line or after a tag: the end of PHP's notices.
_AFTER_NOTICES = re.compile(r"(?:^|>)[ \t\ufeff]*(?=\{\s*[\"}]|\[\s*[\[{\]])", re.MULTILINE)
# A notice of PHP before an answer, and the time of a log line before it.
_NOTICE = re.compile(
    r"(?:<br ?/?>\s{0,4})?(?:\[[\w :./-]{1,40}\] )?(?:<b>)?(?:PHP )?(?:Notice|Warning|Deprecated)(?:</b>)?:"
    r"[^\n]*+(?:\n\s{0,4}|$)",
    re.IGNORECASE,
)
# Text that some panels add after their JSON: a comment or one of PHP's minor notices, without more JSON.
_ADDED = re.compile(
    r"\s*(?:<!--|(?:<br\s*/?>\s*)?(?:<b>)?(?:PHP )?(?:Notice|Warning|Deprecated)\b)[^{}]*", re.IGNORECASE
)
_ADDED_TROUBLE = re.compile(r'error|fail|fatal|exception|"\s*:', re.IGNORECASE)


def _number(text: str) -> Decimal:
    # Refusing a number here costs its own row, not the whole list.
    if len(text) > _MAX_DIGITS:
        return UNREADABLE
    try:
        return Decimal(text)
    except InvalidOperation:
        return UNREADABLE


def _integer(text: str) -> int | Decimal:
    return int(text) if len(text) <= _MAX_DIGITS else UNREADABLE


def _constant(_name: str) -> Decimal:
    return UNREADABLE


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    # json silently keeps the last value of a repeated name. If the values differ, the name is unreadable.
    data = dict(pairs)
    if len(data) < len(pairs):
        for name, value in pairs:
            if type(data[name]) is not type(value) or data[name] != value:
                data[name] = UNREADABLE
    return data


# Not strict: some panels leave raw line ends in their strings.
_DECODER = json.JSONDecoder(
    object_pairs_hook=_object,
    parse_float=_number,
    parse_int=_integer,
    parse_constant=_constant,
    strict=False,
)


def load(text: str) -> object:
    """Return the JSON of an answer, which may have a BOM, PHP notices or a comment around it.

    A name with two different values in one object becomes UNREADABLE. Raise UnreadableAnswer.
    """
    return load_with_addition(text)[0]


def load_with_addition(text: str) -> tuple[object, str, str]:
    """Return the JSON as in `load`, the text before it, "" if that is only notices of PHP, and the text after it.

    Only the first possible start is tried, and only a known harmless text may follow. Otherwise the inner part of a
    truncated answer, or a script in an HTML page, would pass for an answer.
    """
    text = text.strip(" \t\r\n\ufeff\x00")
    if not text:
        raise UnreadableAnswer("The answer is empty.")
    notices = _AFTER_NOTICES.search(text)
    start = notices.end() if notices else 0
    try:
        data, end = _DECODER.raw_decode(text, start)
    except (ValueError, RecursionError):
        kind = "HTML" if text[0] == "<" else "no valid JSON"
        raise UnreadableAnswer(f"The answer is {kind}.") from None
    added = text[end:]
    if added and not (isinstance(data, dict | list) and _is_harmless(added)):
        raise UnreadableAnswer("The answer goes on after its JSON.")
    return data, _without_notices(text[:start]), added


def _without_notices(before: str) -> str:
    before, place = before.strip(" \t\r\n\ufeff"), 0
    while notice := _NOTICE.match(before, place):
        # Its words are the script's own: they may say that something was done.
        if says_taken(notice[0][:MAX_TEXT]) or len(notice[0]) > MAX_TEXT:
            break
        place = notice.end()
    return before[place:]


def _is_harmless(added: str) -> bool:
    if len(added) > MAX_ADDED or _ADDED_TROUBLE.search(added):
        return False
    if any(speaks_of_refusal(added[start : start + MAX_TEXT]) for start in range(0, len(added), MAX_TEXT // 2)):
        return False
    return _ADDED.fullmatch(added) is not None
