"""Claim due rows of a queue: each row goes to one worker, and to another after its lease ends.

The rows are the queue. An indexed column says when a row is due; a claim moves it past the lease. A worker that dies
costs one lease.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import TypeVar

from django.db import transaction
from django.db.models import Model, QuerySet

from panel.lib import clock

Row = TypeVar("Row", bound=Model)


def lock_due(rows: QuerySet[Row], *, due: str, limit: int) -> list[Row]:
    """Return at most `limit` rows that are due by the column `due`, longest waiting first, locked until the commit.

    Rows locked by another worker are skipped.
    """
    waiting = rows.filter(**{f"{due}__lte": clock.now()}).order_by(due, "pk")
    return list(waiting.select_for_update(skip_locked=True, of=("self",))[:limit])


def hold(batch: Sequence[Row], *, due: str, lease: timedelta, values: Mapping[str, object] | None = None) -> None:
    """Keep locked rows from other workers for `lease`, and write `values`, in one statement.

    The rows in `batch` carry the written values, except expressions.
    """
    if not batch:
        return
    written = {due: clock.now() + lease, **(values or {})}
    type(batch[0])._default_manager.filter(pk__in=[row.pk for row in batch]).update(**written)
    for row in batch:
        for name, value in written.items():
            if not hasattr(value, "resolve_expression"):
                setattr(row, name, value)


def claim_due(
    rows: QuerySet[Row], *, due: str, lease: timedelta, limit: int, values: Mapping[str, object] | None = None
) -> list[Row]:
    """Claim at most `limit` due rows for `lease`, in a transaction of its own. Return them."""
    with transaction.atomic():
        batch = lock_due(rows, due=due, limit=limit)
        hold(batch, due=due, lease=lease, values=values)
    return batch
