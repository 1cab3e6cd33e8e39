"""How long the money at a provider will last. Pure: no database, but for the figures that the caller has joined."""

from __future__ import annotations

from datetime import timedelta

from django.utils import timezone

from catalog.models import Provider, ProviderFigures

BURN_DAYS = 7
"""The days that `ProviderFigures` are of."""


def runway_days(provider: Provider) -> int | None:
    """Whole days until its balance is spent, as fast as in the last week; None where either is not known.

    Read providers with `select_related("figures")`: else this asks for them.
    """
    try:
        spent = provider.figures.spent
    except ProviderFigures.DoesNotExist:
        return None
    if provider.balance is None or spent <= 0:
        return None
    # Of one that was connected two days ago, the week is two days long.
    age = timezone.now() - provider.created_at
    window = min(timedelta(days=BURN_DAYS), max(timedelta(days=1), age))
    return max(provider.balance, 0) * int(window.total_seconds()) // (spent * 86_400)
