"""Reading numbers that people and programs send as text."""

from __future__ import annotations

MAX_DIGITS = 18


def whole_number(text: str, *, max_digits: int = MAX_DIGITS) -> int | None:
    """Return the number that `text` spells in plain digits 0 to 9; None for all else, and where it has too many.

    Eighteen digits fit into a 64-bit column, and no text is long enough to take long.
    """
    return int(text) if len(text) <= max_digits and text.isascii() and text.isdigit() else None
