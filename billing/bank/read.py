"""Read what came in out of a bank's table. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from hashlib import sha256

from billing.bank.columns import Columns
from billing.bank.tables import Table
from billing.bank.values import MAX_CELL, BadValue, Order, decimal_sign_of, orders_of, read_amount, read_day, time_of
from billing.bank.words import is_incoming, is_other_currency
from billing.models.bank import MAX_TEXT
from panel.lib.money import MAX_MICROS


@dataclass(frozen=True, slots=True)
class Incoming:
    """Money that came in, by one row. `line` is its line in the file, `occurrence` the same rows before it.

    `time` is of the day, as the bank wrote it; "" if it did not.
    """

    line: int
    day: date
    amount: int
    text: str
    occurrence: int
    time: str = ""

    def digest(self) -> str:
        """Return what is the same for the same row of another statement."""
        parts = [self.day.isoformat(), str(self.amount), self.text.casefold(), str(self.occurrence)]
        # Where the file has a time, it tells two equal payments of a day apart, whatever part of the day it is of.
        parts += [self.time] if self.time else []
        return sha256("\n".join(parts).encode()).hexdigest()


@dataclass(slots=True)
class Reading:
    """What a file says. `outgoing` rows, those in `other_currencies` and `empty` ones are left out."""

    incoming: list[Incoming] = field(default_factory=list)
    outgoing: int = 0
    other_currencies: int = 0
    empty: int = 0
    problems: list[str] = field(default_factory=list)
    # Nothing says whether the month or the day is first.
    is_order_open: bool = False

    @property
    def total(self) -> int:
        return sum(one.amount for one in self.incoming)


def read_table(
    *, table: Table, columns: Columns, currency: str, today: date, order: Order | None = None, earliest: date
) -> Reading:
    """Read the rows. `order` is how days are written by what a person said, None to find it.

    Rows that cannot be read, of days to come or before `earliest`, are problems; the others are read all the same.
    """
    found = Reading()
    days = [_cell(cells, columns.day) for _, cells in table.rows]
    orders = orders_of(days) if order is None else {order}
    found.is_order_open = len(orders) > 1
    if not orders:
        found.problems.append("The days of this file are written in more than one order. Choose the one that counts.")
        return found
    order = min(orders, key=list(Order).index)
    sign = decimal_sign_of(_cell(cells, columns.amount) for _, cells in table.rows)
    same: Counter[tuple[date, int, str, str]] = Counter()
    for line, cells in table.rows:
        day_cell, amount_cell = _cell(cells, columns.day), _cell(cells, columns.amount)
        if not day_cell or not amount_cell:
            found.empty += 1
            continue
        try:
            day, amount = read_day(day_cell, order), read_amount(amount_cell, sign)
            if amount > MAX_MICROS:
                raise BadValue(f"“{amount_cell[:MAX_CELL]}” is too large.")
            if day > today + timedelta(days=1):
                raise BadValue(f"“{day_cell[:MAX_CELL]}” has not come yet.")
            if day < earliest:
                raise BadValue(f"“{day_cell[:MAX_CELL]}” is too long ago.")
        except BadValue as error:
            found.problems.append(f"Line {line}: {error}")
            continue
        sign_cell = "+" if columns.sign is None else _cell(cells, columns.sign)
        is_in = amount > 0 and is_incoming(sign_cell)
        if is_in is None:
            found.problems.append(
                f"Line {line}: “{sign_cell[:MAX_CELL]}” says neither that it came in nor that it went out."
            )
            continue
        if not is_in:
            found.outgoing += 1
            continue
        code = _cell(cells, columns.currency) if columns.currency is not None else ""
        if code.upper() not in ("", currency) or is_other_currency(amount_cell, currency):
            found.other_currencies += 1
            continue
        text = _text(cells, columns.texts)
        time = time_of(day_cell)
        key = (day, amount, text.casefold(), time)
        found.incoming.append(Incoming(line, day, amount, text, same[key], time))
        same[key] += 1
    return found


def _cell(cells: Sequence[str], place: int) -> str:
    return cells[place].strip() if place < len(cells) else ""


def _text(cells: Sequence[str], places: Sequence[int]) -> str:
    """Return what the bank wrote, in one line, as every database stores it."""
    parts = [" ".join(_cell(cells, place).split()) for place in places]
    shown = " · ".join(dict.fromkeys(part for part in parts if part))
    return "".join(one if one.isprintable() else " " for one in shown)[:MAX_TEXT]
