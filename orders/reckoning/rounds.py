"""The round of the reckoning, and of what is watched with it."""

from __future__ import annotations

from orders.reckoning.currency import stop_foreign_currencies
from orders.reckoning.daily_limit import resume_raised_limits
from orders.reckoning.reckon import reckon_due_providers


def reckon_providers() -> int:
    """Compare providers' balances with what our orders explain, and watch currencies and daily limits.

    Return how many providers were reckoned.
    """
    stop_foreign_currencies()
    resume_raised_limits()
    return reckon_due_providers()
