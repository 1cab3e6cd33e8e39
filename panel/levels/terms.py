"""What levels there are, and how they are reached, as the owner set it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from catalog.prices.levels import Level, current_levels
from panel.lib import clock
from panel.site.level_settings import LEVELS_MOVE_DOWN, LEVELS_PERIOD_DAYS
from panel.site.models import StoredSetting

SETTINGS = (LEVELS_PERIOD_DAYS, LEVELS_MOVE_DOWN)


@dataclass(frozen=True, slots=True)
class Terms:
    """`levels` are the lowest first. `period_days`: the last days that count, 0 for all time."""

    levels: Sequence[Level]
    period_days: int
    moves_down: bool

    def since(self) -> datetime | None:
        """Return from when on spending counts; None for all time."""
        return clock.now() - timedelta(days=self.period_days) if self.period_days else None


def current_terms() -> Terms:
    """Return the terms as they are in the database: a snapshot of settings may be a second old. Two statements."""
    texts = stored_texts()
    return Terms(current_levels(), LEVELS_PERIOD_DAYS.value_in(texts), LEVELS_MOVE_DOWN.value_in(texts))


def stored_texts() -> Mapping[str, str]:
    """Return the stored texts of the settings of levels, by name."""
    rows = StoredSetting.objects.filter(name__in=[one.name for one in SETTINGS], value__isnull=False)
    return {name: text for name, text in rows.values_list("name", "value") if text is not None}
