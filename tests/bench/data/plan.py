"""How many rows of each kind there are, and who owns them: computed from their numbers, so that all runs agree."""

from __future__ import annotations

from dataclasses import dataclass

DAY = 86_400
SPAN = 730 * DAY
# The first customer has every twentieth order.
EVERY, AT = 20, 7
# Of this many orders, three in a row are runs of a drip-feed, beginning with the given one.
DRIP_EVERY, DRIP_AT, DRIP_BEGUN = 201, 7, 3


@dataclass(frozen=True, slots=True)
class Plan:
    """Numbers of orders, customers and services begin at 1; add the `first_` column to get ids."""

    orders: int
    first_user: int
    first_wallet: int
    first_provider: int
    first_service: int
    first_upstream: int
    first_order: int
    first_attempt: int
    first_drip: int
    first_deposit: int
    first_key: int

    @property
    def customers(self) -> int:
        return max(50, self.orders // 10)

    @property
    def services(self) -> int:
        return max(100, self.orders // 100)

    @property
    def providers(self) -> int:
        return 25

    @property
    def deposits(self) -> int:
        return self.orders * 3 // 10

    @property
    def drips(self) -> int:
        return max(0, (self.orders - DRIP_AT - DRIP_BEGUN + 1) // DRIP_EVERY)

    @property
    def recent(self) -> int:
        """Return how many orders are recent: most of these are open."""
        return self.orders // 50

    def customer(self, number: str) -> str:
        """Return the owner of an order or deposit. Customers with lower numbers have more."""
        others = self.customers - 1
        place = f"({number} * 7919 % {others})"
        return f"CASE WHEN {number} % {EVERY} = {AT} THEN 1 ELSE 2 + {place} * {place} / {others} END"

    def service(self, number: str) -> str:
        """Return the service of an order: a few services have most of the orders."""
        place = f"({number} * 104729 % {self.services})"
        return f"1 + {place} * {place} / {self.services} * {place} / {self.services}"

    def age(self, number: str, count: int) -> str:
        """Return the age in seconds, from two minutes to two years. Recent orders are twice as frequent as old ones."""
        linear = f"({SPAN} * ({count} - {number}) / {count})"
        return f"120 + ({linear} + {linear} * ({count} - {number}) / {count}) / 2"

    def quantity(self, number: str) -> str:
        return f"100 * (1 + {number} * 31 % 50)"
