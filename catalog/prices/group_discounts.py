"""The discount of a customer group: preview, then set."""

from __future__ import annotations

from dataclasses import dataclass, field
from heapq import nsmallest
from typing import NamedTuple

from django.db import transaction

from catalog.models import CustomerGroup
from catalog.prices.levels import Level, current_levels, first_worse, lock_levels
from catalog.prices.rules import customer_price, discounted, margin_share
from catalog.prices.storage import panel_terms, price_policy
from catalog.selectors import services_on_sale
from panel.accounts.models import User
from panel.lib.formats import percent_text
from panel.lib.money import MoneyError
from panel.lib.own_account import OwnAccount

WORST = 10


class DiscountChanged(Exception):
    """Somebody else changed the discount after the preview. Nothing was changed."""


class LevelWouldBeWorse(Exception):
    """A level would give less than the one below it. Nothing was changed. The message is for staff."""

    def __init__(self, low: Level, high: Level) -> None:
        super().__init__(
            f"The level “{high.name}” would give {percent_text(high.discount_bp)}, less than the "
            f"{percent_text(low.discount_bp)} of “{low.name}” below it. Customers would pay more for reaching it."
        )


class DiscountEffect(NamedTuple):
    """What members pay for a service before and after: micro-units per 1000, or per package."""

    pk: int
    name: str
    cost: int
    price: int
    before: int
    after: int
    # The minimum margin, or the cost, keeps the price above the discounted one.
    is_held_up: bool

    @property
    def share_after(self) -> int:
        """Return the remaining margin in basis points of the cost."""
        return margin_share(cost=self.cost, price=self.after) or 0


@dataclass(slots=True)
class DiscountPreview:
    """What a discount would do. Agreed prices of single customers do not change."""

    members: int
    services: int = 0
    lowered: int = 0
    raised: int = 0
    held_up: int = 0
    # The services with changed prices that would earn least.
    worst: list[DiscountEffect] = field(default_factory=list)


def preview_discount(*, group: CustomerGroup, discount_bp: int) -> DiscountPreview:
    """Compare what members pay now with what they would pay at `discount_bp`, for all services on sale."""
    panel = panel_terms(price_policy())
    preview = DiscountPreview(members=group.members.count())
    changed = []
    rows = services_on_sale().order_by().values_list("pk", "name", "cost", "price", "allow_below_minimum")
    for pk, name, cost, price, allow_below_minimum in rows.iterator():
        try:
            before, after = (
                customer_price(
                    price=price,
                    cost=cost,
                    allow_below_minimum=allow_below_minimum,
                    discount_bp=discount,
                    own=None,
                    panel=panel,
                )
                for discount in (group.discount_bp, discount_bp)
            )
        except MoneyError:
            continue  # The minimum margin was just raised beyond any valid price: the service goes off sale.
        is_held_up = after > discounted(price=price, discount_bp=discount_bp, price_step=panel.price_step)
        preview.services += 1
        preview.held_up += is_held_up
        preview.lowered += after < before
        preview.raised += after > before
        if after != before:
            changed.append(DiscountEffect(pk, name, cost, price, before, after, is_held_up))
    preview.worst = nsmallest(WORST, changed, key=lambda effect: (effect.share_after, effect.pk))
    return preview


def is_own_group(*, group: CustomerGroup, actor: User | None) -> bool:
    """Return True if the actor is a member of `group`. The panel itself (None) is not."""
    return actor is not None and group.members.filter(customer=actor.pk).exists()


def set_discount(*, group: CustomerGroup, discount_bp: int, seen: int, actor: User | None) -> None:
    """Set the discount, in basis points, if it is still `seen`.

    Raise DiscountChanged if not, OwnAccount if the actor is in the group, or LevelWouldBeWorse.
    """
    if is_own_group(group=group, actor=actor):
        raise OwnAccount
    with transaction.atomic():
        lock_levels()
        if not CustomerGroup.objects.filter(pk=group.pk, discount_bp=seen).update(discount_bp=discount_bp):
            raise DiscountChanged
        if worse := first_worse(current_levels()):
            raise LevelWouldBeWorse(*worse)
