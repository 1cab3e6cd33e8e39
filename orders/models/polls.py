"""The queue of polls: a narrow row for each order that is followed."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from catalog.models import Provider
from orders.models.orders import Order


class OrderPoll(models.Model):
    """When an order is polled next, and how the polls so far went.

    A row of its own, because each poll writes it: the order's row is twenty times as wide and has many indexes. It is
    made when the provider accepts the order and removed when the order is no longer followed.
    """

    order = models.OneToOneField(Order, primary_key=True, on_delete=models.PROTECT, related_name="poll")
    # The order's provider. No index of its own: the queue's begins with it.
    provider = models.ForeignKey(Provider, on_delete=models.PROTECT, related_name="+", db_index=False)
    due_at = models.DateTimeField()
    checked_at = models.DateTimeField(null=True, blank=True, help_text="When the provider last reported its status.")
    unchanged = models.PositiveSmallIntegerField(default=0, help_text="Polls since the last change.")
    errors = models.PositiveSmallIntegerField(default=0, help_text="Polls without a usable answer since the last one.")
    # An end that came in a wave. It is applied if a later answer has the same status and refund.
    held_status = models.CharField(max_length=12, blank=True, default="", db_default="")
    held_refund = models.BigIntegerField(null=True, blank=True, help_text="What it would refund in total.")
    held_since = models.DateTimeField(null=True, blank=True)
    # A status in a word that is not known here, since it or another such word was first answered.
    unknown_word = models.CharField(max_length=60, blank=True, default="", db_default="")
    unknown_since = models.DateTimeField(null=True, blank=True)

    class Meta:
        indexes = (
            models.Index(fields=("provider", "due_at"), name="poll_due"),
            # Few or none: a wave is rare.
            models.Index(fields=("provider",), condition=Q(held_since__isnull=False), name="poll_held"),
            models.Index(fields=("provider",), condition=Q(unknown_since__isnull=False), name="poll_unknown"),
        )

    def __str__(self) -> str:
        return f"Poll of order {self.order_id}"
