"""Claiming due rows of a queue: each row goes to one worker, and to another once its lease has run out.

The rows are the queue. A column, indexed, says from when a row is due; a claim pushes it past the lease. A worker
that dies costs one lease.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import TypeVar

from django.db import transaction
from django.db.models import Model, QuerySet
from django.utils import timezone

Row = TypeVar("Row", bound=Model)


def lock_due(rows: QuerySet[Row], *, due: str, limit: int) -> list[Row]:
    """Return at most `limit` rows whose column `due` has come, the longest waiting first, locked until the commit.

    Rows that another worker has locked are passed over.
    """
    waiting = rows.filter(**{f"{due}__lte": timezone.now()}).order_by(due, "pk")
    return list(waiting.select_for_update(skip_locked=True, of=("self",))[:limit])


def hold(batch: Sequence[Row], *, due: str, lease: timedelta, values: Mapping[str, object] | None = None) -> None:
    """Keep rows that are locked from other workers for `lease`, and write `values`, in one statement.

    The rows in `batch` carry what was written, unless it is an expression.
    """
    if not batch:
        return
    written = {due: timezone.now() + lease, **(values or {})}
    type(batch[0])._default_manager.filter(pk__in=[row.pk for row in batch]).update(**written)
    for row in batch:
        for name, value in written.items():
            if not hasattr(value, "resolve_expression"):
                setattr(row, name, value)


def claim_due(
    rows: QuerySet[Row], *, due: str, lease: timedelta, limit: int, values: Mapping[str, object] | None = None
) -> list[Row]:
    """Claim at most `limit` due rows for `lease`, in a transaction of its own; return them."""
    with transaction.atomic():
        batch = lock_due(rows, due=due, limit=limit)
        hold(batch, due=due, lease=lease, values=values)
    return batch
