"""Invoices at gateways, and reversals of what was credited. Amounts are micro-units of the panel's currency."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone

from billing.models.deposits import Deposit, PaymentMethod
from billing.models.intake import MAX_EXTERNAL_ID, Payment
from panel.lib.money import MAX_MICROS


class Invoice(models.Model):
    """What a gateway is asked to collect for a deposit, once.

        new → creating → open → partial, paid, expired
              creating → lost → open, failed

    `our_ref` is committed before the gateway hears of it: after a lost answer the invoice is found by it, or left to
    expire. No state is final for money: an invoice is asked about after it expired, too. `next_poll_at` is the queue.
    """

    class State(models.TextChoices):
        NEW = "new", "New"
        CREATING = "creating", "Being created"
        OPEN = "open", "Open"
        LOST = "lost", "Its creation was not answered"
        FAILED = "failed", "Not created"
        PARTIAL = "partial", "Paid in part"
        PAID = "paid", "Paid"
        EXPIRED = "expired", "Expired"

    deposit = models.OneToOneField(Deposit, on_delete=models.PROTECT, related_name="invoice")
    method = models.ForeignKey(PaymentMethod, on_delete=models.PROTECT, related_name="invoices", db_index=False)
    our_ref = models.CharField(max_length=40, unique=True)
    external_id = models.CharField(max_length=MAX_EXTERNAL_ID, blank=True)
    amount = models.BigIntegerField()
    currency = models.CharField(max_length=10)
    state = models.CharField(max_length=10, choices=State.choices, default=State.NEW)
    url = models.CharField(max_length=1_000, blank=True, help_text="Where the customer pays.")
    details = models.JSONField(default=dict, help_text="What the customer is shown: coin, network, address, amount.")
    told = models.JSONField(
        null=True, blank=True, help_text="Ids of further payments that genuine calls named; each is read as well."
    )
    created_at = models.DateTimeField(default=timezone.now)
    expires_at = models.DateTimeField(null=True, blank=True)
    next_poll_at = models.DateTimeField(null=True, blank=True)
    polls = models.PositiveIntegerField(default=0)
    asked_at = models.DateTimeField(null=True, blank=True, help_text="When the gateway was last asked to create it.")
    create_attempts = models.PositiveIntegerField(default=0)
    last_error = models.CharField(max_length=300, blank=True)

    class Meta:
        ordering = ("-pk",)
        constraints = (
            models.UniqueConstraint(
                fields=("method", "external_id"), condition=~Q(external_id=""), name="invoice_one_per_external_id"
            ),
            models.CheckConstraint(condition=Q(amount__gt=0, amount__lte=MAX_MICROS), name="invoice_amount_range"),
            models.CheckConstraint(
                condition=Q(state__in=("new", "creating", "lost", "failed")) | ~Q(external_id=""),
                name="invoice_open_has_an_id",
            ),
        )
        indexes = (
            models.Index(fields=("next_poll_at",), condition=Q(next_poll_at__isnull=False), name="invoice_due"),
            models.Index(fields=("method", "-id"), name="invoice_of_method"),
        )

    def __str__(self) -> str:
        return self.our_ref


class Reversal(models.Model):
    """Money that a gateway took back after it was credited. It never debits a wallet: staff post a correction."""

    class State(models.TextChoices):
        OPEN = "open", "Waits for staff"
        SETTLED = "settled", "Settled"

    payment = models.OneToOneField(Payment, on_delete=models.PROTECT, related_name="reversal")
    amount = models.BigIntegerField(help_text="What is credited beyond what is left of the payment.")
    state = models.CharField(max_length=10, choices=State.choices, default=State.OPEN)
    holds_orders = models.BooleanField(
        default=False, db_default=False, help_text="The customer's orders are held because of it."
    )
    note = models.CharField(max_length=300, blank=True, help_text="What staff did about it.")
    seen_at = models.DateTimeField(default=timezone.now)
    settled_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )

    class Meta:
        ordering = ("-pk",)
        constraints = (models.CheckConstraint(condition=Q(amount__gt=0), name="reversal_amount_positive"),)
        indexes = (models.Index(fields=("seen_at",), condition=Q(state="open"), name="reversal_open"),)

    def __str__(self) -> str:
        return f"Reversal of {self.payment}"
