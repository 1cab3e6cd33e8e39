"""One order of a link at a time, for services that are sold so.

An order waits while an older one of the same customer, for the same link and service of the provider, has not ended.
It is queued with a turn below 0, so that no claim sees it; `end_waits` looks again when it is due. Only older orders
hold it up, so that two never wait for each other. It can be canceled like any order that was not sent.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from django.db.models import Min

from orders.common.timeline import write_event
from orders.models import Order
from orders.states import OPEN, EventKind, Submission
from panel.lib import clock
from panel.lib.bulk_sql import in_chunks, update_rows
from panel.lib.links.keys import link_key, link_keys

ROWS = 500
# How long a waiting order is left alone before the one before it is looked at again.
LOOK_AGAIN = timedelta(minutes=2)
# How long an order waits at most since it was created. Then it is sent beside the other, which may never end.
MAX_WAIT = timedelta(days=7)
# A provider, its service, and the key of a link.
_Place = tuple[int, str, str]


def hold_behind_running(*, orders: Sequence[Order]) -> None:
    """Let those of a customer's new orders wait that an order for their link must end before, without saving them.

    `orders` are in their sequence, with their turns. Call it in the transaction that saves them, with the customer's
    wallet locked: two that are created at once would not see each other. No query for services that are sold otherwise.
    """
    waiting = [order for order in orders if order.service.one_at_a_time]
    taken = set(_oldest_open(waiting))
    for order in waiting:
        place = _place_of(order)
        if place in taken:
            order.turn, order.next_action_at = -max(abs(order.turn), 1), clock.now() + LOOK_AGAIN
        taken.add(place)


def put_off(*, orders: Sequence[Order]) -> list[Order]:
    """Put off those of a customer's waiting orders that an older one still holds up. Return the others.

    Call it with the orders locked. The time of a wait does not count as time in the queue.
    """
    single = [order for order in orders if order.service.one_at_a_time]
    oldest = _oldest_open(single)
    behind = [order for order in single if oldest.get(_place_of(order), order.pk) < order.pk]
    now = clock.now()
    held = [order for order in behind if not _waited_longest(order)]
    for order in behind:
        if _waited_longest(order) and not order.attempts:
            text = f"It waited {MAX_WAIT.days} days for order {oldest[_place_of(order)]} to end, and is sent now"
            write_event(order_id=order.pk, kind=EventKind.SUBMISSION, text=text)
    rows = [(order.pk, now + LOOK_AGAIN, order.queued_at if order.attempts else now) for order in held]
    update_rows(model=Order, columns=("next_action_at", "queued_at"), rows=rows)
    pks = {order.pk for order in held}
    return [order for order in orders if order.pk not in pks]


def waits_for(*, order: Order) -> int | None:
    """Return the number of the order that this one waits for; None if it waits for none."""
    is_waiting = order.submission == Submission.QUEUED and order.turn < 0 and not _waited_longest(order)
    if not is_waiting or not order.service.one_at_a_time:
        return None
    oldest = _oldest_open([order]).get(_place_of(order), order.pk)
    return oldest if oldest < order.pk else None


def _waited_longest(order: Order) -> bool:
    return order.created_at < clock.now() - MAX_WAIT


def _oldest_open(orders: Sequence[Order]) -> dict[_Place, int]:
    """Return the customer's oldest open order for each place that `orders` name. No query without orders."""
    keys = {key: link_key(order.link) for order in orders for key in link_keys(order.link)}
    found: dict[_Place, int] = {}
    for chunk in in_chunks(keys, ROWS):
        rows = Order.objects.filter(customer_id=orders[0].customer_id, link_key__in=chunk, status__in=OPEN).order_by()
        places = rows.values_list("provider_id", "upstream_service_id", "link_key")
        for provider, service, key, first in places.annotate(first=Min("pk")):
            place = (provider, service, keys[key])
            found[place] = min(first, found.get(place, first))
    return found


def _place_of(order: Order) -> _Place:
    return order.provider_id, order.upstream_service_id, link_key(order.link)
