"""Days of payments, compared with the list of their gateway. Amounts are micro-units of the panel's currency."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from billing.models.deposits import PaymentMethod

MAX_PROBLEM = 300


class ComparedDay(models.Model):
    """One day of one method, in the panel's time zone, as its gateway listed it at `listed_at`.

    The list is kept, and not what came of it: what staff do about a difference shows at once. `differences` is their
    number at `counted_at`, None if the day was never compared. `due_at` is the queue; `asked_at` names the last asking,
    so that an answer that comes after a later one changes nothing.
    """

    method = models.ForeignKey(PaymentMethod, on_delete=models.CASCADE, related_name="compared_days", db_index=False)
    day = models.DateField()
    due_at = models.DateTimeField(null=True, blank=True)
    asked_at = models.DateTimeField(null=True, blank=True)
    attempts = models.PositiveSmallIntegerField(default=0, help_text="In a row that the gateway did not answer.")
    problem = models.CharField(max_length=MAX_PROBLEM, blank=True, help_text="Why the last asking gave no list.")
    listed_at = models.DateTimeField(null=True, blank=True)
    listed = models.JSONField(default=list, help_text="As the gateway listed it, some hours before and after included.")
    counted_at = models.DateTimeField(null=True, blank=True)
    differences = models.PositiveIntegerField(null=True, blank=True)
    came_in = models.BigIntegerField(default=0, help_text="By the gateway's list.")
    credited = models.BigIntegerField(default=0)

    class Meta:
        ordering = ("-day", "method")
        default_permissions = ()
        verbose_name = "compared day"
        constraints = (
            models.UniqueConstraint(fields=("method", "day"), name="compared_day_once"),
            models.CheckConstraint(
                condition=Q(differences=None) | Q(listed_at__isnull=False, counted_at__isnull=False),
                name="compared_day_counted_from_a_list",
            ),
        )
        indexes = (
            models.Index(fields=("due_at",), condition=Q(due_at__isnull=False), name="compared_day_due"),
            models.Index(fields=("day",), name="compared_day_by_day"),
        )

    def __str__(self) -> str:
        return f"{self.method}, {self.day}"
