"""Requests to a provider about an accepted order: to cancel it or to refill it."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone

from catalog.models import Provider
from orders.models.orders import Order
from orders.states import CancelState, RefillState


class ProviderRequest(models.Model):
    """A request about an accepted order: committed, then sent, then its answer recorded."""

    # No index of its own: others begin with this column.
    provider = models.ForeignKey(Provider, on_delete=models.PROTECT, related_name="+", db_index=False)
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    note = models.CharField(max_length=300, blank=True, help_text="What came of it, in words for the customer.")
    created_at = models.DateTimeField(default=timezone.now)
    asked_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    attempts = models.PositiveSmallIntegerField(default=0)
    claim_token = models.CharField(max_length=32, blank=True)
    # A queue, as on Order: when to send or poll the request next. During a claim, the end of its lease.
    next_action_at = models.DateTimeField(null=True, blank=True, default=timezone.now)

    class Meta:
        abstract = True
        ordering = ("-pk",)


class CancelRequest(ProviderRequest):
    """A request to end an accepted order early. The refund follows from the order's status, as for any order."""

    order = models.ForeignKey(Order, on_delete=models.PROTECT, related_name="cancel_requests")
    state = models.CharField(max_length=10, choices=CancelState.choices, default=CancelState.WAITING)

    class Meta(ProviderRequest.Meta):
        constraints = (
            models.UniqueConstraint(
                fields=("order",), condition=Q(state__in=CancelState.open()), name="cancel_request_one_open"
            ),
        )
        indexes = (
            models.Index(
                fields=("provider", "next_action_at"),
                condition=Q(next_action_at__isnull=False),
                name="cancel_request_due",
            ),
            # The staff's list, by each of its filters.
            models.Index(fields=("state", "-id"), name="cancel_request_by_state"),
            models.Index(fields=("provider", "-id"), name="cancel_request_of_provider"),
            models.Index(fields=("provider", "state", "-id"), name="cancel_request_by_both"),
        )

    def __str__(self) -> str:
        return f"Cancel request {self.pk} of order {self.order_id}"


class Refill(ProviderRequest):
    """One refill of a completed order: requested once, then polled by its own id if the provider gave one."""

    order = models.ForeignKey(Order, on_delete=models.PROTECT, related_name="refills")
    state = models.CharField(max_length=12, choices=RefillState.choices, default=RefillState.WAITING)
    upstream_id = models.CharField(max_length=64, blank=True, help_text="Empty: the provider gave none.")
    poll_errors = models.PositiveSmallIntegerField(default=0)

    class Meta(ProviderRequest.Meta):
        constraints = (
            models.UniqueConstraint(
                fields=("order",), condition=Q(state__in=RefillState.open()), name="refill_one_running"
            ),
        )
        indexes = (
            models.Index(
                fields=("provider", "next_action_at"), condition=Q(next_action_at__isnull=False), name="refill_due"
            ),
            # The staff's list, by each of its filters and by the provider's id.
            models.Index(fields=("state", "-id"), name="refill_by_state"),
            models.Index(fields=("provider", "-id"), name="refill_of_provider"),
            models.Index(fields=("provider", "state", "-id"), name="refill_by_both"),
            models.Index(
                fields=("provider", "upstream_id"), condition=~Q(upstream_id=""), name="refill_by_upstream_id"
            ),
            # What ended lately, for customers' news.
            models.Index(fields=("finished_at",), condition=Q(finished_at__isnull=False), name="refill_by_end"),
        )

    def __str__(self) -> str:
        return f"Refill {self.pk} of order {self.order_id}"
