"""Turns: in which order a provider's queued orders are sent (ADR 26).

Each customer has at most one order in a turn, so a mass order takes as many turns as it has orders. Orders with lower
turns are sent first, and older ones first within a turn. Special turns:

- 0: it was sent before and not accepted, or the release before created it. It goes first.
- below 0: it had this turn, and waits until it is due. Then it queues anew (`queue_again`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from django.db import connection
from django.db.models import QuerySet

from billing.wallets import lock_wallet
from orders.common.link_waits import put_off
from orders.models import Order
from panel.lib.bulk_sql import update_rows

# Among so many of a customer's last orders, those are found that had the current turn.
MAX_LOOKED_AT = 20
MAX_QUEUED_AGAIN = 500


def next_turn(*, current: int, queued: int | None, taken: int | None) -> int:
    """Return the turn of a customer's next order at a provider.

    `current` is the turn that is being sent. `queued` is the highest turn of the customer's queued orders, `taken`
    that of the last orders, sent or not; None if there is no such order.
    """
    if queued is not None and queued >= current:
        return queued + 1
    # A place in the current turn is not given twice to who orders again at once.
    return current + 1 if taken is not None and taken >= current else current


def waiting_turn(turn: int) -> int:
    """Return the turn of an order that had `turn`, was not accepted for its own sake, and waits before it is retried.

    It keeps the number: the order had a place in that turn.
    """
    return -max(abs(turn), 1)


def give_turns(*, orders: Sequence[Order]) -> None:
    """Set the turns of orders of one customer, in their sequence, without saving them. One query.

    Call it in the transaction that saves them, with the customer's wallet locked.
    """
    if not orders:
        return
    turns = _next_turns(orders[0].customer_id, {order.provider_id for order in orders})
    given: Counter[int] = Counter()
    for order in orders:
        order.turn = turns[order.provider_id] + given[order.provider_id]
        given[order.provider_id] += 1


# Written out, as every new order needs it: the ORM takes longer to build it than a database to answer it. No turn is
# higher than the number of orders: with an empty queue, none was given that is higher than the last order's number.
_FIGURES = """
    SELECT p.id,
      (SELECT o.turn FROM orders_order o
       WHERE o.provider_id = p.id AND o.placement = 'queued' AND o.review_reason = '' AND o.turn > 0
       ORDER BY o.turn LIMIT 1),
      (SELECT o.turn FROM orders_order o
       WHERE o.customer_id = %s AND o.provider_id = p.id AND o.placement = 'queued' AND o.turn > 0
       ORDER BY o.turn DESC LIMIT 1),
      (SELECT MAX(ABS(o.turn)) FROM orders_order o
       WHERE o.id IN (SELECT id FROM orders_order WHERE customer_id = %s ORDER BY id DESC LIMIT %s)
         AND o.provider_id = p.id AND o.placement <> 'withdrawn'),
      (SELECT MAX(id) FROM orders_order)
    FROM catalog_provider p WHERE p.id IN ({places})"""


def _next_turns(customer_id: int, provider_ids: set[int]) -> dict[int, int]:
    sql = _FIGURES.format(places=", ".join(["%s"] * len(provider_ids)))
    with connection.cursor() as cursor:
        cursor.execute(sql, [customer_id, customer_id, MAX_LOOKED_AT, *provider_ids])
        rows = cursor.fetchall()
    return {
        pk: next_turn(current=(last or 0) + 1 if current is None else current, queued=queued, taken=taken)
        for pk, current, queued, taken, last in rows
    }


def queue_again(*, waiting: QuerySet[Order], customer_id: int) -> int:
    """Give new turns to this customer's orders among `waiting`, as if he had just ordered them. Return how many.

    Joins a transaction. Orders that another one has locked are left for the next time, as are those that wait for an
    order on the same link.
    """
    # Orders before the wallet, as whoever cancels them locks the two.
    locked = waiting.filter(customer_id=customer_id).select_for_update(skip_locked=True, of=("self",), no_key=True)
    orders = put_off(orders=list(locked.select_related("service").order_by("pk")[:MAX_QUEUED_AGAIN]))
    if orders:
        lock_wallet(customer_id=customer_id)
        give_turns(orders=orders)
        update_rows(model=Order, columns=("turn",), rows=[(order.pk, order.turn) for order in orders])
    return len(orders)
