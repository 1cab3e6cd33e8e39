"""Amounts of deposits and payments in words of staff."""

from __future__ import annotations

from panel.lib.admin.base import shown_money


def with_fee_and_bonus(credited: int, *, fee: int, bonus: int) -> str:
    """Return what was credited, with what was taken and given beside it: "$20.90 − $0.90 fee + $1.00 bonus"."""
    less = f" − {shown_money(fee)} fee" if fee else ""
    more = f" + {shown_money(bonus)} bonus" if bonus else ""
    return f"{shown_money(credited)}{less}{more}"
