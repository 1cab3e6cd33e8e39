"""Entries of staff: money paid to a provider, or spent there outside this panel."""

from __future__ import annotations

from django.db import transaction

from catalog.models import Provider
from catalog.provider_accounts import ProviderUnusable
from orders.models import MoneyEntry, ProviderMoney
from orders.reckoning.reckon import reckon_provider
from panel.accounts.models import User
from panel.lib import clock
from panel.lib.money import MAX_MICROS


class EntryRefused(Exception):
    """The entry was not recorded. The message is for staff."""


def record_entry(
    *, provider: Provider, kind: MoneyEntry.Kind, amount: int, note: str, key: str, actor: User
) -> MoneyEntry:
    """Record a top-up or other spending of `amount` (micro-units of the provider's currency), and reckon again.

    The same `key` again returns the entry that it made. Raise EntryRefused.
    """
    if not 0 < amount <= MAX_MICROS:
        raise EntryRefused("Enter an amount above zero.")
    with transaction.atomic():
        # The reckoning holds this row while it counts entries.
        ProviderMoney.objects.select_for_update().filter(pk=provider.pk).first()
        entry, _ = MoneyEntry.objects.get_or_create(
            key=key,
            defaults={
                "provider": provider,
                "kind": kind,
                "amount": amount,
                "currency": provider.currency,
                "note": note[:300],
                "actor": actor,
                "created_at": clock.now(),
            },
        )
    if (entry.provider_id, entry.kind, entry.amount) != (provider.pk, kind, amount):
        raise EntryRefused("This form was sent before with other values. Open the page again.")
    _reckon_again(provider)
    return entry


def confirm_top_up(*, provider: Provider, amount: int, actor: User) -> MoneyEntry:
    """Record what the balance has too much as a top-up. `amount` is what staff saw.

    Raise EntryRefused if the balance has another amount too much by now.
    """
    money = ProviderMoney.objects.filter(pk=provider.pk).first()
    if money is None or amount <= 0 or money.unexplained != amount:
        raise EntryRefused("The balance changed since you opened this page. Look at it again.")
    return record_entry(
        provider=provider,
        kind=MoneyEntry.Kind.TOP_UP,
        amount=amount,
        note="Confirmed: the balance had risen by this much.",
        # A second click while the first is handled is the same entry.
        key=f"rise:{provider.pk}:{money.base_read_at.timestamp():f}:{amount}",
        actor=actor,
    )


def _reckon_again(provider: Provider) -> None:
    """Reckon the last reading again, with the entry. Without a key that works, the next reading does it."""
    try:
        reckon_provider(provider=Provider.objects.get(pk=provider.pk))
    except ProviderUnusable:
        return
