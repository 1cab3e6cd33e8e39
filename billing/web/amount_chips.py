"""Amounts to choose from, within the limits of a way to pay. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from django.conf import settings

from billing.models import PaymentMethod
from panel.lib.money import MICRO, format_money, format_plain

MOST = 6
# What people pay: 1, 2.50, 5, 10, 25, 50, …
_STEPS = (10, 25, 50)


@dataclass(frozen=True, slots=True)
class Chip:
    """An amount to choose: what is typed by it, what is shown, and its bonus (basis points) if it is within a tier."""

    value: str
    text: str
    bonus_bp: int


def amount_chips(method: PaymentMethod, *, asked: int | None = None) -> list[Chip]:
    """Return at most MOST amounts within the method's limits, those where a bonus begins among them.

    `asked`, what a link asks for, comes first.
    """
    tiers = {amount: bp for amount, bp in method.tiers or () if method.minimum <= amount <= method.maximum}
    begins = sorted(tiers)[:3]
    round_ones = [one for one in _round_amounts(method) if one not in tiers]
    chosen = sorted([*begins, *round_ones[: MOST - len(begins)]])
    if asked and method.minimum <= asked <= method.maximum:
        chosen = [asked, *(one for one in chosen if one != asked)][:MOST]
    terms, first = method.bonus_terms, min(tiers, default=None)
    return [
        Chip(format_plain(one), _text(one), terms.bp_of(one) if first is not None and one >= first else 0)
        for one in chosen
    ]


def _round_amounts(method: PaymentMethod) -> list[int]:
    found = [
        step * power * MICRO // 10
        for power in (10**exponent for exponent in range(10))
        for step in _STEPS
        if method.minimum <= step * power * MICRO // 10 <= method.maximum
    ]
    return found or sorted({method.minimum, method.maximum})


def _text(amount: int) -> str:
    """Return the amount without decimals that say nothing: "$25"."""
    text = format_money(amount, settings.PANEL_CURRENCY, exact=True)
    return text.replace(".00", "", 1) if amount % MICRO == 0 else text
