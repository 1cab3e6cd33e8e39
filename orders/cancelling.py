"""Cancelling before an order was sent: at once and in full, racing safely with the submission."""

from __future__ import annotations

from typing import Any

from django.db import transaction

from orders.models import Order
from orders.settling import OrderMoved, end_unplaced
from orders.states import Placement, ReviewReason


class TooLate(Exception):
    """The order is with the provider, or about to be; nothing was changed."""


def may_withdraw(order: Order) -> bool:
    """Whether nothing of it is with the provider. Words never seen before leave that to staff."""
    return order.placement == Placement.QUEUED and order.review_reason != ReviewReason.UNKNOWN_ERROR


def withdraw_order(*, order: Order, actor: Any) -> None:
    """Cancels a queued order with all its money back. Raises TooLate."""
    if not may_withdraw(order):
        raise TooLate("This order has been sent already and can no longer be canceled here.")
    try:
        with transaction.atomic():
            end_unplaced(
                order=order,
                placement=Placement.WITHDRAWN,
                note="Canceled before it was sent",
                actor=actor,
            )
    except OrderMoved:
        raise TooLate("This order has just been sent and can no longer be canceled here.") from None
