"""Queries for a customer's orders."""

from __future__ import annotations

from django.db.models import Count, QuerySet

from orders.models import Order
from orders.states import Submission
from panel.accounts.models import ApiKey, User


def orders_of(*, customer: User) -> QuerySet[Order]:
    """Return the customer's orders, newest first."""
    return Order.objects.filter(customer=customer).order_by("-pk")


def api_key_of(*, order: Order) -> ApiKey | None:
    """Return the API key that created the order, even if revoked; None if it was created in the browser."""
    if order.api_key_ref is None:
        return None
    return order.customer.api_keys.filter(pk=order.api_key_ref).first()


def count_open_orders() -> int:
    """Return the number of orders that have not ended. Each part is counted by its partial index.

    Counting by status would read all orders: nothing else has an index on it, and nearly all have ended.
    """
    accepted = Order.objects.filter(submission=Submission.ACCEPTED, finished_at=None)
    queued = Order.objects.filter(submission=Submission.QUEUED)
    unsettled = Order.objects.filter(submission__in=(Submission.SUBMITTING, Submission.IN_DOUBT))
    return _count_by_provider(accepted) + _count_by_provider(queued) + unsettled.count()


def _count_by_provider(orders: QuerySet[Order]) -> int:
    """Count the rows in the order of an index that begins with the provider: SQLite would not use it otherwise."""
    parts = orders.order_by("provider_id").values_list("provider_id").annotate(count=Count("*"))
    return sum(count for _, count in parts)
