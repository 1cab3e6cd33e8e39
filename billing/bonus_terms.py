"""The bonus of a payment method: a percentage, or another from a certain amount on. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from panel.lib.money import BASIS, MAX_MICROS

MAX_TIERS = 10
_WORDS = re.compile(r"[0-9]{1,5}(?:;[0-9]{1,16}:[0-9]{1,5}){0,10}")


@dataclass(frozen=True, slots=True)
class BonusTerms:
    """`bonus_bp` basis points, or those of the highest of `tiers` (least micro-units, basis points) that is reached."""

    bonus_bp: int = 0
    tiers: tuple[tuple[int, int], ...] = ()

    @classmethod
    def of(cls, bonus_bp: int, tiers: Sequence[Sequence[int]] | None) -> BonusTerms:
        """Return the terms as columns hold them."""
        return cls(bonus_bp, tuple(sorted((least, bp) for least, bp in tiers or ())))

    def bp_of(self, amount: int) -> int:
        """Return the basis points for an amount in micro-units."""
        return next((bp for least, bp in reversed(self.tiers) if amount >= least), self.bonus_bp)

    def bonus_of(self, amount: int) -> int:
        """Return the bonus on an amount in micro-units, rounded down."""
        return amount * self.bp_of(amount) // BASIS

    def most_on(self, amount: int) -> int:
        """Return the largest bonus on any part of an amount, which payments in parts may have earned."""
        parts = (amount, *(least - 1 for least, _ in self.tiers if least <= amount))
        return max(self.bonus_of(part) for part in parts)

    @property
    def most_bp(self) -> int:
        return max((self.bonus_bp, *(bp for _, bp in self.tiers)))

    def words(self) -> str:
        """Return the terms as a form carries them, for `read_words`."""
        return ";".join((str(self.bonus_bp), *(f"{least}:{bp}" for least, bp in self.tiers)))


def read_words(text: str) -> BonusTerms | None:
    """Return the terms that a form carried; None for anything else."""
    if not _WORDS.fullmatch(text):
        return None
    first, *rest = text.split(";")
    pairs = [tuple(map(int, pair.split(":"))) for pair in rest]
    return BonusTerms.of(int(first), pairs)


def check_tiers(tiers: Sequence[tuple[int, int]]) -> None:
    """Raise ValueError, with words for the owner, if the tiers are too many, doubled or out of range."""
    if len(tiers) > MAX_TIERS:
        raise ValueError(f"Use at most {MAX_TIERS} lines.")
    if len({least for least, _ in tiers}) < len(tiers):
        raise ValueError("Two lines begin at the same amount.")
    for least, bp in tiers:
        if not 0 < least <= MAX_MICROS or not 0 <= bp <= BASIS:
            raise ValueError("Each line is an amount above zero and a bonus of 0 to 100 percent.")
