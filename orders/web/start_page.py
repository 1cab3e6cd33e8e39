"""What the start page tells visitors: the shop in a few rows, figures from own orders, and ways to pay."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta

from django.contrib.auth.models import AnonymousUser
from django.utils.translation import gettext as _

from billing.models import PaymentMethod
from catalog.platform_marks import OTHER, platform_label
from catalog.prices.customer_prices import Offer
from catalog.service_types import is_package_type
from catalog.shop.service_list import whole_services
from catalog.shop.shelf import Sales, Shelf, ShelfRow, current_shelf
from orders.models import Order
from panel.lib import clock
from panel.lib.templatetags.display import duration

TILES = 8
OFFERS = 6
# Below these, figures would say more about chance than about the shop.
MIN_ORDERS = 1_000
MIN_AGE = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class Tile:
    """A platform: how many services it has, and the lowest list price of 1,000 in micro-units, None without any."""

    name: str
    label: str
    count: int
    cheapest: int | None


@dataclass(frozen=True, slots=True)
class Figure:
    value: str
    label: str


@dataclass(frozen=True, slots=True)
class StartPage:
    """The public shop. `platforms` are all that services are for; `offers` are of different ones, at list prices."""

    total: int
    cheapest: int | None
    platforms: list[Tile]
    offers: list[Offer]
    has_sales: bool
    figures: list[Figure]
    methods: list[PaymentMethod]

    @property
    def tiles(self) -> list[Tile]:
        return self.platforms[:TILES]

    @property
    def more_platforms(self) -> int:
        return len(self.platforms[TILES:])

    @property
    def minimum(self) -> int | None:
        """Return the least that can be paid in, in micro-units."""
        return min((method.minimum for method in self.methods), default=None)

    @property
    def bonus_bp(self) -> int:
        return max((method.bonus_bp for method in self.methods), default=0)


def read_start_page() -> StartPage:
    """Return the page, with three queries beside those of the shelf; none of them grows with orders or services."""
    shelf = current_shelf()
    chosen = _most_ordered(shelf)
    found = whole_services([row.pk for row in chosen], AnonymousUser()).in_bulk()
    return StartPage(
        total=len(shelf.rows),
        cheapest=_cheapest(shelf.rows),
        platforms=[
            Tile(name, platform_label(name), len(rows), _cheapest(rows))
            for name, rows in shelf.by_platform.items()
            if name != OTHER
        ],
        offers=[Offer(found[row.pk], found[row.pk].price) for row in chosen if row.pk in found],
        has_sales=any(row.orders for row in chosen),
        figures=list(_figures(shelf.sales)) if _is_old_enough() else [],
        methods=list(PaymentMethod.objects.filter(is_active=True)),
    )


def _most_ordered(shelf: Shelf) -> list[ShelfRow]:
    """Return the most ordered service of each platform; the most ordered first."""
    best = [max(rows, key=lambda row: row.orders) for rows in shelf.by_platform.values()]
    return sorted(best, key=lambda row: -row.orders)[:OFFERS]


def _cheapest(rows: Sequence[ShelfRow]) -> int | None:
    return min((row.price for row in rows if not is_package_type(row.type)), default=None)


def _is_old_enough() -> bool:
    """Return True if the first order is old enough for figures of 30 days."""
    first = Order.objects.order_by("pk").values_list("created_at", flat=True).first()
    return first is not None and clock.now() - first >= MIN_AGE


def _figures(sales: Sales) -> Iterator[Figure]:
    """Yield the figures that enough orders stand behind."""
    if sales.orders >= MIN_ORDERS:
        yield Figure(f"{sales.orders:,}", _("orders in the last 30 days"))
        if sales.seconds is not None:
            yield Figure(duration(sales.seconds), _("until half of them are complete"))
    if sales.ended >= MIN_ORDERS:
        # Rounded down: 99.96% is not all.
        permille = sales.completed * 1_000 // sales.ended
        yield Figure(f"{permille // 10}.{permille % 10}%", _("delivered in full"))
        yield Figure(f"{sales.ended - sales.completed:,}", _("ended early, and the rest was refunded"))
