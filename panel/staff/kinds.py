"""Kinds of deeds, the reasons that staff choose from, and the limits that hold until an owner sets others."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from django.db.models import TextChoices

from panel.accounts.roles import MANAGER, OWNER, SUPPORT
from panel.lib.money import MICRO


class Kind(TextChoices):
    """What a member of staff does with money."""

    REFUND = "refund", "Refund"
    CLOSE = "close", "Manual close"
    CREDIT = "credit", "Credit or debit"
    BONUS = "bonus", "Bonus"
    DEPOSIT = "deposit", "Deposit"


class Reason(TextChoices):
    """Why it is done, for the report of goodwill."""

    COMPENSATION = "compensation", "Agreed compensation"
    PROVIDER = "provider", "Provider’s failure"
    PAYMENT = "payment", "Payment outside of the panel"
    MISTAKE = "mistake", "Correction of a mistake"
    PROMOTION = "promotion", "Promotion"
    OTHER = "other", "Other"


@dataclass(frozen=True, slots=True)
class Limit:
    """The most that one person may move alone, at once and in a day, in micro-units."""

    at_once: int
    a_day: int


# Not kinds of deeds: rows of the table of limits that hold for everybody.
ALERT = "alert"
LIMITS = "limits"
EVERYBODY = "Everybody"

# The highest first: a person with several roles has the limits of the highest.
RANKS = (OWNER, MANAGER, SUPPORT)

_NONE = (0, 0)
_UNITS: Mapping[str, Mapping[str, tuple[int, int]]] = {
    OWNER: {
        Kind.REFUND: (2_000, 10_000),
        Kind.CLOSE: (2_000, 10_000),
        Kind.CREDIT: (1_000, 5_000),
        Kind.BONUS: (500, 2_000),
        Kind.DEPOSIT: (5_000, 25_000),
    },
    MANAGER: {
        Kind.REFUND: (500, 2_000),
        Kind.CLOSE: (500, 2_000),
        Kind.CREDIT: _NONE,
        Kind.BONUS: _NONE,
        Kind.DEPOSIT: (500, 2_500),
    },
    SUPPORT: {
        Kind.REFUND: (50, 250),
        Kind.CLOSE: (50, 250),
        Kind.CREDIT: _NONE,
        Kind.BONUS: _NONE,
        Kind.DEPOSIT: _NONE,
    },
    EVERYBODY: {ALERT: (1_000, 5_000)},
}
# By role and kind. EVERYBODY's is above what a deed, or a person's day, raises an alert.
DEFAULTS: Mapping[tuple[str, str], Limit] = {
    (role, str(kind)): Limit(at_once * MICRO, a_day * MICRO)
    for role, kinds in _UNITS.items()
    for kind, (at_once, a_day) in kinds.items()
}


def is_goodwill(*, kind: str, reason: str) -> bool:
    """Return True for what a customer got without a payment behind it."""
    return kind != Kind.DEPOSIT and reason != Reason.PAYMENT
