"""What a batch of answers changed, written in one statement, however many rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from orders.models import Order
from orders.refunds.posting import OrderMoved
from orders.states import Placement
from panel.lib.bulk_sql import update_rows

_COLUMNS = (
    "status",
    "remains",
    "start_count",
    "upstream_charge",
    "finished_at",
    "next_poll_at",
    "checked_at",
    "still_polls",
    "poll_errors",
)


def write_progress(*, orders: Sequence[Order], was: Mapping[int, str]) -> None:
    """Stores the followed columns of placed `orders`; `was` holds the status that each had when it was locked.

    Raises OrderMoved, having written some or none, unless each was still so: the caller rolls back.
    """
    rows = [
        (order.pk, was[order.pk], Placement.PLACED, *(getattr(order, name) for name in _COLUMNS)) for order in orders
    ]
    written = update_rows(model=Order, columns=_COLUMNS, rows=rows, unmoved=("status", "placement"))
    if written != len(rows):
        raise OrderMoved(f"{written} of {len(rows)} orders written")
