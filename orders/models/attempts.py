"""Attempts to submit an order. Amounts are micro-units."""

from __future__ import annotations

from django.db import models
from django.db.models import F, Q
from django.utils import timezone

from orders.models.orders import Order
from orders.states import AttemptOutcome, Submission

# The attempt that its order names as accepted. The release before names none while it still runs: it knows it by token.
ACCEPTED = Q(order__accepted_attempt=F("pk")) | Q(
    order__accepted_attempt=None, order__submission=Submission.ACCEPTED, order__claim_token=F("token")
)


def may_be_after_backup(order: Order) -> bool:
    """Return True if the order may have been sent after a backup that was restored."""
    return order.submission_attempts.filter(outcome=AttemptOutcome.AFTER_BACKUP).exists()


class PlacementAttempt(models.Model):
    """One attempt to submit one order, committed before the call; the answer is recorded afterwards."""

    order = models.ForeignKey(Order, on_delete=models.PROTECT, related_name="submission_attempts")
    token = models.CharField(max_length=32, unique=True)
    started_at = models.DateTimeField(default=timezone.now)
    finished_at = models.DateTimeField(null=True, blank=True)
    outcome = models.CharField(max_length=10, choices=AttemptOutcome.choices, default=AttemptOutcome.SENDING)
    phase = models.CharField(max_length=12, blank=True, help_text="How far the request had come.")
    http_status = models.PositiveSmallIntegerField(null=True, blank=True)
    body = models.TextField(blank=True, help_text="The first 2 KB of the answer, the key redacted.")
    sent = models.JSONField(null=True, blank=True, help_text="What was sent, without the key. See dispatch/sent_forms.")
    detail = models.CharField(max_length=500, blank=True)

    account = models.CharField(max_length=32, blank=True, help_text="A fingerprint of the account it was sent to.")

    # For sending again safely: the request id, and a fingerprint of the account and the parameter's name.
    request_id = models.CharField(max_length=32, blank=True)
    request_scope = models.CharField(max_length=32, blank=True)

    # Evidence for staff who review an order in doubt. Balances are in the provider's currency.
    balance_before = models.BigIntegerField(null=True, blank=True)
    balance_before_at = models.DateTimeField(null=True, blank=True)
    balance_after = models.BigIntegerField(null=True, blank=True)
    balance_after_at = models.DateTimeField(null=True, blank=True)
    searches = models.PositiveSmallIntegerField(default=0, db_column="looks")
    searched_at = models.DateTimeField(null=True, blank=True, db_column="looked_at")
    search_note = models.CharField(max_length=500, blank=True, db_column="look_note")
    probed_from = models.BigIntegerField(null=True, blank=True)
    probed_to = models.BigIntegerField(null=True, blank=True)
    orphans = models.JSONField(default=list, blank=True, help_text="[{id, status, remains, charge, agrees}, …]")

    class Meta:
        ordering = ("-pk",)
        indexes = (models.Index(fields=("account", "started_at"), name="attempt_by_account"),)

    def __str__(self) -> str:
        return f"Attempt {self.pk} of order {self.order_id}"
