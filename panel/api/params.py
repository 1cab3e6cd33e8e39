"""Read a request's parameters from the query, a form, multipart or JSON.

Protocol: "As a server: what must be tolerated and answered".
"""

from __future__ import annotations

import json
import re
from codecs import BOM_UTF8
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from django.conf import settings
from django.core.exceptions import BadRequest, RequestDataTooBig, SuspiciousOperation
from django.http import HttpRequest, QueryDict
from django.http.multipartparser import MultiPartParserError

from panel.api.errors import BAD_REQUEST, ApiError
from panel.lib.digits import whole_number

MAX_IDS = 100
MAX_ID = 64
# What programs send for a missing value.
ABSENT = frozenset({"", "undefined", "null"})

_OF_MANY = ("order", "orders", "refill", "refills")
_INDEXED = re.compile(r"(order|orders|refill|refills|comments|usernames|hashtags|keywords|groups)\[[0-9]{0,9}\]")
# A number that a program wrote with decimals, such as "386.0" or "1.000001e+06"; in a form, an unescaped + is a space.
_DECIMAL = re.compile(r"([0-9]{1,18})(?:\.([0-9]{0,18}))?(?:[eE][+ ]?([0-9]{1,2}))?")
# Beyond it, programs round such numbers.
_MAX_EXACT = 2**53

Params = Mapping[str, str]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Ids:
    """The requested ids, as written, each once; `is_one`: answer in the form for a single id."""

    names: list[str]
    is_one: bool

    @property
    def numbers(self) -> list[int]:
        """Return the ids as numbers, each once: "7" and "07" are the same order."""
        return list(dict.fromkeys(number for number in map(whole_number, self.names) if number is not None))

    def pairs(self, found: Mapping[int, T]) -> list[tuple[str, T | None]]:
        """Return each name with what was found under its number."""
        return [(name, None if (number := whole_number(name)) is None else found.get(number)) for name in self.names]


def read_params(request: HttpRequest) -> dict[str, str]:
    """Return the parameters, without those that are empty or stand for nothing. The body overrides the query.

    Raise ApiError if the body is too large or does not match its content type, and UnreadablePostError if the client
    has disconnected.
    """
    try:
        # Ignore the declared character set: the protocol has one, and some declared names do not exist.
        request.encoding = "utf-8"
        return _as_params([*_pairs(request.GET), *_body(request)])
    except RequestDataTooBig:
        raise ApiError(f"{BAD_REQUEST}: the body is too large") from None
    except (SuspiciousOperation, BadRequest, MultiPartParserError):
        raise ApiError(BAD_REQUEST) from None


def _body(request: HttpRequest) -> list[tuple[str, str]]:
    length = request.META.get("CONTENT_LENGTH") or ""
    announced = whole_number(length) or 0
    if not announced and request.headers.get("Transfer-Encoding"):
        raise ApiError(f"{BAD_REQUEST}: Content-Length is missing")
    if len(request.body) < announced:
        # The web server does not report that the connection ended early, and a cut "1000" would order 100.
        raise ApiError(f"{BAD_REQUEST}: the body is cut off")
    body = request.body.removeprefix(BOM_UTF8)
    kind = (request.content_type or "").lower()
    if kind == "multipart/form-data":
        return _pairs(request.POST)
    if kind.endswith("json") or body.lstrip()[:1] == b"{":
        return _json(body)
    return _pairs(QueryDict(body, encoding="utf-8"))


def _pairs(query: QueryDict) -> list[tuple[str, str]]:
    return [(name, str(value)) for name, values in query.lists() for value in values]


def _json(body: bytes) -> list[tuple[str, str]]:
    try:
        # Keep numbers as text: nothing is rounded, and none expands to a megabyte.
        data = json.loads(body or b"{}", parse_int=str, parse_float=str, parse_constant=str)
    except (ValueError, RecursionError):
        raise ApiError(f"{BAD_REQUEST}: the body is no valid JSON") from None
    if not isinstance(data, dict):
        raise ApiError(f"{BAD_REQUEST}: the body is no JSON object")
    if len(data) > settings.DATA_UPLOAD_MAX_NUMBER_FIELDS:
        raise ApiError(BAD_REQUEST)
    return [(_clean(name), _text(name, value)) for name, value in data.items() if value is not None]


