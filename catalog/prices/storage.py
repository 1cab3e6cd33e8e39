"""Reading what prices follow from, and writing the prices that follow.

The panel's margin is the lock of all prices: whoever writes a margin, an exchange rate, a price, or puts a
service on or off sale, holds its row until the transaction ends. Lock order: provider, panel margin, services.
"""

from __future__ import annotations

from collections.abc import Iterable

from django.db.models import QuerySet

from catalog.models import Category, PricePolicy, Provider, Service
from catalog.prices.rules import Level, PanelTerms, ProviderTerms, Sold, Terms
from panel.alerts.services import raise_alert
from panel.lib.bulk_sql import update_rows

_SOLD = (
    "pk",
    "upstream_id",
    "upstream__provider_id",
    "upstream__type",
    "upstream__rate",
    "name",
    "category_id",
    "margin_bp",
    "margin_fixed",
    "allow_below_minimum",
    "is_on_sale",
    "cost",
    "price",
)


def price_policy() -> PricePolicy:
    """The panel's margin, made with its defaults at the first call."""
    policy, _ = PricePolicy.objects.get_or_create(pk=1)
    return policy


def lock_prices() -> PricePolicy:
    """Takes the lock of all prices; call it inside a transaction."""
    return PricePolicy.objects.select_for_update().get(pk=price_policy().pk)


def panel_terms(policy: PricePolicy) -> PanelTerms:
    return PanelTerms(policy.margin_bp, policy.margin_fixed, policy.minimum_margin_bp, policy.price_step)


def read_terms() -> Terms:
    """Today's terms, in three queries."""
    providers = Provider.objects.values_list("pk", "exchange_rate", "margin_bp", "margin_fixed")
    categories = Category.objects.order_by().values_list("pk", "margin_bp", "margin_fixed")
    return Terms(
        panel=panel_terms(price_policy()),
        providers={pk: ProviderTerms(rate, Level(bp, fixed)) for pk, rate, bp, fixed in providers},
        categories={pk: Level(bp, fixed) for pk, bp, fixed in categories},
    )


def read_sold(services: QuerySet[Service]) -> list[Sold]:
    """By primary key, in one query."""
    return [Sold(*row) for row in services.order_by("pk").values_list(*_SOLD)]


def write_prices(sold: Iterable[Sold]) -> None:
    """Stores cost, price and whether they are on sale, of services read under the lock."""
    rows = ((one.pk, one.cost, one.price, one.is_on_sale) for one in sold)
    update_rows(model=Service, columns=("cost", "price", "is_on_sale"), rows=rows)


def alert_hidden(count: int) -> None:
    """Tells that `count` services lost their price and went off sale."""
    if count:
        raise_alert(cause="catalog:no_price", text=f"{count} services have no valid price any more and went off sale.")
