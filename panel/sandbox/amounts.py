"""Money of the sandbox: integers of micro-units (10⁻⁶ USD), read from and written as text.

Separate from the panel's own money module: a provider that shared it would share its mistakes.
"""

from __future__ import annotations

from decimal import Decimal, InvalidOperation

MICRO = 1_000_000
_LIMIT = Decimal(10) ** 9


def to_micros(value: str | int | Decimal) -> int:
    """Return the micro-units of a decimal amount. Raise ValueError unless it is finite with at most 6 places."""
    if isinstance(value, bool) or not isinstance(value, str | int | Decimal):
        raise ValueError(f"not an amount: {value!r}")
    try:
        amount = Decimal(value)
    except InvalidOperation:
        raise ValueError(f"not an amount: {value!r}") from None
    if not amount.is_finite() or abs(amount) > _LIMIT:
        raise ValueError(f"amount out of range: {value!r}")
    micros = amount * MICRO
    if micros != micros.to_integral_value():
        raise ValueError(f"more than 6 decimal places: {value!r}")
    return int(micros)


def to_text(micros: int) -> str:
    """Return plain decimal text without exponent or trailing zeros: 2350000 → "2.35"."""
    sign = "-" if micros < 0 else ""
    whole, fraction = divmod(abs(micros), MICRO)
    digits = f"{fraction:06d}".rstrip("0")
    return f"{sign}{whole}.{digits}" if digits else f"{sign}{whole}"


def share(amount: int, part: int, whole: int) -> int:
    """Return ⌈amount × part / whole⌉, in micro-units."""
    return -(-amount * part // whole)
