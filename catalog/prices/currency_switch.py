"""A provider that bills in another currency from now on: what is stored in its currency is converted.

Else rates of the old currency would be costed at the exchange rate of the new one until the next import, and the
shop sold at a fraction of its prices.
"""

from __future__ import annotations

from catalog.models import CatalogChange, Provider, UpstreamService
from catalog.prices.rules import rescaled_rate
from panel.lib.bulk_sql import update_rows
from panel.lib.money import MAX_MICROS


def convert_rates(*, provider_id: int, was: int, now: int) -> None:
    """Converts the provider's stored rates from one exchange rate to another, and forgets its balance.

    Rates are rounded up. Call it under the lock of all prices, within the transaction of the change.
    """

    def converted(rate: int) -> int:
        return min(rescaled_rate(rate=rate, was=was, now=now), MAX_MICROS)

    rates = UpstreamService.objects.filter(provider=provider_id).order_by("pk").values_list("pk", "rate")
    update_rows(model=UpstreamService, columns=("rate",), rows=[(pk, converted(rate)) for pk, rate in rates])
    waiting = CatalogChange.objects.filter(
        provider=provider_id, topic=CatalogChange.Topic.RATE, accepted_at=None
    ).values_list("pk", "old", "new")
    rows = [
        (pk, *({**side, "rate": converted(side["rate"])} if "rate" in side else side for side in (old, new)))
        for pk, old, new in waiting
    ]
    update_rows(model=CatalogChange, columns=("old", "new"), rows=rows)
    Provider.objects.filter(pk=provider_id).update(balance=None, balance_checked_at=None)
