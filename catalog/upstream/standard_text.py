"""Rewrite an answer in a dialect as the standard would say it, before it is parsed. Pure.

The text is changed and not what was parsed, so that a name which comes twice is still seen to contradict itself. Every
pattern is possessive: no text is read twice.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from catalog.upstream.dialect import Dialect

# Names in answers, without "_", and as the standard spells them.
_NAMES = {
    name.replace("_", ""): name
    for name in (
        *("order", "order_id", "orders", "refill", "refill_id", "refills", "status", "charge", "start_count"),
        *(
            "remains",
            "currency",
            "balance",
            "service",
            "services",
            "name",
            "type",
            "category",
            "rate",
            "min",
            "max",
            "dripfeed",
        ),
        *("cancel", "desc", "description", "error", "errors", "message", "msg", "success", "data", "id"),
    )
}
# A name of letters and "_" begins at a quote that is not escaped, and no other string of JSON looks like it.
_NAME = re.compile(r'"(?<!\\")([A-Za-z_]{1,20}+)"(\s*+:)')
# Far longer than the statuses of as many orders as one call asks about. A longer text stays as it is.
_MAX_STATUSES = 500_000
# A number stands for a status only beside one of these: {"status": 0, "message": …} is an error.
_ORDER_NAMES = frozenset(("charge", "start_count", "remains"))
_TOKEN = re.compile(
    r'(?P<name>"(?:[^"\\]++|\\.)*+"\s*+:)|(?P<value>"(?:[^"\\]++|\\.)*+"?|-?+[0-9][0-9.eE+-]*+)|(?P<open>[{\[])'
    r'|(?P<close>[}\]])|(?P<rest>[^"{}\[\]0-9-]++|-)',
    re.DOTALL,
)


def to_standard(text: str, dialect: Dialect, *, action: str) -> str:
    """Return the answer to `action` with the standard's names and words. What is not understood stays as it is."""
    if dialect.any_case:
        text = with_standard_names(text)
    if dialect.status_codes and action == "status" and len(text) <= _MAX_STATUSES:
        text = _with_words(text, dialect.status_codes)
    return text


def with_standard_names(text: str) -> str:
    """Return the text with each name that differs from the standard's in case as the standard spells it."""
    return _NAME.sub(_standard_name, text)


def _standard_name(match: re.Match[str]) -> str:
    name = _NAMES.get(match[1].lower().replace("_", ""))
    return f'"{name}"{match[2]}' if name else match[0]


@dataclass(slots=True)
class _Part:
    """An object or a list of the answer. `status` is the place of its value for "status" among the pieces."""

    name: str = ""
    status: int | None = None
    is_order: bool = False


def _with_words(text: str, codes: Mapping[str, str]) -> str:
    """Return the text with the numbers in the statuses of orders as the words that `codes` has for them."""
    pieces: list[str] = []
    parts = [_Part()]
    for match in _TOKEN.finditer(text):
        here, kind = parts[-1], match.lastgroup
        if kind == "name":
            here.name = match[0].rpartition('"')[0][1:]
            here.is_order = here.is_order or here.name in _ORDER_NAMES
        elif kind == "value":
            if here.name == "status":
                here.status = len(pieces)
            here.name = ""
        elif kind == "open":
            here.name = ""
            parts.append(_Part())
        elif kind == "close" and len(parts) > 1:
            parts.pop()
            word = codes.get(pieces[here.status].strip('"')) if here.is_order and here.status is not None else None
            if word and here.status is not None:
                pieces[here.status] = f'"{word}"'
        pieces.append(match[0])
    return "".join(pieces)
