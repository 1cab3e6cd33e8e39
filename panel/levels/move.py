"""Move customers between levels: batch after batch through all of them.

Most batches find nothing to move, and lock nothing. A round that is killed judges its last batch again; of two at once,
the second waits where there is something to move, and then finds it done.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import structlog
from django.db import IntegrityError, transaction

from catalog.models import GroupMember
from catalog.prices.levels import lock_levels
from panel.levels.judge import BATCH, Move, moves_of, next_customers
from panel.levels.models import LevelMove, LevelSweep
from panel.levels.terms import Terms, current_terms
from panel.lib import clock
from panel.lib.bulk_sql import in_chunks

log = structlog.get_logger(__name__)

# Batches of one round; the next round goes on from there.
MAX_BATCHES = 200
# Moves in one transaction, for which SQLite lets nobody else write.
MAX_AT_ONCE = 100


@dataclass(frozen=True, slots=True)
class Batch:
    """How many customers one batch moved, and whether the last customer was in it."""

    moved: int
    is_last: bool


def move_customers() -> int:
    """Move the customers whose level is another than what they spent says. Return how many were moved."""
    moved = 0
    for _ in range(MAX_BATCHES):
        batch = _move_batch()
        moved += batch.moved
        if batch.is_last:
            break
    if moved:
        log.info("customers moved between levels", count=moved)
    return moved


def _move_batch() -> Batch:
    sweep, _ = LevelSweep.objects.get_or_create(pk=1)
    terms = current_terms()
    if not terms.levels:
        return Batch(0, is_last=True)
    customers = next_customers(after=sweep.after)
    likely = [move.customer for move in moves_of(customers=customers, terms=terms) if not move.is_held]
    moved = sum(_move(part) for part in in_chunks(likely, MAX_AT_ONCE))
    is_last = len(customers) < BATCH
    # Only from where this batch began: another round may have come further meanwhile.
    LevelSweep.objects.filter(pk=1, after=sweep.after).update(after=0 if is_last else customers[-1])
    return Batch(moved, is_last)


def _move(customers: Sequence[int]) -> int:
    """Judge the customers again and move them, while the owner cannot change levels or discounts. Return how many."""
    with transaction.atomic():
        lock_levels()
        terms = current_terms()
        moves = [move for move in moves_of(customers=customers, terms=terms) if not move.is_held]
        done = [move for move in moves if _carry_out(move)]
        _write(done, terms)
    return len(done)


def _carry_out(move: Move) -> bool:
    """Move one customer, if the group is still the one that was judged. Return False if a person was faster."""
    placed_by = GroupMember.PlacedBy.LEVELS
    if move.present is None:
        if move.target is None:
            return False
        try:
            with transaction.atomic():
                GroupMember(customer_id=move.customer, group_id=move.target.pk, placed_by=placed_by).save(
                    force_insert=True
                )
        except IntegrityError:
            return False
        return True
    same = GroupMember.objects.filter(customer=move.customer, group=move.present.group, placed_by=placed_by)
    if move.target is None:
        return bool(same.delete()[0])
    return bool(same.update(group=move.target.pk))


def _write(moves: Sequence[Move], terms: Terms) -> None:
    now = clock.now()
    LevelMove.objects.bulk_create(
        LevelMove(
            customer_id=move.customer,
            before=move.present.name if move.present else "",
            after=move.target.name if move.target else "",
            discount_bp=move.target.discount_bp if move.target else 0,
            spent=move.spent,
            period_days=terms.period_days,
            is_up=move.is_up,
            moved_at=now,
        )
        for move in moves
    )
