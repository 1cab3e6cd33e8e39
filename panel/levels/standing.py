"""Where a customer stands: the level, and how far the next one is. Amounts are micro-units."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from catalog.prices.levels import Level, level_at
from panel.accounts.models import User
from panel.levels.judge import Present, is_above, present_of
from panel.levels.spent import Spending, spending_by_customer
from panel.levels.terms import current_terms


@dataclass(frozen=True, slots=True)
class LevelStanding:
    """`spent` is what counts, `running` what will once its orders have ended. `period_days`: 0 for all time."""

    level: Level | None
    next: Level | None
    spent: int
    running: int
    period_days: int

    @property
    def missing(self) -> int:
        """Return what is left to spend until the next level; 0 once it is reached, until the next round."""
        return max(0, self.next.level_from - self.spent) if self.next else 0

    @property
    def percent(self) -> int:
        """Return how much of the way to the next level is done, from 0 to 100."""
        return min(100, self.spent * 100 // self.next.level_from) if self.next else 100


def level_standing_of(*, customer: User) -> LevelStanding | None:
    """Return the customer's standing; None if there are no levels, or none that would be reached.

    Whom a person placed is not moved, and so has no next level, and in a group that is no level, nothing to be told.
    """
    terms = current_terms()
    if not terms.levels:
        return None
    present = present_of(customers=[customer.pk]).get(customer.pk)
    level = next((one for one in terms.levels if present and one.pk == present.group), None)
    if customer.is_staff or customer.is_superuser or (present and present.is_by_hand):
        return LevelStanding(level, None, 0, 0, terms.period_days) if level else None
    found = spending_by_customer(customers=[customer.pk], since=terms.since()).get(customer.pk, Spending())
    upcoming = next_level(levels=terms.levels, present=present, spent=found.counts)
    return LevelStanding(level, upcoming, found.counts, found.running, terms.period_days)


def next_level(*, levels: Sequence[Level], present: Present | None, spent: int) -> Level | None:
    """Return the level that comes next, None above the highest: one reached already comes with the next round. Pure."""
    above = [level for level in levels if present is None or is_above(level, present)]
    return level_at(above, spent) or next(iter(above), None)
