"""Reading orders for pages. Each customer sees their own alone."""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import blake2s
from typing import Any

from django.db.models import Count, OuterRef, QuerySet, Subquery

from orders.models import CancelRequest, Order, OrderEvent, Refill


def orders_of(*, customer: Any) -> QuerySet[Order]:
    """The customer's orders, newest first."""
    return Order.objects.filter(customer=customer).order_by("-pk")


def count_by_status(*, customer: Any) -> dict[str, int]:
    """How many orders the customer has in each status that occurs."""
    rows = Order.objects.filter(customer=customer).values_list("status").annotate(Count("pk")).order_by()
    return dict(rows)


def rows_of(*, customer: Any, pks: Iterable[int]) -> list[Order]:
    """Those of `pks` that are the customer's, with no more columns than what changes in a row of the list."""
    columns = ("status", "quantity", "remains", "charge", "refunded", "service_type")
    return list(orders_of(customer=customer).filter(pk__in=list(pks)).only(*columns))


def version_of(*, customer: Any, pk: int) -> str | None:
    """Stands for what the page of an order shows: another one as soon as anything of it changed. One query.

    Read it before what it stands for: then a change in between shows twice, instead of never.
    """

    def latest(model: type[OrderEvent | CancelRequest | Refill], column: str) -> Subquery:
        return Subquery(model.objects.filter(order=OuterRef("pk")).order_by("-pk").values(column)[:1])

    row = (
        orders_of(customer=customer)
        .filter(pk=pk)
        .values_list(
            "status",
            "placement",
            "remains",
            "start_count",
            "refunded",
            "checked_at",
            latest(OrderEvent, "pk"),
            latest(CancelRequest, "state"),
            latest(Refill, "state"),
        )
        .first()
    )
    return None if row is None else blake2s(repr(row).encode(), digest_size=8).hexdigest()


def timeline_of(*, order: Order) -> list[OrderEvent]:
    """What the customer may read of what happened, oldest first."""
    return list(order.events.filter(is_public=True))
