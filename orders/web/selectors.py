"""Reads orders for pages. Each customer sees only their own."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from hashlib import blake2s

from django.db import connection
from django.db.models import OuterRef, QuerySet, Subquery

from billing.models import Entry
from catalog.models import Service
from orders.models import CancelRequest, Order, OrderEvent, Refill
from orders.selectors import orders_of
from orders.states import EventKind, Status
from panel.accounts.models import User

# Above this the list says "1,000+": counting a million rows would take a second.
COUNTED = 1_000


def count_by_status(*, customer: User) -> dict[str, int]:
    """Return the number of the customer's orders in each status, counted up to COUNTED + 1. One statement."""
    table = connection.ops.quote_name(Order._meta.db_table)
    one = (
        f"SELECT %s, (SELECT COUNT(*) FROM (SELECT 1 FROM {table} "  # noqa: S608  (our own names)
        "WHERE customer_id = %s AND status = %s LIMIT %s) AS few)"
    )
    params = [value for status in Status.values for value in (status, customer.pk, status, COUNTED + 1)]
    with connection.cursor() as cursor:
        cursor.execute(" UNION ALL ".join([one] * len(Status.values)), params)
        return {status: count for status, count in cursor.fetchall() if count}


def services_ordered(*, customer: User, most: int) -> list[tuple[int, str]] | None:
    """Return (number, name) of each service that the customer ordered, by name; None if there are more than `most`.

    The statement hops through the index from service to service, so it does not depend on the number of orders.
    """
    orders = connection.ops.quote_name(Order._meta.db_table)
    services = connection.ops.quote_name(Service._meta.db_table)
    statement = f"""
        WITH RECURSIVE ordered(id) AS (
            SELECT MIN(service_id) FROM {orders} WHERE customer_id = %s
            UNION ALL
            SELECT (SELECT MIN(service_id) FROM {orders} WHERE customer_id = %s AND service_id > ordered.id)
            FROM ordered WHERE ordered.id IS NOT NULL
        )
        SELECT few.id, service.name FROM (SELECT id FROM ordered WHERE id IS NOT NULL LIMIT %s) AS few
        JOIN {services} AS service ON service.id = few.id
    """  # noqa: S608  (our own names)
    with connection.cursor() as cursor:
        cursor.execute(statement, [customer.pk, customer.pk, most + 1])
        found = [(int(pk), str(name)) for pk, name in cursor.fetchall()]
    return None if len(found) > most else sorted(found, key=lambda one: (one[1].casefold(), one[0]))


def list_rows(*, customer: User, pks: Iterable[int]) -> list[Order]:
    """Return the customer's orders among `pks`, with only the columns that change in a row of the list."""
    columns = ("status", "quantity", "remains", "charge", "refunded", "service_type")
    return list(orders_of(customer=customer).filter(pk__in=list(pks)).only(*columns))


def menu_rows(*, customer: User, pks: Iterable[int]) -> list[Order]:
    """Return the customer's orders among `pks` with their services, as menus need them."""
    return list(with_services(orders_of(customer=customer).filter(pk__in=list(pks))))


def with_services(orders: QuerySet[Order]) -> QuerySet[Order]:
    """Load the orders with their services, but without the services' long descriptions."""
    return orders.select_related("service__upstream").defer("service__description", "service__upstream__description")


def order_version(*, customer: User, pk: int) -> str | None:
    """Return a hash of what the order's page shows; it differs as soon as anything shown changes. One query.

    Call it before reading the page's data: a change in between then shows twice instead of never.
    """

    def latest(model: type[OrderEvent | CancelRequest | Refill], column: str) -> Subquery:
        return Subquery(model.objects.filter(order=OuterRef("pk")).order_by("-pk").values(column)[:1])

    row = (
        orders_of(customer=customer)
        .filter(pk=pk)
        .values_list(
            "status",
            "submission",
            "turn",
            "remains",
            "start_count",
            "refunded",
            "checked_at",
            "poll__checked_at",
            "poll__held_since",
            latest(OrderEvent, "pk"),
            latest(CancelRequest, "state"),
            latest(Refill, "state"),
        )
        .first()
    )
    return None if row is None else blake2s(repr(row).encode(), digest_size=8).hexdigest()


def refunds_of(*, order: Order) -> QuerySet[Entry]:
    """Return the ledger's refunds of the order, the latest last."""
    return Entry.objects.filter(order_ref=order.pk, kind=Entry.Kind.REFUND).order_by("seq")


def timeline_of(*, order: Order) -> list[OrderEvent]:
    """Return the events that the customer may read, oldest first.

    If they were pruned, the order itself says when it was created, sent and ended.
    """
    events = list(order.events.filter(is_public=True))
    if any(event.kind == EventKind.ORDERED for event in events):
        return events
    return sorted([*_from_order(order, events), *events], key=lambda event: event.created_at)


def _from_order(order: Order, events: Sequence[OrderEvent]) -> Iterator[OrderEvent]:
    received = "Order received" if order.api_key_ref is None else "Order received through the API"
    text = f"Run {order.run} of {order.drip_feed.runs} began" if order.drip_feed else received
    yield OrderEvent(order=order, kind=EventKind.ORDERED, created_at=order.created_at, text=text)
    if order.accepted_at:
        yield OrderEvent(
            order=order, kind=EventKind.SUBMISSION, created_at=order.accepted_at, text="Sent to the provider"
        )
    is_there = any(event.kind == EventKind.STATUS and event.new == order.status for event in events)
    if order.finished_at and order.is_final and not is_there:
        yield OrderEvent(
            order=order,
            kind=EventKind.STATUS,
            created_at=order.finished_at,
            new=order.status,
            text=order.status_note,
        )
