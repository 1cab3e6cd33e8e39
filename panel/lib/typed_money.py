"""Amounts of money as customers write them."""

from __future__ import annotations

import re

from django.utils.translation import gettext as _

from panel.lib.digits import ascii_digits
from panel.lib.money import MoneyError, parse_money

MAX_TEXT = 40

_IN_TWO_WAYS = re.compile(r"[1-9][0-9]{0,2}\.[0-9]{3}")
_DECIMAL_COMMA = re.compile(r"[0-9]{1,12},[0-9]{1,2}")
_SPACED = re.compile(r"[1-9][0-9]{0,2}(?: [0-9]{3}){1,4}")


class AmbiguousAmount(MoneyError):
    """The amount can be read in two ways: `readings` are both as plain text, the smaller one first.

    The smaller one has cents at most: with a third digit it would be asked about again, without an end.
    """

    def __init__(self, message: str, *, readings: tuple[str, str]) -> None:
        super().__init__(message)
        self.readings = readings


def parse_typed_money(text: str) -> int:
    """Return the micro-units of an amount: "12.50", "12,50", "1,250", "1 250", "١٢". Raise MoneyError.

    Raise AmbiguousAmount for three digits after a point: "1.250" is 1.25 in one half of the world, 1250 in the other.
    """
    plain = ascii_digits(text)
    if len(plain) > MAX_TEXT:
        return parse_money(plain)  # Which refuses it.
    if (spaced := _SPACED.match(plain)) and plain[spaced.end() : spaced.end() + 1] in ("", ".", ","):
        plain = spaced[0].replace(" ", "") + plain[spaced.end() :]
    if _DECIMAL_COMMA.fullmatch(plain):
        plain = plain.replace(",", ".")
    if _IN_TWO_WAYS.fullmatch(plain):
        small, large = plain[:-1].rstrip("0").rstrip("."), plain.replace(".", "")
        raise AmbiguousAmount(
            _("“%(text)s” can be read in two ways. Which one do you mean?") % {"text": plain}, readings=(small, large)
        )
    return parse_money(plain)
