"""Read numbers that people and programs send as text."""

from __future__ import annotations

MAX_DIGITS = 18


def whole_number(text: str, *, max_digits: int = MAX_DIGITS) -> int | None:
    """Return the number in `text` if it is plain digits 0 to 9; None for anything else or too many digits.

    Eighteen digits fit into a 64-bit column, and bound the time to read them.
    """
    return int(text) if len(text) <= max_digits and text.isascii() and text.isdigit() else None


# Characters that group thousands and are never a decimal sign.
_SPACES = " \u00a0\u202f\u2009\t'\u2019"
_DROP_SPACES = str.maketrans("", "", _SPACES)


def typed_count(text: str) -> int | None:
    """Return a count as people type it: "1000", "1,000", "1.000", "1 000", "1'000"; None for anything else.

    A point or a comma only groups thousands: "1.5" and "1,00" are not counts. "-5" is -5, for a clearer refusal.
    """
    text = text.strip().translate(_DROP_SPACES)
    sign, digits = (-1, text[1:]) if text.startswith("-") else (1, text)
    for mark in ".,":
        groups = digits.split(mark)
        # India writes 1,00,000 with commas.
        shortest = 2 if mark == "," else 3
        if len(groups) > 1 and 1 <= len(groups[0]) <= 3 and len(groups[-1]) == 3:
            if all(shortest <= len(group) <= 3 for group in groups[1:]) and not digits.startswith("0"):
                digits = "".join(groups)
            break
    number = whole_number(digits, max_digits=15)
    return None if number is None else sign * number
