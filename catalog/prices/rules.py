"""Compute costs and prices. Pure: no database.

All amounts are micro-units of the panel's currency per 1000 (or per package); rates are in the provider's currency.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from panel.lib import money


class Margin(NamedTuple):
    """A margin and the level that set it: "service", "category", "provider" or "panel"."""

    bp: int
    fixed: int
    level: str


class PanelTerms(NamedTuple):
    """The panel's settings for all services, in basis points and micro-units."""

    margin_bp: int
    margin_fixed: int
    minimum_margin_bp: int
    price_step: int


class ProviderTerms(NamedTuple):
    """A provider's exchange rate (in 10⁻¹² of the panel's currency), and its margin if it has one."""

    exchange_rate: int
    margin_bp: int | None = None
    margin_fixed: int | None = None


class CategoryTerms(NamedTuple):
    """The margin of a category; both None if it has none."""

    margin_bp: int | None = None
    margin_fixed: int | None = None


@dataclass(frozen=True, slots=True)
class Terms:
    """What prices depend on besides the services. Providers and categories are by primary key."""

    panel: PanelTerms
    providers: Mapping[int, ProviderTerms]
    categories: Mapping[int, CategoryTerms]


class PricedService(NamedTuple):
    """A service with its price, and the columns that its price depends on."""

    pk: int
    upstream_id: int
    provider_id: int
    type: str
    rate: int
    name: str
    category_id: int
    margin_bp: int | None
    margin_fixed: int | None
    allow_below_minimum: bool
    is_on_sale: bool
    cost: int
    price: int


def margin_for(sold: PricedService, terms: Terms) -> Margin:
    """Return the margin of the nearest level that sets a percent or fixed margin; the one left empty counts as zero."""
    category, provider = terms.categories[sold.category_id], terms.providers[sold.provider_id]
    levels = (("service", sold), ("category", category), ("provider", provider))
    for name, one in levels:
        if one.margin_bp is not None or one.margin_fixed is not None:
            return Margin(one.margin_bp or 0, one.margin_fixed or 0, name)
    return Margin(terms.panel.margin_bp, terms.panel.margin_fixed, "panel")


def cost_of(*, rate: int, exchange_rate: int) -> int:
    """Return our cost per 1000 for a rate in the provider's currency. Raise MoneyError if out of range."""
    return money.convert_up(rate, exchange_rate)


def rescaled_rate(*, rate: int, was: int, now: int) -> int:
    """Return a rate in a new currency: the same cost at the exchange rate `now` as at `was`, rounded up."""
    return money.ceil_div(rate * was, now)


def lowest_price(*, cost: int, allow_below_minimum: bool, panel: PanelTerms) -> int:
    """Return the lowest allowed price: cost plus minimum margin, or cost alone with `allow_below_minimum`.

    Raise MoneyError if out of range.
    """
    minimum = 0 if allow_below_minimum else panel.minimum_margin_bp
    return money.price_from_cost(cost, margin_bp=minimum, margin_fixed=0, step=panel.price_step)


def priced(sold: PricedService, terms: Terms) -> PricedService:
    """Return the service with its current cost and price.

    A service whose price is out of range goes off sale. So does one without a cost: a rate of 0 is not a known cost,
    and its fixed margin alone is not a price.
    """
    try:
        cost = cost_of(rate=sold.rate, exchange_rate=terms.providers[sold.provider_id].exchange_rate)
        margin = margin_for(sold, terms)
        wanted = money.price_from_cost(
            cost, margin_bp=margin.bp, margin_fixed=margin.fixed, step=terms.panel.price_step
        )
        floor = lowest_price(cost=cost, allow_below_minimum=sold.allow_below_minimum, panel=terms.panel)
        price = max(wanted, floor)
    except money.MoneyError:
        cost = 0
    if cost == 0:
        return sold._replace(cost=0, price=0, is_on_sale=False)
    return sold._replace(cost=cost, price=price)


def is_below_minimum(*, price: int, after: PricedService, terms: Terms) -> bool:
    """Return True if the old `price` leaves less than the minimum margin at the cost of `after`."""
    try:
        floor = lowest_price(cost=after.cost, allow_below_minimum=after.allow_below_minimum, panel=terms.panel)
    except money.MoneyError:
        return True
    return price < floor


def margin_share(*, cost: int, price: int) -> int | None:
    """Return the margin in basis points of the cost, rounded down; None without a cost."""
    return (price - cost) * money.BASIS // cost if cost else None


def discounted(*, price: int, discount_bp: int, price_step: int) -> int:
    """Return the list price less a discount, rounded up to the price step, not limited by the lowest price."""
    return money.ceil_div(price * (money.BASIS - discount_bp), money.BASIS * price_step) * price_step


def customer_price(
    *, price: int, cost: int, allow_below_minimum: bool, discount_bp: int, own: int | None, panel: PanelTerms
) -> int:
    """Return one customer's price per 1000: the agreed price, or the list price less their discount.

    It is never below `lowest_price`: an old agreement must not sell at a loss when the cost rises. Raise MoneyError.
    """
    if own is None and not discount_bp:
        return price
    if own is None:
        own = discounted(price=price, discount_bp=discount_bp, price_step=panel.price_step)
    return max(own, lowest_price(cost=cost, allow_below_minimum=allow_below_minimum, panel=panel))
