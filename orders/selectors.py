"""Reading orders for pages. Each customer sees their own alone."""

from __future__ import annotations

from typing import Any

from django.db.models import Count, QuerySet

from orders.models import Order, OrderEvent
from orders.states import FINAL, Status


def orders_of(*, customer: Any) -> QuerySet[Order]:
    """The customer's orders, newest first."""
    return Order.objects.filter(customer=customer).order_by("-pk")


def count_by_status(*, customer: Any) -> dict[str, int]:
    """How many orders the customer has in each status that occurs."""
    rows = Order.objects.filter(customer=customer).values_list("status").annotate(Count("pk")).order_by()
    return dict(rows)


def open_statuses() -> list[str]:
    """Statuses that may still change by themselves soon."""
    return [status for status in Status.values if status not in FINAL]


def timeline_of(*, order: Order) -> list[OrderEvent]:
    """What the customer may read of what happened, oldest first."""
    return list(order.events.filter(is_public=True))
