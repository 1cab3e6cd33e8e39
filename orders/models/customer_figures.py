"""Figures of customers by which staff sort their list."""

from __future__ import annotations

from datetime import UTC, datetime

from django.conf import settings
from django.db import models
from django.utils import timezone

# Stands for "never", so that pages by key need no NULL.
NEVER = datetime(1970, 1, 1, tzinfo=UTC)


class CustomerFigures(models.Model):
    """What a customer spent and ordered. Written only by the task that counts it: nothing that posts money waits.

    Amounts are micro-units. `spent` is less refunds, `refund_share` in basis points of all charges, 0 without any.
    `entry_count` is the wallet's when it was counted: another one says that money moved since. `balance` is as of then,
    too: the list shows the wallet's, and sorts by this one.
    """

    customer = models.OneToOneField(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, primary_key=True, related_name="figures"
    )
    balance = models.BigIntegerField(default=0)
    spent = models.BigIntegerField(default=0)
    refunded = models.BigIntegerField(default=0)
    refund_share = models.IntegerField(default=0)
    orders = models.IntegerField(default=0)
    seen_at = models.DateTimeField(default=NEVER)
    entry_count = models.BigIntegerField(default=0)
    counted_at = models.DateTimeField(default=timezone.now)

    class Meta:
        default_permissions = ()
        indexes = (
            models.Index(fields=("balance", "customer"), name="customer_by_balance"),
            models.Index(fields=("spent", "customer"), name="customer_by_spent"),
            models.Index(fields=("refund_share", "customer"), name="customer_by_refund_share"),
            models.Index(fields=("orders", "customer"), name="customer_by_orders"),
            models.Index(fields=("seen_at", "customer"), name="customer_by_last_seen"),
        )

    def __str__(self) -> str:
        return f"Figures of {self.customer}"
