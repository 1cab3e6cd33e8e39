"""Read what only some lists say of a service: its type's word, a step, times and the window for refills.

Nothing here loses a row: what cannot be read counts as not said.
"""

from __future__ import annotations

from typing import Any

from catalog.refill_windows import LIFETIME, MAX_DAYS, read_window
from catalog.upstream.cleaning import clean_text, parse_count, parse_flag, parse_slug

MAX_TYPE = 60
MAX_TIME = 60

_STEP = ("step", "quantity_step", "multiple", "multiples", "multiple_of", "quantity_multiple", "increment")
_AVERAGE = ("average_time", "avg_time", "average", "averageTime", "avgTime", "completion_time", "delivery_time")
_START = ("start_time", "startTime", "start")
_SPEED = ("speed",)
_REFILL_DAYS = ("refill_days", "refillDays", "refill_period", "refill_time")
_SAYS_NOTHING = frozenset(("-", "—", "n/a", "na", "none", "null", "undefined", "unknown", "not enough data", "no data"))


def type_word(raw: dict[str, object]) -> str:
    """Return the provider's word for the type, as a slug; "" if it names none.

    A word without letters ("👍") stays as it is: it is a type of its own, and not the lack of one.
    """
    value = raw.get("type")
    if isinstance(value, dict):
        value = value.get("name")
    text = clean_text(value, limit=MAX_TYPE)
    if text.lower() in ("null", "undefined"):
        return ""
    return parse_slug(text, limit=MAX_TYPE) or text


def read_optional(raw: dict[str, object], *, name: str, low: int, high: int) -> dict[str, Any]:
    """Return the optional columns of a `ServiceRow` with these limits."""
    return {
        "step": _step(raw, low, high),
        "average_time": _time(raw, _AVERAGE),
        "start_time": _time(raw, _START),
        "speed": _time(raw, _SPEED),
        "refill_days": _refill_days(raw, name),
    }


def _step(raw: dict[str, object], low: int, high: int) -> int | None:
    """Return the step; None for 1, and for one of which no multiple lies within the limits."""
    for key in _STEP:
        step = parse_count(raw.get(key))
        if step is not None and step > 1:
            return step if high // step * step >= max(low, 1) else None
    return None


def _time(raw: dict[str, object], keys: tuple[str, ...]) -> str:
    """Return a time in the provider's words. A bare number says nothing: of what unit is not known."""
    for key in keys:
        text = clean_text(raw.get(key), limit=MAX_TIME)
        if any(letter.isalpha() for letter in text) and text.lower() not in _SAYS_NOTHING:
            return text
    return ""


def _refill_days(raw: dict[str, object], name: str) -> int | None:
    takes_refills = parse_flag(raw.get("refill"))
    for key in _REFILL_DAYS:
        value = raw.get(key)
        days = parse_count(value)
        if days is not None and days > 0:
            return days if days <= MAX_DAYS else LIFETIME
        if days is None and (stated := read_window(f"refill {clean_text(value, limit=60)}", takes_refills=True)):
            return stated
    return read_window(name, takes_refills=takes_refills)
