"""Stops of sending: why the panel, or one provider, gets no orders until a person resumes it."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone

from catalog.models import Provider
from orders.states import StopReason


class SendingStop(models.Model):
    """A reason to send no order, to one provider or to any (`provider` is empty). Several may be open at once.

    It is in force from `created_at` until `ended_at`, or until `until` if that comes first.
    """

    provider = models.ForeignKey(
        Provider, null=True, blank=True, on_delete=models.PROTECT, related_name="sending_stops", db_index=False
    )
    reason = models.CharField(max_length=20, choices=StopReason.choices)
    text = models.CharField(max_length=500, help_text="For staff: what was found, with its figures.")
    created_at = models.DateTimeField(default=timezone.now)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+", db_index=False
    )
    until = models.DateTimeField(null=True, blank=True, help_text="When it ends by itself; empty: never.")
    searched_to = models.BigIntegerField(
        null=True, blank=True, help_text="After a restore: up to which of the provider's ids orphans were searched."
    )
    ended_at = models.DateTimeField(null=True, blank=True)
    ended_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+", db_index=False
    )

    class Meta:
        ordering = ("-pk",)
        verbose_name = "stop of sending"
        verbose_name_plural = "sending"
        constraints = (
            models.UniqueConstraint(
                fields=("provider", "reason"), condition=Q(ended_at=None), name="stop_one_open_per_reason"
            ),
            # A unique constraint does not compare empty values.
            models.UniqueConstraint(
                fields=("reason",), condition=Q(ended_at=None, provider=None), name="stop_one_open_for_the_panel"
            ),
        )

    def __str__(self) -> str:
        return f"{self.provider or 'The panel'}: {self.get_reason_display()}"
