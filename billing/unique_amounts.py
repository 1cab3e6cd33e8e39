"""Amounts by which requests are told apart, for ways to pay that carry no reference: each asks for another."""

from __future__ import annotations

import secrets
from collections.abc import Container
from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import Q, QuerySet

from billing.models import Deposit, PaymentMethod
from panel.lib import clock
from panel.lib.money import MAX_MICROS, ceil_div, smallest_unit

# The most that is added, in smallest units.
MAX_UNITS = 99
# Chosen from so many of the smallest, so that a sum that was paid twice rarely meets the next customer's.
CHOICE = 10
# For so long the money of a request that was decided may still be on its way, or its line in a statement to come.
LATE = timedelta(days=30)


class NoFreeAmount(Exception):
    """Every amount that may be asked instead is asked of somebody."""


def find_free_amount(*, method: PaymentMethod, amount: int) -> int:
    """Return an amount (micro-units) a little above `amount` that no other request of `method` asks for, fee included.

    Call it with the method locked. The money of expired and of decided requests may be late, so theirs are asked last:
    first those that were decided the longest ago, then those of expired ones. Raise NoFreeAmount.
    """
    unit = smallest_unit(settings.PANEL_CURRENCY)
    base = ceil_div(amount, unit) * unit
    wanted = [base + units * unit for units in range(1, MAX_UNITS + 1) if base + units * unit <= MAX_MICROS]
    asked = Deposit.objects.filter(method=method)
    open_ones = asked.filter(state=Deposit.State.PENDING)
    is_waited_for = Q(expires_at=None) | Q(expires_at__gt=clock.now())
    free = _without(wanted, _asked_by(open_ones.filter(Q(raised__gt=0) | is_waited_for), method, wanted))
    if not free:
        open_ones.filter(amount__in=wanted).exclude(is_waited_for).update(raised=0)
        free = _without(wanted, _asked_by(open_ones.filter(is_waited_for), method, wanted))
    if not free:
        raise NoFreeAmount
    decided = _asked_by(asked.filter(decided_at__gt=clock.now() - LATE), method, free)
    if unasked := _without(free, decided):
        return secrets.choice(unasked[:CHOICE])
    return min(free, key=lambda one: decided[one] or clock.now())


def _asked_by(deposits: QuerySet[Deposit], method: PaymentMethod, wanted: list[int]) -> dict[int, datetime | None]:
    """Return which of the wanted amounts, or what is to be paid for them, deposits ask for; and when decided last."""
    by_pay = {method.fee_terms.to_pay(amount): amount for amount in wanted}
    # Only requests of another fee ask for the same with another amount.
    same_fee = Q(fee_bp=method.fee_bp, fee_fixed=method.fee_fixed, fee_payer=method.fee_payer)
    near = deposits.filter(Q(amount__in=wanted) | ~same_fee, amount__lte=max(by_pay, default=0))
    found: dict[int, datetime | None] = {}
    for deposit in near.order_by("decided_at"):
        for amount in (deposit.amount, by_pay.get(deposit.to_pay)):
            if amount in wanted:
                found[amount] = deposit.decided_at
    return found


def _without(wanted: list[int], taken: Container[int]) -> list[int]:
    return [amount for amount in wanted if amount not in taken]
