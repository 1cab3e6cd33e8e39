"""Read numbers that people and programs send as text."""

from __future__ import annotations

import re
import unicodedata

from django.utils.translation import gettext as _

MAX_DIGITS = 18
# Of a count that a person typed.
_MAX_COUNT_DIGITS = 15
_MAX_COUNT_TEXT = 60


def whole_number(text: str, *, max_digits: int = MAX_DIGITS) -> int | None:
    """Return the number in `text` if it is plain digits 0 to 9; None for anything else or too many digits.

    Eighteen digits fit into a 64-bit column, and bound the time to read them.
    """
    return int(text) if len(text) <= max_digits and text.isascii() and text.isdigit() else None


class CountError(ValueError):
    """The text is no count. The message is for the person who typed it."""


# Characters that group thousands and are never a decimal sign; each counts as a space.
_SPACES = frozenset("\t'\u2019\u2018\u02bc\u066c\u200b")
_SIGNS = {"\u066b": ".", "\uff0e": ".", "\uff0c": ",", "\u060c": ",", "\u2212": "-", "\uff0d": "-"}

# "1k", "2.5k", "1 m", and what people write for them in Russian, Turkish, Spanish and German.
_UNITS = {
    **dict.fromkeys(("k", "к", "тыс", "тыс.", "bin"), 1_000),
    **dict.fromkeys(("m", "м", "mn", "mln", "mio", "млн", "млн."), 1_000_000),
}
_WITH_UNIT = re.compile(r"(?P<whole>[0-9]{1,9})(?:[.,](?P<part>[0-9]{1,6}))? ?(?P<unit>[^\W\d_]{1,3}\.?)")
_POWER = re.compile(r"(?:(?P<times>[0-9]{1,6}) ?[x*×] ?)?10 ?(?:\^|\*\*) ?(?P<up>[0-9]{1,2})", re.IGNORECASE)
_EXPONENT = re.compile(r"(?P<times>[0-9]{1,6})e\+?(?P<up>[0-9]{1,2})", re.IGNORECASE)
_DECIMAL = re.compile(r"(?P<whole>[0-9]{1,15})[.,](?P<part>[0-9]{1,15})")
_THEN_WORDS = re.compile(r"(?P<number>[0-9][0-9., ]*+(?:[kmкм]\b)?+) ?(?:\+|[^\W\d_][^0-9]*+)")


def ascii_digits(text: str) -> str:
    """Return `text` with the digits of every script as 0 to 9, plain signs, plain spaces and no marks of direction."""
    plain = []
    for one in text:
        if one.isascii():
            plain.append(" " if one in _SPACES else one)
        elif (digit := unicodedata.decimal(one, None)) is not None:
            plain.append(str(digit))
        elif one in _SIGNS:
            plain.append(_SIGNS[one])
        elif one in _SPACES or one.isspace():
            plain.append(" ")
        elif unicodedata.category(one) == "Cf":
            continue
        elif "\uff21" <= one <= "\uff5a":
            plain.append(unicodedata.normalize("NFKC", one))
        else:
            plain.append(one)
    return "".join(plain).strip()


def read_count(text: str) -> int:
    """Return a count as people write it: "1000", "1,000", "1.000", "1 000", "1k", "2.5k", "١٬٠٠٠". Raise CountError.

    A point or a comma only groups thousands, except before a unit: "1.5" and "1,00" are no counts. "-5" is -5, for a
    clearer refusal.
    """
    plain = ascii_digits(text)
    if len(plain) > _MAX_COUNT_TEXT:
        raise CountError(_("Write a whole number alone, such as 1,000."))
    sign, digits = (-1, plain[1:].strip()) if plain.startswith("-") else (1, plain)
    found = _grouped(digits)
    if found is None:
        found = _with_unit(digits.lower())
    if found is None:
        raise CountError(_why_not(digits))
    return sign * found


def typed_count(text: str) -> int | None:
    """Return a count as `read_count` does; None for anything else."""
    try:
        return read_count(text)
    except CountError:
        return None


def _grouped(digits: str) -> int | None:
    """Return a number without signs, or with one kind of sign between its thousands."""
    for mark in " .,":
        groups = digits.split(mark)
        if len(groups) > 1:
            # India writes 1,00,000 with commas.
            shortest = 2 if mark == "," else 3
            is_grouped = 1 <= len(groups[0]) <= 3 and len(groups[-1]) == 3 and not digits.startswith("0")
            if not is_grouped or not all(shortest <= len(group) <= 3 for group in groups[1:]):
                return None
            digits = "".join(groups)
            break
    return whole_number(digits, max_digits=_MAX_COUNT_DIGITS)


def _with_unit(text: str) -> int | None:
    """Return "2.5k" as 2500; None if it is no whole number, or can be read in two ways: "1.000k"."""
    found = _WITH_UNIT.fullmatch(text)
    if found is None or found["unit"] not in _UNITS:
        return None
    part, size = found["part"] or "", _UNITS[found["unit"]]
    if len(part) == 3 and size == 1_000:
        return None
    scaled = int(found["whole"] + part) * size
    whole, rest = divmod(scaled, 10 ** len(part))
    return None if rest or len(str(whole)) > _MAX_COUNT_DIGITS else whole


def _why_not(text: str) -> str:
    """Return what to do instead, as precisely as `text` allows."""
    if power := _POWER.fullmatch(text) or _EXPONENT.fullmatch(text):
        times, up = int(power["times"] or 1), int(power["up"])
        if up < _MAX_COUNT_DIGITS - 6:
            return _("Write the number out: %(number)s.") % {"number": f"{times * 10**up:,}"}
    if decimal := _DECIMAL.fullmatch(text):
        return _not_whole(decimal["whole"], decimal["part"])
    if (unit := _WITH_UNIT.fullmatch(text.lower())) and unit["unit"] in _UNITS and len(unit["part"] or "") == 3:
        small = int(unit["whole"] + unit["part"]) * _UNITS[unit["unit"]] // 1_000
        return _in_two_ways(f"{small:,}", f"{small * 1_000:,}")
    if whole_number(text, max_digits=_MAX_COUNT_TEXT) is not None:
        return _("This number is too large.")
    if words_after := _THEN_WORDS.fullmatch(text.lower()):
        written = words_after["number"].strip(" .,")
        if (number := _grouped(written) or _with_unit(written)) is not None:
            return _("Write the number alone: %(number)s.") % {"number": f"{number:,}"}
    if not any(one.isdigit() for one in text):
        return _("Write a whole number in digits, such as 1,000.")
    return _("This is no whole number. Write it as 1000 or 1,000.")


def _not_whole(whole: str, part: str) -> str:
    """Return what "1.5" or "1,00" could have meant."""
    if set(part) == {"0"}:
        return _in_two_ways(f"{int(whole):,}", f"{int((whole + part).ljust(len(whole) + 3, '0')):,}")
    below = int(whole)
    return _("Only whole numbers can be ordered. Write %(below)s or %(above)s.") % {
        "below": f"{below:,}",
        "above": f"{below + 1:,}",
    }


def _in_two_ways(one: str, other: str) -> str:
    return _("This can be read in two ways. Write %(one)s or %(other)s.") % {"one": one, "other": other}
