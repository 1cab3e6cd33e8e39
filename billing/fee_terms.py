"""The fee of a payment that its payer bears, on top of what is added: a percentage, a fixed amount, or both."""

from __future__ import annotations

import re
from bisect import bisect_right
from dataclasses import dataclass, field

from django.conf import settings

from panel.lib.formats import percent_text
from panel.lib.money import BASIS, ceil_div, format_money, smallest_unit

# Half of a payment: more is a typing mistake.
MAX_FEE_BP = BASIS // 2
_WORDS = re.compile(r"([0-9]{1,4}):([0-9]{1,16})")


@dataclass(frozen=True, slots=True)
class FeeTerms:
    """`fee_bp` basis points of what is added, and `fee_fixed` micro-units. Without either there is no fee."""

    fee_bp: int = 0
    fee_fixed: int = 0
    # What fees are rounded up to: banks of some currencies know no cents.
    unit: int = field(default_factory=lambda: smallest_unit(settings.PANEL_CURRENCY))

    def __bool__(self) -> bool:
        return bool(self.fee_bp or self.fee_fixed)

    def fee_on(self, amount: int) -> int:
        """Return the fee on an amount to add, in micro-units, rounded up to what people can pay."""
        return ceil_div(ceil_div(amount * self.fee_bp, BASIS) + self.fee_fixed, self.unit) * self.unit

    def to_pay(self, amount: int) -> int:
        """Return what is to be paid so that `amount` micro-units are added."""
        return amount + self.fee_on(amount)

    def net_of(self, came_in: int) -> int:
        """Return the most that may be added of what came in, so that it still pays the fee on that; 0 if nothing may.

        It undoes `to_pay`, and never falls when more comes in.
        """
        if not self:
            return came_in
        return max(0, bisect_right(range(came_in + 1), came_in, key=self.to_pay) - 1)

    def fee_of(self, came_in: int) -> int:
        """Return what of `came_in` micro-units is not added: all of it if it does not exceed the fee."""
        return came_in - self.net_of(came_in)

    def is_fee_of(self, came_in: int, fee: int) -> bool:
        """Return True if `fee` is what `fee_of` says, without the search for it."""
        net = came_in - fee
        is_enough = net == 0 or (net > 0 and self.to_pay(net) <= came_in)
        return is_enough and came_in < self.to_pay(net + 1)

    def words(self) -> str:
        """Return the terms as a form carries them, for `read_fee_words`."""
        return f"{self.fee_bp}:{self.fee_fixed}"

    def shown(self, currency: str) -> str:
        """Return the terms for people: "4% + $0.10"; "" without a fee."""
        fixed = format_money(self.fee_fixed, currency, exact=True) if self.fee_fixed else ""
        return " + ".join(part for part in (percent_text(self.fee_bp) if self.fee_bp else "", fixed) if part)


def read_fee_words(text: str) -> FeeTerms | None:
    """Return the terms that a form carried; None for anything else."""
    found = _WORDS.fullmatch(text)
    return FeeTerms(int(found[1]), int(found[2])) if found else None
