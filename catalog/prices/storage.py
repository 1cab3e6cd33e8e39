"""Read what prices depend on, and write prices.

The row of the panel's margin is the lock of all prices. Every writer of a margin, an exchange rate, a price or a sale
state holds it until the transaction ends. Lock order: provider, panel margin, services.
"""

from __future__ import annotations

from collections.abc import Iterable
from operator import attrgetter

from django.db.models import QuerySet

from catalog.models import CatalogChange, Category, PastRate, PricePolicy, Provider, Service, UpstreamService
from catalog.prices.rules import CategoryTerms, PanelTerms, PricedService, ProviderTerms, Terms, rescaled_rate
from panel.alerts.causes import Cause
from panel.alerts.services import raise_alert
from panel.lib.bulk_sql import update_rows
from panel.lib.money import MAX_MICROS

_UPSTREAM = {"provider_id", "type", "rate"}
_SOLD = tuple(f"upstream__{name}" if name in _UPSTREAM else name for name in PricedService._fields)


def price_policy() -> PricePolicy:
    """Return the panel's margin; create it with defaults at the first call."""
    policy, _ = PricePolicy.objects.get_or_create(pk=1)
    return policy


def lock_prices() -> PricePolicy:
    """Take the lock of all prices. Call it in a transaction."""
    return PricePolicy.objects.select_for_update().get(pk=price_policy().pk)


def panel_terms(policy: PricePolicy) -> PanelTerms:
    return PanelTerms(policy.margin_bp, policy.margin_fixed, policy.minimum_margin_bp, policy.price_step)


def read_terms() -> Terms:
    """Return the current terms, in three queries."""
    providers = Provider.objects.values_list("pk", "exchange_rate", "margin_bp", "margin_fixed")
    categories = Category.objects.order_by().values_list("pk", "margin_bp", "margin_fixed")
    return Terms(
        panel=panel_terms(price_policy()),
        providers={pk: ProviderTerms(rate, bp, fixed) for pk, rate, bp, fixed in providers},
        categories={pk: CategoryTerms(bp, fixed) for pk, bp, fixed in categories},
    )


def load_priced_services(services: QuerySet[Service]) -> list[PricedService]:
    """Return services in the order of their primary keys, in one query."""
    return [PricedService(*row) for row in services.order_by("pk").values_list(*_SOLD)]


def sold_of(service: Service) -> PricedService:
    """Return a service that was read with its upstream, as in `load_priced_services`."""
    return PricedService(*attrgetter(*(path.replace("__", ".") for path in _SOLD))(service))


def write_prices(sold: Iterable[PricedService]) -> None:
    """Store cost, price and sale state of services read under the lock."""
    rows = ((one.pk, one.cost, one.price, one.is_on_sale) for one in sold)
    update_rows(model=Service, columns=("cost", "price", "is_on_sale"), rows=rows)


def convert_rates(*, provider_id: int, was: int, now: int) -> None:
    """Convert a provider's rates, past and confirmed ones too, to another exchange rate, rounded up; clear its balance.

    For a provider that now bills in another currency. Otherwise its old rates would be costed at the new exchange rate
    until the next import, and the shop could sell at a fraction of its prices. Call it under the lock of all prices, in
    the transaction of the change.
    """

    def converted(rate: int) -> int:
        return min(rescaled_rate(rate=rate, was=was, now=now), MAX_MICROS)

    rates = UpstreamService.objects.filter(provider=provider_id).order_by("pk").values_list("pk", "rate")
    update_rows(model=UpstreamService, columns=("rate",), rows=[(pk, converted(rate)) for pk, rate in rates])
    past = PastRate.objects.filter(upstream__provider=provider_id).order_by("pk").values_list("pk", "rate")
    update_rows(model=PastRate, columns=("rate",), rows=[(pk, converted(rate)) for pk, rate in past])
    agreed = Service.objects.filter(upstream__provider=provider_id, confirmed_rate__isnull=False).order_by("pk")
    confirmed = [(pk, converted(rate)) for pk, rate in agreed.values_list("pk", "confirmed_rate") if rate is not None]
    update_rows(model=Service, columns=("confirmed_rate",), rows=confirmed)
    waiting = CatalogChange.objects.filter(
        provider=provider_id, topic=CatalogChange.Topic.RATE, accepted_at=None
    ).values_list("pk", "old", "new")
    rows = [
        (pk, *({**side, "rate": converted(side["rate"])} if "rate" in side else side for side in (old, new)))
        for pk, old, new in waiting
    ]
    update_rows(model=CatalogChange, columns=("old", "new"), rows=rows)
    Provider.objects.filter(pk=provider_id).update(balance=None, balance_checked_at=None, balance_currency="")


def alert_hidden(count: int) -> None:
    """Raise an alert that `count` services lost their price and went off sale."""
    if count:
        raise_alert(cause=Cause.NO_PRICE, text=f"{count} services have no valid price any more and went off sale.")
