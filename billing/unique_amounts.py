"""Amounts by which requests are told apart, for ways to pay that carry no reference: each open one asks for another."""

from __future__ import annotations

import secrets

from django.conf import settings
from django.db.models import Q, QuerySet

from billing.models import Deposit, PaymentMethod
from panel.lib import clock
from panel.lib.money import CENT, MAX_MICROS, MICRO, ceil_div

# Currencies whose banks know no cents.
WHOLE_CURRENCIES = {"JPY", "KRW", "VND"}
# The most that is added, in smallest units.
MAX_UNITS = 99
# Chosen from so many of the smallest, so that a sum that was paid twice rarely meets the next customer's.
CHOICE = 10


class NoFreeAmount(Exception):
    """Every amount that may be asked instead is asked of somebody."""


def smallest_unit(currency: str) -> int:
    """Return the micro-units of the smallest amount that people can send."""
    return MICRO if currency in WHOLE_CURRENCIES else CENT


def find_free_amount(*, method: PaymentMethod, amount: int) -> int:
    """Return an amount (micro-units) a little above `amount` that no open request of `method` asks for.

    Call it with the method locked. Expired requests keep their amounts until there is no other, since their money may
    be late. Raise NoFreeAmount.
    """
    unit = smallest_unit(settings.PANEL_CURRENCY)
    base = ceil_div(amount, unit) * unit
    wanted = [base + units * unit for units in range(1, MAX_UNITS + 1) if base + units * unit <= MAX_MICROS]
    open_ones = Deposit.objects.filter(method=method, state=Deposit.State.PENDING, amount__in=wanted)
    is_waited_for = Q(expires_at=None) | Q(expires_at__gt=clock.now())
    free = _without(wanted, open_ones.filter(Q(raised__gt=0) | is_waited_for))
    if not free:
        open_ones.exclude(is_waited_for).update(raised=0)
        free = _without(wanted, open_ones.filter(is_waited_for))
    if not free:
        raise NoFreeAmount
    return secrets.choice(free[:CHOICE])


def _without(wanted: list[int], taken: QuerySet[Deposit]) -> list[int]:
    held = set(taken.values_list("amount", flat=True))
    return [amount for amount in wanted if amount not in held]
