"""Levels: the customer groups that customers reach by what they spent. Amounts are micro-units."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from itertools import pairwise
from typing import Any, NamedTuple

from django.db import transaction

from catalog.models import CustomerGroup, GroupMember
from panel.accounts.models import User
from panel.activity.record import Change, record
from panel.lib.bulk_sql import in_chunks
from panel.lib.own_account import refuse_own


class Level(NamedTuple):
    """A group that is reached by spending `level_from`; `discount_bp` is what its members pay less."""

    pk: int
    name: str
    level_from: int
    discount_bp: int


def current_levels() -> list[Level]:
    """Return the levels, the lowest first; none if the owner set none."""
    rows = CustomerGroup.objects.filter(level_from__isnull=False).order_by("level_from")
    columns = rows.values_list("pk", "name", "level_from", "discount_bp")
    return [Level(pk, name, amount, discount) for pk, name, amount, discount in columns if amount is not None]


def lock_levels() -> None:
    """Lock all groups until the commit, so that levels and discounts are judged and changed by one at a time.

    Members are added meanwhile: this lock does not exclude foreign keys.
    """
    list(CustomerGroup.objects.select_for_update(no_key=True).order_by("pk").values_list("pk"))


def level_at(levels: Sequence[Level], spent: int) -> Level | None:
    """Return the highest level that is reached by spending `spent`. Pure; `levels` are the lowest first."""
    return next((level for level in reversed(levels) if level.level_from <= spent), None)


def first_worse(levels: Sequence[Level]) -> tuple[Level, Level] | None:
    """Return the first level and the next one that gives less: reaching it would raise prices. Pure."""
    return next(((low, high) for low, high in pairwise(levels) if high.discount_bp < low.discount_bp), None)


def set_placed_by(*, members: Sequence[GroupMember], placed_by: GroupMember.PlacedBy, actor: User) -> int:
    """Say whether levels may move the members, who stay in their groups for now. Return how many it changed.

    Raise OwnAccount if one of them is the actor, and then nothing was changed.
    """
    for member in members:
        refuse_own(actor=actor, customer_id=member.customer_id)
    groups = {member.pk: member.group_id for member in members}
    changed = 0
    with transaction.atomic():
        for chunk in in_chunks(sorted(groups)):
            found = GroupMember.objects.select_for_update().filter(pk__in=chunk).exclude(placed_by=placed_by)
            # A member whom levels moved meanwhile was not the one that was chosen.
            same = [member for member in found.order_by("pk") if member.group_id == groups[member.pk]]
            GroupMember.objects.filter(pk__in=[member.pk for member in same]).update(placed_by=placed_by)
            # They were read before the update.
            record(actor_id=actor.pk, objects=same, changes=partial(_placed_anew, placed_by=placed_by))
            changed += len(same)
    return changed


def _placed_anew(member: Any, *, placed_by: GroupMember.PlacedBy) -> list[Change]:
    return [Change("placed_by", member.placed_by, placed_by)]
