"""How levels by money spent are reached, which `groups` shows with the settings of the registry."""

from __future__ import annotations

from panel.site.kinds import Flag, Number

LEVELS_PERIOD_DAYS = Number(
    "LEVELS_PERIOD_DAYS",
    "Spending that counts",
    default=0,
    least=0,
    most=3_650,
    unit="days",
    touches_money=True,
    help="What a customer spent in so many last days. 0: all that they ever spent. The page “Levels” shows beforehand "
    "whom it moves.",
)
LEVELS_MOVE_DOWN = Flag(
    "LEVELS_MOVE_DOWN",
    "Customers move down, too",
    default=False,
    touches_money=True,
    help="To the level of what they spent, also if it is a lower one. Otherwise a level that was reached is kept.",
)
