"""Stopping a provider that bills in another currency than it is set up with: each of its costs may be wrong."""

from __future__ import annotations

from catalog.models import Provider
from orders.common.stops import stop_sending
from orders.states import StopReason


def stop_foreign_currencies() -> None:
    """Stop sending to each active provider whose last balance was in another currency than it is set up with."""
    for pk, currency in (
        Provider.objects.filter(is_active=True).exclude(balance_currency="").values_list("pk", "balance_currency")
    ):
        stop_foreign_currency(provider_id=pk, currency=currency)


def stop_foreign_currency(*, provider_id: int, currency: str) -> None:
    """Stop sending to the provider, which answered in `currency`, unless it is set up with that by now."""
    provider = Provider.objects.exclude(currency__iexact=currency).filter(pk=provider_id).first()
    if provider is None:
        return
    text = f"{provider.name} bills in {currency}, but is set up with {provider.currency}. Nothing is sent to it."
    stop_sending(reason=StopReason.CURRENCY, text=text, provider_id=provider.pk)
