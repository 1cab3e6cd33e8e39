"""Stopping a provider that bills in another currency than it is set up with: each of its costs may be wrong."""

from __future__ import annotations

from catalog.models import Provider
from catalog.upstream.currencies import is_same_currency
from orders.common.stops import stop_sending
from orders.models import SendingStop
from orders.states import StopReason


def stop_foreign_currencies() -> None:
    """Stop sending to each active provider whose last balance was in another currency than it is set up with."""
    for pk, currency in (
        Provider.objects.filter(is_active=True).exclude(balance_currency="").values_list("pk", "balance_currency")
    ):
        stop_foreign_currency(provider_id=pk, currency=currency)


def stop_foreign_currency(*, provider_id: int, currency: str) -> None:
    """Stop sending to the provider, which answered in `currency`, unless it is set up with that by now.

    A coin that is worth a dollar (USDT, USDC) counts as dollars: panels that show it keep their books in USD. Nor if a
    person resumed the sending after the same finding: a panel may write a word that is no code of a currency.
    """
    provider = Provider.objects.filter(pk=provider_id).first()
    if provider is None or is_same_currency(provider.currency, currency):
        return
    text = f"{provider.name} bills in {currency}, but is set up with {provider.currency}. Nothing is sent to it."
    resumed = SendingStop.objects.filter(provider=provider, reason=StopReason.CURRENCY, text=text)
    if not resumed.filter(ended_by__isnull=False).exists():
        stop_sending(reason=StopReason.CURRENCY, text=text, provider_id=provider.pk)
