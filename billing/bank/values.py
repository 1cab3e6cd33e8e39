"""Days and amounts as banks write them, read by what a whole column says. Pure.

"03/04/2026" and "1,234" each mean two things. Another cell of the same column mostly says which. Where none does,
nobody guesses.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import date
from decimal import Decimal
from enum import Enum

from billing.bank.words import CURRENCIES, INCOMING, OUTGOING, words_beside
from panel.lib.money import MoneyError, micros_down

MAX_CELL = 40
YEARS = range(2000, 2100)
_PARTS = re.compile(r"([0-9]{1,4})[./\- ]([0-9]{1,2})[./\- ]([0-9]{1,4})(?![0-9])")
_NUMBER = re.compile(r"[0-9.,]+")
_SPACES = " \u00a0\u202f\u2009'’"  # noqa: RUF001


class BadValue(ValueError):
    """The cell cannot be read. The message is for staff."""


class Order(Enum):
    """In which order a file writes a day."""

    DAY_FIRST = "dmy"
    MONTH_FIRST = "mdy"
    YEAR_FIRST = "ymd"


def orders_of(cells: Iterable[str]) -> set[Order]:
    """Return the orders in which every cell is a day. Cells that are none in any order say nothing."""
    left = set(Order)
    for cell in cells:
        possible = {order for order in Order if _day(cell, order)}
        if possible:
            left &= possible
    return left


def read_day(cell: str, order: Order) -> date:
    """Return the day. Raise BadValue."""
    day = _day(cell, order)
    if day is None:
        raise BadValue(f"“{cell[:MAX_CELL]}” is no day.")
    return day


def time_of(cell: str) -> str:
    """Return what follows the day, "" if nothing does: its time, as the bank writes it."""
    text = cell.strip()[:MAX_CELL].replace("T", " ").strip()
    match = _PARTS.match(text)
    return text[match.end() :].strip() if match else text.partition(" ")[2].strip()


def _day(cell: str, order: Order) -> date | None:
    # A time may follow the day.
    text = cell.strip()[:MAX_CELL].replace("T", " ").strip()
    match = _PARTS.match(text)
    if match is None:
        compact = text.partition(" ")[0]
        if not (len(compact) == 8 and compact.isascii() and compact.isdigit()):
            return None
        parts = [compact[:4], compact[4:6], compact[6:]]
        if order is not Order.YEAR_FIRST:
            parts = [compact[:2], compact[2:4], compact[4:]]
    else:
        parts = list(match.groups())
        if order is Order.MONTH_FIRST and "." in match[0]:
            return None  # Whoever writes months first has slashes or hyphens.
    is_year_first = len(parts[0]) == 4
    if is_year_first is not (order is Order.YEAR_FIRST) or len(parts[2]) == (4 if is_year_first else 3):
        return None
    if is_year_first:
        year, month, day = map(int, parts)
    elif order is Order.DAY_FIRST:
        day, month, year = map(int, parts)
    else:
        month, day, year = map(int, parts)
    year += 2000 if len(parts[0 if is_year_first else 2]) == 2 else 0
    try:
        return date(year, month, day) if year in YEARS else None
    except ValueError:
        return None


def decimal_sign_of(cells: Iterable[str]) -> str:
    """Return "." or "," by what the column says; "" if it contradicts itself or says nothing."""
    found = {sign for cell in cells if (sign := _sign_of(cell))}
    return found.pop() if len(found) == 1 else ""


def _sign_of(cell: str) -> str:
    """Return the decimal sign that one number must have, "" if it may have either."""
    number = _digits_of(cell)[1]
    last = max(number.rfind("."), number.rfind(","))
    if last < 0:
        return ""
    sign, other = number[last], "," if number[last] == "." else "."
    if number.count(sign) > 1:
        return other  # It groups thousands.
    if other in number or len(number) - last - 1 != 3 or last > 3 or number.startswith("0"):
        return sign
    return ""


def read_amount(cell: str, sign: str) -> int:
    """Return micro-units; below zero for what went out: "-5", "5-", "(5)", "5 DR". Raise BadValue."""
    text, number = _digits_of(cell)
    marks = set(words_beside(cell[:MAX_CELL])) - CURRENCIES
    # Letters that say neither in nor out may say that it went out.
    if not number or not marks <= INCOMING | OUTGOING:
        raise BadValue(f"“{cell[:MAX_CELL]}” is no amount.")
    sign = _sign_of(cell) or sign
    if not sign and set(number) & set(".,"):
        raise BadValue(f"“{cell[:MAX_CELL]}” can be read in two ways.")
    whole, _, part = number.partition(sign) if sign else (number, "", "")
    group = "," if sign == "." else "."
    groups = whole.split(group)
    if len(groups) > 1 and (not 1 <= len(groups[0]) <= 3 or any(len(one) != 3 for one in groups[1:])):
        raise BadValue(f"“{cell[:MAX_CELL]}” is no amount.")
    if not part.isdigit() and part:
        raise BadValue(f"“{cell[:MAX_CELL]}” is no amount.")
    try:
        micros = micros_down(Decimal(f"{''.join(groups) or '0'}.{part or '0'}"))
    except MoneyError as error:
        raise BadValue(f"“{cell[:MAX_CELL]}”: {error}") from error
    return -micros if _is_negative(text) or marks & OUTGOING else micros


def _digits_of(cell: str) -> tuple[str, str]:
    """Return the cell without spaces, and its number; "" if it has none, or more than one."""
    text = "".join(one for one in cell[: MAX_CELL + 1] if one not in _SPACES)
    runs = _NUMBER.findall(text) if len(cell) <= MAX_CELL and text.isprintable() else []
    found = [run for run in runs if run.strip(".,")]
    return text, found[0].rstrip(".,") if len(found) == 1 else ""


def _is_negative(text: str) -> bool:
    signs = [one for one in text if one in "-−–"]  # noqa: RUF001
    return bool(signs) or (text.startswith("(") and text.endswith(")"))
