"""Clean the text, numbers, flags and ids of providers. Treat all input as hostile.

The length and exponent of a number are checked before any `int()`: 1E+999999 would become a megabyte of digits.
"""

from __future__ import annotations

import html
import json
import re
from decimal import Decimal, InvalidOperation
from typing import NamedTuple
from urllib.parse import quote, quote_plus

from catalog.upstream.currencies import SYMBOLS, currency_of, has_decimals

MAX_ID = 64
MAX_NUMBER_TEXT = 40
MAX_COUNT = 10**15
_MAX_EXPONENT = 18
_MIN_EXPONENT = -30

# Control characters except tab and newline, bidi marks and overrides, interlinear marks, BOM, lone surrogates.
_UNWANTED = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ufff9-\ufffb\ufeff\ud800-\udfff]"
)
_LINE_ENDS = re.compile("\r\n?|[\x0b\x0c\x85\u2028\u2029]")

_SYMBOL = f"(?:{'|'.join(re.escape(one) for one in sorted(SYMBOLS, key=len, reverse=True))}|[A-Z]{{3,4}})"
_NUMBER = re.compile(
    rf"(?P<sign>[+-]?)\s*+{_SYMBOL}?\s*+(?P<sign2>[+-]?)(?P<digits>[0-9][0-9.,' ]*+|[.,][0-9]++)"
    rf"(?P<exponent>[eE][+-]?[0-9]{{1,4}})?\s*+{_SYMBOL}?"
)
_GROUPED = {
    ",": re.compile(r"[1-9][0-9]{0,2}(?:,[0-9]{2,3})*,[0-9]{3}"),
    ".": re.compile(r"[1-9][0-9]{0,2}(?:\.[0-9]{3})+"),
}

_MULTIPLES = {"K": 1_000, "M": 1_000_000}
# No-break, figure, thin and narrow spaces; apostrophes; the minus sign.
_PLAIN_SIGNS = str.maketrans(
    {**dict.fromkeys("\u00a0\u2007\u2008\u2009\u200a\u202f", " "), "\u2019": "'", "\u02bc": "'", "\u2212": "-"}
)

# Words in the place of an id in answers without one. Accepted as ids, they would all be the same order.
_NO_IDS = frozenset(
    ("0", "-1", "true", "false", "null", "none", "nil", "undefined", "nan")
    + ("ok", "success", "error", "fail", "failed", "pending", "array")
)
# Printable ASCII without spaces and without the comma that separates ids. "-5" is a number and not an id.
_ID = re.compile(r"[!-+.-~][!-+\--~]*")
_TRUE = frozenset(("true", "1", "yes", "on", "y"))

_REDACTED = "[key]"
# A JSON string, closed or not: it always matches at a quote, so no text is read twice. Possessive ("++"), because
# otherwise the engine keeps 120 bytes for each character that it might give back.
_STRING = re.compile(r'"(?:[^"\\]++|\\.)*+"?', re.DOTALL)


def decode_body(body: bytes) -> str:
    """Return the text of an answer. Invalid UTF-8 is replaced, so that one bad name does not lose a list."""
    return body.decode("utf-8", "replace")


def clean_text(value: object, *, limit: int, multiline: bool = False) -> str:
    """Return text of at most `limit` characters without NUL, surrogates, control and bidi characters.

    Finite numbers become text; any other value that is not a string becomes "".
    """
    if (isinstance(value, Decimal) and value.is_finite()) or (type(value) is int and abs(value) < 10**MAX_ID):
        value = str(value)
    if not isinstance(value, str):
        return ""
    if len(value) <= limit and value.isascii() and value.isprintable():
        return value.strip() if multiline else " ".join(value.split())  # What nearly all texts are.
    # Cut before the regexes run: the text may be megabytes long.
    text = _UNWANTED.sub("", _LINE_ENDS.sub("\n", value[: limit * 4]))
    text = text.strip() if multiline else " ".join(text.split())
    return text[:limit].rstrip()


