"""The settings of how long data is kept, which `groups` shows with those of the registry."""

from __future__ import annotations

from panel.site.kinds import Number

KEEP_EVENTS_DAYS = Number(
    "KEEP_EVENTS_DAYS",
    "Timelines of ended orders",
    default=180,
    least=30,
    most=3_650,
    unit="days",
    help="After that, an order's page shows when it was ordered, sent and ended, its refunds and what people did.",
)
KEEP_ANSWERS_DAYS = Number(
    "KEEP_ANSWERS_DAYS",
    "Answers that accepted nothing",
    default=90,
    least=30,
    most=3_650,
    unit="days",
    help="What providers answered to ended orders word for word, if they did not accept them. The outcome stays.",
)
KEEP_IMPORTS_DAYS = Number(
    "KEEP_IMPORTS_DAYS",
    "Imports",
    default=90,
    least=7,
    most=3_650,
    unit="days",
    help="The last ones of each provider stay, and those that somebody requested.",
)
KEEP_ALERTS_DAYS = Number(
    "KEEP_ALERTS_DAYS", "Resolved alerts", default=180, least=7, most=3_650, unit="days", help="Open alerts stay."
)
KEEP_CALLS_DAYS = Number(
    "KEEP_CALLS_DAYS",
    "Calls of gateways",
    default=365,
    least=30,
    most=3_650,
    unit="days",
    help="What gateways told word for word, their lists by day, and lines of bank statements that were for no request. "
    "Payments stay.",
)
