"""What an attempt to deliver a message came to."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum


class Result(StrEnum):
    """The value is stored in the log of a delivery."""

    DELIVERED = "delivered"
    # Surely not delivered.
    FAILED = "failed"
    # A byte was sent and no answer came: it may have arrived.
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Sent:
    """`text` says in a few words what was answered, for the owner. `wait` is how long the receiver asks us to wait.
    `is_for_good`: the receiver wants no more messages.
    """

    result: Result
    text: str
    wait: timedelta | None = None
    is_for_good: bool = False