def parse_number(value: object, *, point_groups: bool = False) -> Decimal | None:
    """Return the number in any form of the protocol ("1,234.56", "12,5", "$0.50"); None if there is none.

    One comma before exactly three digits ("10,000") groups thousands: if it was a decimal comma, the rate is read too
    high, never too low. One point before exactly three digits ("10.000") does so with `point_groups`. NaN, Infinity,
    exponents out of range and overlong numbers are None.
    """
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return Decimal(value) if abs(value) < 10**_MAX_EXPONENT else None
    if isinstance(value, Decimal):
        return _in_range(value)
    match = _NUMBER.fullmatch(_spaced(value)) if isinstance(value, str) else None
    if match is None or (match["sign"] and match["sign2"]):
        return None
    digits = match["digits"].strip()
    plain = digits.replace(".", "") if point_groups and _is_grouped_by(".", digits) else _plain_digits(digits)
    if plain is None:
        return None
    try:
        number = Decimal(match["sign"] + match["sign2"] + plain + (match["exponent"] or ""))
    except InvalidOperation:
        return None
    return _in_range(number)


def _spaced(text: str) -> str:
    """Return a number's text with plain spaces, apostrophes and minus signs; "" if it is too long."""
    return "" if len(text) > MAX_NUMBER_TEXT else text.translate(_PLAIN_SIGNS).strip()


def _is_grouped_by(separator: str, digits: str) -> bool:
    """Return True if three digits follow the one separator, and 1 to 3 precede it: "1.000"."""
    return digits.count(separator) == 1 and _GROUPED[separator].fullmatch(digits) is not None


def _is_grouped_once(value: object, separator: str) -> bool:
    match = _NUMBER.fullmatch(_spaced(value)) if isinstance(value, str) else None
    return match is not None and not match["exponent"] and _is_grouped_by(separator, match["digits"].strip())


class Money(NamedTuple):
    """An amount of money, and the currency that is stated beside it: "" if none is.

    `is_unclear`: the amount is None because it can be read in two ways.
    """

    amount: Decimal | None
    currency: str
    is_unclear: bool = False


def parse_money(value: object, *, currency: str = "") -> Money:
    """Return an amount with the currency beside it ("98.5 USD"); without one it is in `currency`.

    A point is decimal, but in a currency without decimals it groups thousands. "1,234" is unclear in any other.
    """
    beside = _currency_beside(value)
    groups = not has_decimals(beside or currency)
    if not groups and _is_grouped_once(value, ","):
        return Money(None, beside, True)
    return Money(parse_number(value, point_groups=groups), beside)


def parse_rate(value: object, *, currency: str = "") -> Decimal | None:
    """Return a rate, as in `parse_money`, but "1,234" is 1234: a rate is rather read too high than too low."""
    return parse_number(value, point_groups=not has_decimals(_currency_beside(value) or currency))


def _currency_beside(value: object) -> str:
    if not isinstance(value, str):
        return ""
    sign = "".join(one for one in _spaced(value) if not one.isdigit() and one not in "+-.,' ")
    return "" if sign in ("", "e", "E") else currency_of(sign)


def _plain_digits(text: str) -> str | None:
    """Return `text` with a decimal point and no grouping; None if its separators make no sense."""
    for separator in " '":
        if separator in text:
            if not re.fullmatch(rf"[0-9]{{1,3}}(?:{separator}[0-9]{{3}})+(?:[.,][0-9]*)?", text):
                return None
            text = text.replace(separator, "")
            return text.replace(",", ".")
    if "," in text and "." in text:
        decimal = max(",.", key=text.rfind)
        grouping = "." if decimal == "," else ","
        whole, fraction = text.rsplit(decimal, 1)
        if not _GROUPED[grouping].fullmatch(whole) or not fraction.isdigit():
            return None
        return f"{whole.replace(grouping, '')}.{fraction}"
    if "," in text:
        if _GROUPED[","].fullmatch(text):
            return text.replace(",", "")
        return text.replace(",", ".") if text.count(",") == 1 else None
    if text.count(".") > 1:
        return text.replace(".", "") if _GROUPED["."].fullmatch(text) else None
    return text


def _in_range(number: Decimal) -> Decimal | None:
    if not number.is_finite():
        return None
    if number.is_zero():
        return Decimal(0)
    too_long = len(number.as_tuple().digits) > MAX_NUMBER_TEXT
    if too_long or not _MIN_EXPONENT <= number.adjusted() <= _MAX_EXPONENT:
        return None
    return number


