"""What a price change would do, or did: each service before and after, and the counts. Pure: no database."""

from __future__ import annotations

from dataclasses import dataclass, field

from catalog.prices.floor import FloorMove
from catalog.prices.rules import PricedService, margin_share

WORST = 10


@dataclass(frozen=True, slots=True)
class Effect:
    """A service before and after a change."""

    before: PricedService
    after: PricedService

    @property
    def is_priced(self) -> bool:
        """Return True if its cost or price changes."""
        return (self.before.cost, self.before.price) != (self.after.cost, self.after.price)

    @property
    def is_retyped(self) -> bool:
        """Return True if its type changes, and with it what a customer fills in and how the price is counted."""
        return self.before.type != self.after.type

    @property
    def share_before(self) -> int | None:
        """Return the margin in basis points of the cost."""
        return margin_share(cost=self.before.cost, price=self.before.price)

    @property
    def share_after(self) -> int | None:
        return margin_share(cost=self.after.cost, price=self.after.price)

    @property
    def earns_nothing(self) -> bool:
        """Return True if its price does not exceed its cost, or it has no price."""
        return self.after.price <= self.after.cost

    @property
    def loses_at_old_price(self) -> bool:
        """Return True if the old price is below the new cost."""
        return self.before.price < self.after.cost


@dataclass(slots=True)
class Preview:
    """What a change would do to the services, or did."""

    # Services whose price, cost, sale state or type changes.
    effects: list[Effect] = field(default_factory=list)
    raised: int = 0
    lowered: int = 0
    put_on_sale: int = 0
    taken_off_sale: int = 0
    lost_price: int = 0
    retyped: int = 0
    # Services whose price is the lowest one that the minimum margin allows.
    at_minimum: int = 0
    earning_nothing: int = 0
    losing_at_old_price: int = 0
    # Services whose new price is below their cost by the exchange rate before.
    below_old_cost: int = 0
    # What it does to exchange rates, currencies and the minimum margin.
    floor: list[FloorMove] = field(default_factory=list)
    # Services to be put on sale that have no price or a type that cannot be ordered.
    not_sellable: int = 0
    # Discounted and agreed prices may change because the lowest price does.
    moves_agreements: bool = False
    fingerprint: str = ""

    @property
    def affected(self) -> int:
        """Return the number of changed prices."""
        return self.raised + self.lowered + self.lost_price

    @property
    def moves_prices(self) -> bool:
        """Return True if any customer may pay a different price, or for something else."""
        return bool(self.affected or self.retyped) or self.moves_agreements

    @property
    def must_confirm(self) -> bool:
        """Return True if it moves a floor so far that an owner must confirm it."""
        return any(move.is_far for move in self.floor)

    @property
    def worst(self) -> list[Effect]:
        """Return the ten services with changed prices that earn least; for equal margins, the largest fall first."""

        def badness(effect: Effect) -> tuple[int, int, int]:
            after, before = effect.share_after, effect.share_before
            fall = (after or 0) - (before or 0)
            return (-1 if after is None else after, fall, effect.after.pk)

        return sorted((one for one in self.effects if one.is_priced), key=badness)[:WORST]
