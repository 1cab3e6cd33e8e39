"""Fields of a gateway's answer, each of the kind that it should be. All raise GatewayError if it is not."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from billing.intake.gateways import GatewayError

# Of a number, so that the product of two is exact in 100 digits.
MAX_DIGITS = 40


def object_of(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise GatewayError("Its answer is not what was asked for.")
    return value


def array_of(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise GatewayError("Its answer is not the list that was asked for.")
    return value


def words_of(record: Mapping[str, Any], name: str) -> str:
    """Return a text, "" if there is none."""
    value = record.get(name)
    return value if isinstance(value, str) else ""


def text_of(record: Mapping[str, Any], name: str) -> str:
    """Return a text that is not empty."""
    if value := words_of(record, name):
        return value
    raise GatewayError(f"Its answer has no “{name}”.")


def number_of(record: Mapping[str, Any], name: str, *, default: str = "") -> Decimal:
    """Return a number that is not negative, written as a number or a text; `default` if there is none."""
    value = default if record.get(name) is None else record[name]
    try:
        number = Decimal(value) if isinstance(value, (str, int, Decimal)) else Decimal("NaN")
    except InvalidOperation:
        number = Decimal("NaN")
    is_readable = number.is_finite() and number >= 0 and abs(number.adjusted()) <= MAX_DIGITS
    if not is_readable or len(number.as_tuple().digits) > MAX_DIGITS:
        raise GatewayError(f"Its answer has no usable “{name}”.")
    return number


def time_of(record: Mapping[str, Any], name: str) -> datetime:
    """Return a Unix time."""
    try:
        return datetime.fromtimestamp(int(record[name]), UTC)
    except (KeyError, TypeError, ValueError, OverflowError, OSError):
        raise GatewayError(f"Its answer has no usable “{name}”.") from None