def parse_count(value: object) -> int | None:
    """Return a whole number (start count, remains) of at most 10^15; None if there is none, or if it is unclear."""
    if isinstance(value, str) and len(value) <= 15 and value.isascii() and value.isdigit():
        return int(value)  # What nearly all counts are.
    return None if is_unclear(value) else _whole(parse_number(value))


def is_unclear(value: object) -> bool:
    """Return True for a count that can be read in two ways: "1.000" is 1 or 1,000."""
    return _is_grouped_once(value, ".")


def parse_quantity(value: object) -> int | None:
    """Return a limit of a quantity, in which points group thousands and K and M count them ("1.000", "10K")."""
    if isinstance(value, str) and (times := _MULTIPLES.get(value.strip()[-1:].upper())):
        number = parse_number(value.strip()[:-1])
        return None if number is None else _whole(number * times)
    return _whole(parse_number(value, point_groups=True))


def _whole(number: Decimal | None) -> int | None:
    if number is None or abs(number) > MAX_COUNT or number != number.to_integral_value():
        return None
    return int(number)


def parse_flag(value: object) -> bool:
    """Return True for true, "true", 1, "1" and the like; False for everything else, None included."""
    if isinstance(value, str):
        return value.strip().lower() in _TRUE
    return value is True or (isinstance(value, int) and value == 1)


def parse_id(value: object) -> str:
    """Return an id as an opaque string of at most 64 characters; "" if there is none.

    Only surrounding spaces are removed: a changed id would be another order's. Whole floats are accepted up to 2^53,
    where a float still holds every integer.
    """
    if isinstance(value, bool):
        return ""
    if isinstance(value, Decimal):
        number = _in_range(value)
        if number is None or number != number.to_integral_value() or abs(number) > 2**53:
            return ""
        value = int(number)
    if isinstance(value, int):
        return str(value) if 0 < value < 10**MAX_ID else ""
    if not isinstance(value, str) or len(value) > MAX_ID * 2:
        return ""
    text = value.strip()
    if len(text) > MAX_ID or not _ID.fullmatch(text) or text.lower() in _NO_IDS or _REDACTED in text:
        return ""
    return text


def clean_name(value: object, *, limit: int, multiline: bool = False) -> str:
    """Return text as `clean_text`, with its HTML entities decoded once ("Likes &amp; Views")."""
    if isinstance(value, str) and "&" in value:
        value = html.unescape(value[: limit * 8])
    return clean_text(value, limit=limit, multiline=multiline)


def parse_slug(value: object, *, limit: int) -> str:
    """Return a slug, such as custom_comments for "Custom Comments"; "" for a value that is not text."""
    # Cut at the end: lowercasing may turn one letter into several.
    text = clean_text(value, limit=limit).lower()
    return re.sub(r"[\W_]+", "_", text).strip("_")[:limit].rstrip("_")


class Redactor:
    """Remove the API key from a text, also where it is escaped for a URL, JSON or HTML.

    Only whole words match: a key "a" leaves "balance" alone.
    """

    def __init__(self, key: str) -> None:
        forms = {
            key,
            quote(key, safe=""),
            quote_plus(key),
            json.dumps(key)[1:-1],
            key.replace("/", "\\/"),
            html.escape(key),
        }
        longest_first = sorted(forms, key=len, reverse=True)
        body = "|".join(re.escape(form) for form in longest_first)
        self._pattern = re.compile(rf"(?<![A-Za-z0-9])(?:{body})(?![A-Za-z0-9])")
        self._is_empty = not key
        self._is_short = len(key) < 6

    def __call__(self, text: str) -> str:
        return text if self._is_empty else self._pattern.sub(_REDACTED, text)

    def before_parsing(self, text: str) -> str:
        """Redact a whole answer, so that no error text and no row of it holds the key.

        A key under 6 characters is removed from sentences only: alone it may be an order id or a word of JSON.
        """
        if not self._is_short:
            return self(text)
        return _STRING.sub(lambda match: self(match[0]) if " " in match[0] else match[0], text)

    def __repr__(self) -> str:
        return "Redactor()"
