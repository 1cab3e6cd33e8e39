"""What a batch of answers changed, written in one statement, however many rows.

The ORM would spell out a CASE with a branch for each row and column: slow to build, and on SQLite too many
parameters for one statement.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from django.db import connection

from orders.models import Order
from orders.settling import OrderMoved
from orders.states import Placement

# Column and its type on PostgreSQL.
_COLUMNS = {
    "status": "text",
    "remains": "bigint",
    "start_count": "bigint",
    "upstream_charge": "bigint",
    "finished_at": "timestamptz",
    "next_poll_at": "timestamptz",
    "checked_at": "timestamptz",
    "still_polls": "integer",
    "poll_errors": "integer",
}
_SET = ", ".join(f"{name} = v.{name}" for name in _COLUMNS)
_TYPED = ", ".join(f"{name} {kind}" for name, kind in _COLUMNS.items())
_EXTRACTED = ", ".join(f"json_extract(value, '$.{name}') AS {name}" for name in ("id", "was", *_COLUMNS))
_STATEMENTS = {
    "postgresql": f"""
        UPDATE orders_order AS o SET {_SET}
        FROM jsonb_to_recordset(%s::jsonb) AS v(id bigint, was text, {_TYPED})
        WHERE o.id = v.id AND o.status = v.was AND o.placement = %s""",  # noqa: S608  (the names of our own columns)
    "sqlite": f"""
        UPDATE orders_order AS o SET {_SET}
        FROM (SELECT {_EXTRACTED} FROM json_each(%s)) AS v
        WHERE o.id = v.id AND o.status = v.was AND o.placement = %s""",  # noqa: S608  (the names of our own columns)
}


def write_progress(*, orders: Sequence[Order], was: Mapping[int, str]) -> None:
    """Stores the followed columns of placed `orders`; `was` holds the status that each had when it was locked.

    Raises OrderMoved, having written some or none, unless each was still so: the caller rolls back.
    """
    if not orders:
        return
    rows = [
        {"id": order.pk, "was": was[order.pk], **{name: _plain(getattr(order, name)) for name in _COLUMNS}}
        for order in orders
    ]
    with connection.cursor() as cursor:
        cursor.execute(_STATEMENTS[connection.vendor], [json.dumps(rows), Placement.PLACED])
        if cursor.rowcount != len(rows):
            raise OrderMoved(f"{cursor.rowcount} of {len(rows)} orders written")


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return str(connection.ops.adapt_datetimefield_value(value))
    return value