def _text(name: str, value: object) -> str:
    if isinstance(value, list):
        # Ids are joined with commas, as the protocol has them; comments and the like with one per line.
        return ("," if name.partition("[")[0] in _OF_MANY else "\n").join(
            _single(item) for item in value if item is not None
        )
    return _single(value)


def _single(value: object) -> str:
    if isinstance(value, bool):
        return "1" if value else "0"
    if not isinstance(value, str):
        raise ApiError(BAD_REQUEST)  # Lists in lists, which may be nested without end, and objects.
    return _clean(value)


def _clean(text: str) -> str:
    """Return the text without lone surrogates, which JSON may contain and no database can store."""
    return text.encode("utf-8", "replace").decode()


def _as_params(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    params: dict[str, str] = {}
    lists: dict[str, list[str]] = {}
    for name, value in pairs:
        indexed = _INDEXED.fullmatch(name)
        if value.strip().lower() in ABSENT:
            params.pop(name, None)
        elif indexed:
            lists.setdefault(_listed_as(indexed[1]), []).append(value)
        else:
            params[name] = value
    # As in JSON: ids are joined with commas, comments and the like with one per line.
    joined = {name: ("," if name in _OF_MANY else "\n").join(values) for name, values in lists.items()}
    return {**params, **joined}


def _listed_as(name: str) -> str:
    """Return the parameter that "order[]" belongs to: it lists orders, whichever name it has."""
    if name in _OF_MANY:
        return "refills" if name.startswith("refill") else "orders"
    return name


def read_ids(params: Params, *, one: str, many: str) -> Ids:
    """Return the ids in `one` ("order") or `many` ("orders"); several in `one` are a list too. Raise ApiError."""
    text = (params.get(many) or params.get(one, "")).strip()
    is_list = many in params or "," in text.strip(", ")
    if text.startswith("[") and text.endswith("]"):
        text, is_list = text[1:-1], True  # Written as in JSON.
    parts = (part.strip().strip("\"'") for part in text.split(","))
    names = list(dict.fromkeys(_as_id(part[:MAX_ID]) for part in parts if part))
    if len(names) > MAX_IDS:
        raise ApiError(f"{BAD_REQUEST}: {MAX_IDS} IDs at most")
    if not names:
        raise ApiError(f"Incorrect {one} ID")
    return Ids(names, is_one=not is_list)


def _as_id(text: str) -> str:
    """Return the digits of an id that was written as a decimal number, such as "386.0"; other texts unchanged."""
    number = None if whole_number(text) is not None else exact_whole(text)
    return text if number is None else str(number)


def read_id(params: Params, name: str) -> int | None:
    """Return an id, also one that was written as a decimal number; None if it is missing or anything else."""
    return exact_whole(params.get(name, "").strip())


def exact_whole(text: str) -> int | None:
    """Return the whole number that `text` is beyond doubt, else None.

    "1.000" may be a thousand, in "1.23e+06" digits are missing, and a long decimal number was rounded.
    """
    if (number := whole_number(text)) is not None:
        return number
    found = _DECIMAL.fullmatch(text)
    if found is None or _may_be_thousands(found):
        return None
    digits, decimals, places = found[1], found[2] or "", int(found[3] or 0)
    if places > len(decimals) or decimals[places:].strip("0"):
        return None
    number = int(digits + decimals[:places])
    return number if number < _MAX_EXACT else None


def _may_be_thousands(found: re.Match[str]) -> bool:
    return found[3] is None and len(found[1]) <= 3 and len(found[2] or "") == 3


def shown_id(name: str) -> int | str:
    """Return the id as written in an answer's list."""
    number = whole_number(name)
    return name if number is None else number


def read_whole(params: Params, name: str) -> int | None:
    """Return a whole number in ASCII digits; None if it is missing or no number.

    Raise ApiError for a number that is not whole, or not beyond doubt.
    """
    text = params.get(name, "").strip()
    sign, digits = (-1, text[1:]) if text.startswith("-") else (1, text)
    number = exact_whole(digits)
    if number is not None:
        return sign * number if number < 10**15 else None
    found = _DECIMAL.fullmatch(digits)
    if found is None or found[3]:
        return None
    if _may_be_thousands(found):
        raise ApiError(f"Incorrect {name}: {text} is unclear, send a whole number such as 1000")
    raise ApiError(f"Incorrect {name}: {text} is not a whole number")
