"""What levels would do, before they are saved."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from catalog.models import CustomerGroup
from catalog.prices.group_discounts import preview_discount
from catalog.prices.levels import Level
from panel.accounts.models import User
from panel.levels.judge import BATCH, Move, moves_of, next_customers
from panel.levels.terms import Terms

MAX_SAMPLE = 10


class SampleMove(NamedTuple):
    """A customer who would move, as the page shows it."""

    email: str
    move: Move


class LevelFloor(NamedTuple):
    """Of `services` on sale, `held_up` sell above the level's discount: at the cost plus the minimum margin."""

    level: Level
    services: int
    held_up: int


@dataclass(slots=True)
class Preview:
    """How many customers would move up and down, and how many stay because a person placed them."""

    up: int = 0
    down: int = 0
    held: int = 0
    sample: list[SampleMove] = field(default_factory=list)
    floors: list[LevelFloor] = field(default_factory=list)


def preview_levels(*, terms: Terms) -> Preview:
    """Return what the terms would do now: to all customers, batch by batch, and to prices. Nothing is changed."""
    preview = Preview(floors=[_floor_of(level) for level in terms.levels])
    sample: list[Move] = []
    for move in _all_moves(terms):
        preview.held += move.is_held
        preview.up += move.is_up and not move.is_held
        preview.down += not move.is_up and not move.is_held
        if not move.is_held and len(sample) < MAX_SAMPLE:
            sample.append(move)
    emails = dict(User.objects.filter(pk__in=[move.customer for move in sample]).values_list("pk", "email"))
    preview.sample = [SampleMove(emails[move.customer], move) for move in sample]
    return preview


def _all_moves(terms: Terms) -> Iterator[Move]:
    after, is_last = 0, not terms.levels
    while not is_last:
        customers = next_customers(after=after)
        yield from moves_of(customers=customers, terms=terms)
        is_last = len(customers) < BATCH
        after = customers[-1] if customers else 0


def _floor_of(level: Level) -> LevelFloor:
    found = preview_discount(group=CustomerGroup.objects.get(pk=level.pk), discount_bp=level.discount_bp)
    return LevelFloor(level, found.services, found.held_up)
