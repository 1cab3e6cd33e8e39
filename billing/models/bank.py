"""Lines of bank statements, for methods whose payments staff approve. Amounts are micro-units."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone

from billing.models.deposits import Deposit, PaymentMethod
from panel.lib.money import MAX_MICROS

MAX_TEXT = 500


class BankLine(models.Model):
    """Money that came in by a bank's statement. Approved, it brought one deposit, and a deposit has one line at most.

        waiting → approved     its deposit was approved with the line's amount
                → dismissed    it is for no request, and why

    `digest` is of day, time if there is one, amount, text and how many same lines stood before it: statements that
    overlap bring each line once.
    """

    class State(models.TextChoices):
        WAITING = "waiting", "Waits for staff"
        APPROVED = "approved", "Approved"
        DISMISSED = "dismissed", "Not for a request"

    method = models.ForeignKey(PaymentMethod, on_delete=models.PROTECT, related_name="bank_lines", db_index=False)
    digest = models.CharField(max_length=64)
    day = models.DateField(help_text="As the bank booked it.")
    amount = models.BigIntegerField()
    text = models.CharField(max_length=MAX_TEXT, blank=True, help_text="What the bank wrote.")
    state = models.CharField(max_length=10, choices=State.choices, default=State.WAITING)
    deposit = models.OneToOneField(
        Deposit, null=True, blank=True, on_delete=models.PROTECT, related_name="bank_line", verbose_name="request"
    )
    note = models.CharField(max_length=300, blank=True, help_text="Why staff decided so.")
    uploaded_at = models.DateTimeField(default=timezone.now)
    uploaded_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    decided_at = models.DateTimeField(null=True, blank=True)
    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )

    class Meta:
        ordering = ("-day", "-pk")
        default_permissions = ()
        verbose_name = "line of a bank statement"
        verbose_name_plural = "lines of bank statements"
        constraints = (
            models.UniqueConstraint(fields=("method", "digest"), name="bank_line_once"),
            models.CheckConstraint(condition=Q(amount__gt=0, amount__lte=MAX_MICROS), name="bank_line_amount_range"),
            models.CheckConstraint(
                condition=Q(state="approved", deposit__isnull=False) | Q(~Q(state="approved"), deposit=None),
                name="bank_line_approved_has_a_deposit",
            ),
            models.CheckConstraint(
                condition=Q(state="waiting", decided_at=None) | Q(~Q(state="waiting"), decided_at__isnull=False),
                name="bank_line_decided_has_a_time",
            ),
        )
        indexes = (
            models.Index(fields=("method", "day"), condition=Q(state="waiting"), name="bank_line_waiting"),
            models.Index(fields=("decided_at",), condition=Q(state="dismissed"), name="bank_line_dismissed"),
            models.Index(fields=("-day", "-id"), name="bank_line_latest"),
        )

    def __str__(self) -> str:
        return f"Line {self.pk}"
