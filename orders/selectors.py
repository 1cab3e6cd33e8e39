"""Queries for a customer's orders."""

from __future__ import annotations

from django.db.models import QuerySet

from orders.models import Order
from panel.accounts.models import ApiKey, User


def orders_of(*, customer: User) -> QuerySet[Order]:
    """Return the customer's orders, newest first."""
    return Order.objects.filter(customer=customer).order_by("-pk")


def api_key_of(*, order: Order) -> ApiKey | None:
    """Return the API key that created the order, even if revoked; None if it was created in the browser."""
    if order.api_key_ref is None:
        return None
    return order.customer.api_keys.filter(pk=order.api_key_ref).first()
