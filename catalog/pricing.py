"""What a service costs and what it sells for. All amounts are micro-units per 1000 (or a package)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import TypeVar

from django.db import transaction
from django.db.models import QuerySet

from catalog.models import PricePolicy, Provider, Service
from panel import money
from panel.ops.alerts import raise_alert

CHUNK = 500
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Margin:
    """A margin and the level that set it: "service", "provider" or "panel"."""

    bp: int
    fixed: int
    level: str


def price_policy() -> PricePolicy:
    """The panel's margin, made with its defaults at the first call."""
    policy, _ = PricePolicy.objects.get_or_create(pk=1)
    return policy


def locked_policy() -> PricePolicy:
    """The panel's margin, locked until the transaction ends. Lock order: provider, policy, services."""
    return PricePolicy.objects.select_for_update().get(pk=price_policy().pk)


def margin_of(*, service: Service, provider: Provider, policy: PricePolicy) -> Margin:
    """The margin of the nearest level that sets percent or fixed; what it leaves empty is zero there."""
    levels: tuple[tuple[str, Service | Provider], ...] = (("service", service), ("provider", provider))
    for name, level in levels:
        if level.margin_bp is not None or level.margin_fixed is not None:
            return Margin(level.margin_bp or 0, level.margin_fixed or 0, name)
    return Margin(policy.margin_bp, policy.margin_fixed, "panel")


def cost_of(*, rate: int, exchange_rate: int) -> int:
    """Our cost of 1000 for a rate in the provider's currency. Raises MoneyError when out of range."""
    return money.convert_up(rate, exchange_rate)


def price_of(*, cost: int, margin: Margin, policy: PricePolicy) -> int:
    """Price of 1000: the margin's, and never below cost plus the minimum margin. Raises MoneyError."""
    wanted = money.price_from_cost(cost, margin_bp=margin.bp, margin_fixed=margin.fixed, step=policy.price_step)
    floor = money.price_from_cost(cost, margin_bp=policy.minimum_margin_bp, margin_fixed=0, step=policy.price_step)
    return max(wanted, floor)


def set_price(*, service: Service, provider: Provider, rate: int, policy: PricePolicy) -> bool:
    """Sets cost and price on the instance, unsaved; True when they changed.

    A service with no price that the panel can hold goes off sale: it is never given away. Nor is one that
    costs nothing sold for its fixed margin: a rate of 0 is no cost that we know.
    """
    before = (service.cost, service.price, service.is_on_sale)
    try:
        service.cost = cost_of(rate=rate, exchange_rate=provider.exchange_rate)
        margin = margin_of(service=service, provider=provider, policy=policy)
        service.price = price_of(cost=service.cost, margin=margin, policy=policy)
    except money.MoneyError:
        service.cost = 0
    if service.cost == 0:
        service.price = 0
        service.is_on_sale = False
    return before != (service.cost, service.price, service.is_on_sale)


def reprice(*, services: QuerySet[Service]) -> int:
    """Recomputes cost and price of `services` and writes those that changed; returns how many.

    The rows are locked while it runs, so that two margin changes at once cannot mix.
    """
    with transaction.atomic():
        policy = locked_policy()
        changed = []
        hidden = 0
        # No key lock: an order refers to its service, and need not wait for the repricing of a whole catalog.
        rows = services.select_related("upstream__provider").select_for_update(of=("self",), no_key=True).order_by("pk")
        for service in rows:
            was_on_sale = service.is_on_sale
            upstream = service.upstream
            if set_price(service=service, provider=upstream.provider, rate=upstream.rate, policy=policy):
                changed.append(service)
                hidden += was_on_sale and not service.is_on_sale
        for chunk in in_chunks(changed):
            Service.objects.bulk_update(chunk, ["cost", "price", "is_on_sale"])
    if hidden:
        raise_alert(
            cause="catalog:no_price",
            text=f"{hidden} services have no valid price any more and went off sale.",
        )
    return len(changed)


def in_chunks(items: Iterable[T], size: int = CHUNK) -> Iterator[list[T]]:
    """Lists of at most `size`: one statement must not grow with the catalog."""
    iterator = iter(items)
    while chunk := list(islice(iterator, size)):
        yield chunk
