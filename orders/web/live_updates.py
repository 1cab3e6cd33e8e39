"""Keeps a customer's page current while orders run. Pure: no database, no clock.

Each poll of a page sends what it shows; the answer is empty if nothing changed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

from orders.models import Order
from orders.states import FINAL, CancelState, RefillState

MAX_ROWS = 100

# Seconds between two polls of an order's page. A refill takes days.
ORDER_PACE = 3
REFILL_PACE = 15

_ROW = re.compile(r"([0-9]{1,18})-([a-z_]+)-([0-9]*)-([0-9]+)")


class Shown(NamedTuple):
    """What a row of the list shows of an order, as the page sends it."""

    status: str
    delivered: str
    paid: str

    @classmethod
    def of(cls, order: Order) -> Shown:
        delivered = "" if order.delivered is None else str(order.delivered)
        return cls(str(order.status), delivered, str(order.net_charge))


def write_shown(orders: Iterable[Order]) -> str:
    """Return the open orders of `orders` for the query string of the next poll; "" ends the polls."""
    return ".".join("-".join((str(order.pk), *Shown.of(order))) for order in orders if not order.is_final)


def read_shown(text: str) -> dict[int, Shown]:
    """Return what `write_shown` wrote, by order id. Ignore anything else, and rows beyond 100."""
    rows = (_ROW.fullmatch(part) for part in text.split(".", MAX_ROWS)[:MAX_ROWS])
    return {int(row[1]): Shown(*row.groups()[1:]) for row in rows if row}


def order_pace(*, status: str, cancel_state: str | None, refill_state: str | None) -> int:
    """Return the seconds until an order's page polls again; 0 if nothing on it changes by itself soon."""
    if status not in FINAL or cancel_state in CancelState.open():
        return ORDER_PACE
    return REFILL_PACE if refill_state in RefillState.open() else 0
