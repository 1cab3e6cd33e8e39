"""When an invoice is asked about next. Pure.

Without a single call of its gateway, money is found within 15 minutes while the invoice is open, and within a day for a
week after it expired.
"""

from __future__ import annotations

from datetime import datetime, timedelta

FIRST = tuple(timedelta(minutes=minutes) for minutes in (1, 2, 5, 10, 15))
LOST = tuple(timedelta(seconds=seconds) for seconds in (10, 60, 300, 900))
OPEN, EXPIRED, OLD = timedelta(minutes=15), timedelta(hours=1), timedelta(days=1)
# After it expired, an invoice is asked about each hour for a day, and each day for a week.
MAX_HOURLY, MAX_DAILY = timedelta(days=1), timedelta(days=8)


def next_poll(*, now: datetime, created_at: datetime, expires_at: datetime, salt: int) -> datetime | None:
    """Return when to ask next about an invoice that exists, None if never. `salt` spreads invoices over a tenth."""
    age, late = now - created_at, now - expires_at
    if late > MAX_DAILY:
        return None
    if late > MAX_HOURLY:
        wait = OLD
    elif late > timedelta(0):
        wait = EXPIRED
    else:
        # The first ask after each of FIRST, then in steps.
        wait = next((moment - age for moment in FIRST if moment > age), OPEN)
        wait = max(wait, timedelta(seconds=5))
    return now + wait - wait * (salt % 100) / 1_000


def next_repair(*, now: datetime, attempts: int) -> datetime:
    """Return when to look again for an invoice whose creation was not answered, after so many attempts."""
    return now + LOST[min(max(attempts, 1), len(LOST)) - 1]
