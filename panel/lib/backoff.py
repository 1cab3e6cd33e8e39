"""How long to wait before the next attempt."""

from __future__ import annotations

import random
from datetime import timedelta

MAX_JITTER = 1.2
_MAX_STEPS = 20


def backoff(failures: int, *, first: timedelta, longest: timedelta, factor: int = 2) -> timedelta:
    """Return the wait after `failures` in a row: `first` after none, then `factor` times as long each time."""
    return min(first * factor ** min(max(failures, 0), _MAX_STEPS), longest)


def jitter() -> float:
    """Return a factor of 0.8 to 1.2, to spread rows that fall due together."""
    return random.uniform(2 - MAX_JITTER, MAX_JITTER)  # noqa: S311  (no secret)
