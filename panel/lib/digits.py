"""Read numbers that people and programs send as text."""

from __future__ import annotations

MAX_DIGITS = 18


def whole_number(text: str, *, max_digits: int = MAX_DIGITS) -> int | None:
    """Return the number in `text` if it is plain digits 0 to 9; None for anything else or too many digits.

    Eighteen digits fit into a 64-bit column, and bound the time to read them.
    """
    return int(text) if len(text) <= max_digits and text.isascii() and text.isdigit() else None
