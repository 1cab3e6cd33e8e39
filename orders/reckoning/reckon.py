"""Reckoning: comparing each reading of a provider's balance with what our orders explain.

A reading that agrees becomes the base of the next one, in one transaction with what it counted. One that is too low
raises an alert; one that is too high waits for staff to confirm a top-up. Both leave the base as it is, so that later
answers and entries of staff can still explain them.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import structlog
from django.db import transaction
from django.db.models import F, Q

from catalog.models import Provider
from catalog.provider_accounts import ProviderUnusable, account_of
from orders.models import CostCorrection, MoneyDay, MoneyEntry, ProviderMoney
from orders.reckoning.explain import (
    Explanation,
    Reading,
    base_day,
    expected_range,
    explain,
    open_corrections,
    reading_of,
    spending_since,
)
from panel.alerts.causes import Cause
from panel.alerts.services import raise_alert, resolve_alert
from panel.lib import clock
from panel.lib.bulk_sql import in_chunks
from panel.lib.formats import moment_text
from panel.lib.money import format_money
from panel.lib.panel_days import panel_day

log = structlog.get_logger(__name__)

# A reading rests for so long, so that claims and answers of its time are committed: SQLite waits for a lock this long.
REST = timedelta(seconds=35)
# How late a provider may still charge for an order in doubt that is older than the first base.
MAX_DELAY = timedelta(hours=1)


def reckon_due_providers() -> int:
    """Reckon each provider whose balance was read since the last time. Return how many."""
    rested = clock.now() - REST
    due = Provider.objects.filter(Q(money=None) | Q(balance_checked_at__gt=F("money__read_at")))
    providers = list(due.filter(balance__isnull=False, balance_checked_at__lte=rested))
    for provider in providers:
        try:
            reckon_provider(provider=provider)
        except ProviderUnusable:
            log.warning("provider not reckoned", provider=provider.pk)
    return len(providers)


def reckon_provider(*, provider: Provider) -> ProviderMoney | None:
    """Compare the provider's stored balance with what our orders explain, and return the result.

    Return None without a balance. The first balance is the first base, and so is the first one in a new currency or of
    a new account. A reading that was reckoned before changes nothing, unless an entry of staff explains it now. Raise
    ProviderUnusable.
    """
    reading, account = reading_of(provider), account_of(provider)
    if reading is None:
        return None
    with transaction.atomic():
        money = ProviderMoney.objects.select_for_update().filter(pk=provider.pk).first()
        if money is None or (money.account, money.currency) != (account, provider.currency):
            return _begin(provider, account, reading)
        if reading.read_at <= money.base_read_at or reading.read_at < money.read_at:
            return money  # Another process was faster.
        found = explain(money=money, reading=reading, day=_day(money, reading))
        money.balance, money.asked_at, money.read_at = reading.balance, reading.asked_at, reading.read_at
        money.lowest, money.highest = found.lowest, found.highest
        money.unexplained = 0 if found.agrees else found.unexplained
        if found.agrees:
            _count(money, reading, found)
        money.save()
        _alert(provider, money, found)
    return money


def is_unexplained(*, provider: Provider, balance: int | None) -> bool:
    """Return True if a balance read just now lacks more than our orders can have cost, those in doubt included.

    Then something else spends there, and an unknown order may be its own. Without a balance (None), the last reading
    decides.
    """
    if balance is None:
        return ProviderMoney.objects.filter(pk=provider.pk, unexplained__lt=0).exists()
    explained = expected_range(provider=provider)
    return explained is not None and balance < explained.lowest


def _begin(provider: Provider, account: str, reading: Reading) -> ProviderMoney:
    """Store the reading as the first base. What was spent before it is in it."""
    values: dict[str, Any] = {
        "account": account,
        "currency": provider.currency,
        "base_balance": reading.balance,
        "base_asked_at": reading.asked_at,
        # Only to find what is in doubt: attempts from before that are counted no more.
        "base_read_at": reading.read_at - MAX_DELAY,
        "base_attempts": [],
        "balance": reading.balance,
        "asked_at": reading.asked_at,
        "read_at": reading.read_at,
        "lowest": reading.balance,
        "highest": reading.balance,
        "unexplained": 0,
    }
    money = ProviderMoney(provider=provider, **values)
    spending = spending_since(money=money, asked_at=reading.asked_at, read_at=reading.read_at)
    values |= {"base_read_at": reading.read_at, "base_attempts": spending.open_attempts}
    money, _ = ProviderMoney.objects.update_or_create(provider=provider, defaults=values)
    open_corrections(provider_id=provider.pk, asked_at=reading.asked_at).delete()
    MoneyEntry.objects.filter(provider=provider, counted_at=None).update(counted_at=reading.read_at)
    MoneyDay.objects.get_or_create(
        provider=provider,
        day=panel_day(reading.read_at),
        currency=provider.currency,
        # Orders that no answer was about yet may have cost less than expected, which the balance has already.
        defaults={"opening": reading.balance, "closing": reading.balance, "carried": spending.unpolled},
    )
    resolve_alert(cause=Cause.MONEY, about=provider.pk)
    return money


def _day(money: ProviderMoney, reading: Reading) -> MoneyDay | None:
    """Return the day of the reading, if a reading of that day agreed before."""
    return MoneyDay.objects.filter(provider=money.pk, day=panel_day(reading.read_at), currency=money.currency).first()


def _count(money: ProviderMoney, reading: Reading, found: Explanation) -> None:
    """Make the reading the base, and add to its day what was counted. Mutates `money`, which the caller saves."""
    spending = found.spending
    day, _ = MoneyDay.objects.get_or_create(
        provider_id=money.pk,
        day=panel_day(reading.read_at),
        currency=money.currency,
        defaults={
            "opening": money.base_balance,
            "closing": money.base_balance,
            "carried": before.unexplained if (before := base_day(money=money)) else 0,
        },
    )
    day.topped_up += found.top_ups
    day.other += found.others
    day.spent += spending.spent
    day.expected = max(0, day.expected + spending.sent + spending.late - spending.confirmed)
    day.doubts = spending.doubts
    day.unexplained += found.unexplained
    day.closing = reading.balance
    day.save()
    # What was summed, by number: others may have been committed since.
    for numbers in in_chunks(spending.corrections):
        CostCorrection.objects.filter(pk__in=numbers).delete()
    MoneyEntry.objects.filter(pk__in=found.entries).update(counted_at=reading.read_at)
    money.base_balance, money.base_asked_at, money.base_read_at = reading.balance, reading.asked_at, reading.read_at
    money.base_attempts = spending.open_attempts


def _alert(provider: Provider, money: ProviderMoney, found: Explanation) -> None:
    """Raise an alert if money is missing; resolve it if not. A balance that is too high waits on the page alone."""
    if found.agrees or found.unexplained > 0:
        resolve_alert(cause=Cause.MONEY, about=provider.pk)
        return

    def shown(micros: int) -> str:
        return format_money(micros, money.currency)

    spending = found.spending
    explained = shown(found.highest)
    if shown(found.lowest) != explained:
        explained = f"{shown(found.lowest)} to {explained}"
    orders = "1 order" if spending.orders == 1 else f"{spending.orders:,} orders"
    text = (
        f"{provider.name}: the balance there is {shown(money.balance)}, and our orders explain {explained}, so "
        f"{shown(-found.unexplained)} is missing. Since {moment_text(money.base_read_at)} we sent {orders}, which "
        f"cost {shown(spending.spent)}; for {spending.unreturned:,} of them it returned no charge. It may charge more "
        "than it says, another program may use the key, or a restored backup may lack orders. See “Providers' money”."
    )
    raise_alert(cause=Cause.MONEY, about=provider.pk, text=text, level="danger")
