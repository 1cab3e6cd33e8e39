"""Who moves to which level. Amounts are micro-units."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from catalog.models import CustomerGroup, GroupMember
from catalog.prices.levels import Level, level_at
from panel.accounts.models import User
from panel.levels.spent import Spending, spending_by_customer
from panel.levels.terms import Terms

BATCH = 500


@dataclass(frozen=True, slots=True)
class Present:
    """The group that a customer is in; `level_from` is None if it is no level."""

    group: int
    name: str
    level_from: int | None
    discount_bp: int
    is_by_hand: bool


@dataclass(frozen=True, slots=True)
class Move:
    """A customer whom the terms would move from `present` (None: no group) to `target` (None: no group)."""

    customer: int
    present: Present | None
    target: Level | None
    spent: int
    is_up: bool

    @property
    def is_held(self) -> bool:
        """Return True if a person placed the customer, who therefore stays."""
        return self.present is not None and self.present.is_by_hand


def next_customers(*, after: int) -> list[int]:
    """Return the next customers whom levels may move, at most BATCH, by primary key.

    Staff are moved by people alone: who may set levels must not set their own prices with them.
    """
    users = User.objects.filter(
        pk__gt=after, is_active=True, is_staff=False, is_superuser=False, wallet__entry_count__gt=0
    )
    return list(users.order_by("pk").values_list("pk", flat=True)[:BATCH])


def moves_of(*, customers: Sequence[int], terms: Terms) -> list[Move]:
    """Return how the terms would move the customers, also those who stay because a person placed them.

    Two statements for up to BATCH customers.
    """
    spending = spending_by_customer(customers=customers, since=terms.since())
    present = present_of(customers=customers)
    found = (
        judge(customer=pk, present=present.get(pk), spent=spending.get(pk, Spending()).counts, terms=terms)
        for pk in customers
    )
    return [move for move in found if move is not None]


def present_of(*, customers: Sequence[int]) -> dict[int, Present]:
    """Return the groups that the customers are in, by customer."""
    members = GroupMember.objects.filter(customer__in=customers).select_related("group")
    return {one.customer_id: _present(one.group, one.placed_by) for one in members}


def _present(group: CustomerGroup, placed_by: str) -> Present:
    is_by_hand = placed_by == GroupMember.PlacedBy.PERSON
    return Present(group.pk, group.name, group.level_from, group.discount_bp, is_by_hand)


def judge(*, customer: int, present: Present | None, spent: int, terms: Terms) -> Move | None:
    """Return the move that follows from what was spent, None without one. Pure.

    Without `moves_down`, nobody is moved to a lower level, or to a smaller discount.
    """
    target = level_at(terms.levels, spent)
    if (target.pk if target else None) == (present.group if present else None):
        return None
    is_up = target is not None and (present is None or is_above(target, present))
    if is_up or (terms.moves_down and terms.levels):
        return Move(customer, present, target, spent, is_up)
    return None


def is_above(target: Level, present: Present) -> bool:
    """Return True if moving from the present group to the level is moving up. Pure."""
    if present.level_from is None:
        return target.discount_bp >= present.discount_bp
    return target.level_from > present.level_from
