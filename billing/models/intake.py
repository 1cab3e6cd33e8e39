"""What gateways told, and the payments that came in through them. Amounts are micro-units of the panel's currency."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils import timezone

from billing.models.deposits import Deposit, PaymentMethod
from billing.models.wallets import Entry
from panel.lib.money import MAX_MICROS

# Characters of an external id.
MAX_EXTERNAL_ID = 200


class SigningSecret(models.Model):
    """A secret that signs the calls of a method. Several are valid while one replaces another."""

    method = models.ForeignKey(PaymentMethod, on_delete=models.CASCADE, related_name="signing_secrets")
    secret_encrypted = models.TextField()
    created_at = models.DateTimeField(default=timezone.now)
    ends_at = models.DateTimeField(null=True, blank=True, help_text="No call is accepted by it from then on.")

    class Meta:
        ordering = ("pk",)

    def __str__(self) -> str:
        return f"Secret {self.pk}"


class Payment(models.Model):
    """Money as its gateway counts it, once under each external id.

    `came_in` is what the gateway says has come in under that id so far, and may grow; `credited` is what of it was
    credited: the wallet got all of that but the `fee`, and the `bonus` besides. A payment without a deposit waits for
    staff. `due_at` is the queue of what is to be credited.
    """

    class State(models.TextChoices):
        SEEN = "seen", "Being credited"
        CREDITED = "credited", "Credited"
        HELD = "held", "Waits for staff"
        DISMISSED = "dismissed", "Not credited"
        GONE = "gone", "Never came"

    class Hold(models.TextChoices):
        UNKNOWN_REFERENCE = "unknown_reference", "Its reference is not known"
        OVER_CALL = "over_call", "Above what one payment may bring by itself"
        OVER_DAY = "over_day", "Above what a day may bring by itself"
        REFUSED = "refused", "Its request was refused"
        BY_HAND = "by_hand", "Its request was approved by hand"
        CURRENCY = "currency", "In another currency"
        GATEWAY = "gateway", "Its gateway holds it"
        OTHER_METHOD = "other_method", "Its request is for another way to pay"
        CLOSED = "closed", "Its customer closed the account"
        MORE_CAME = "more_came", "More came in after it was not credited"
        SANDBOX = "sandbox", "Of a sandbox, so not real"
        BELOW_FEE = "below_fee", "It does not exceed its fee"

    method = models.ForeignKey(PaymentMethod, on_delete=models.PROTECT, related_name="payments", db_index=False)
    external_id = models.CharField(max_length=MAX_EXTERNAL_ID)
    deposit = models.ForeignKey(Deposit, null=True, blank=True, on_delete=models.PROTECT, related_name="payments")
    reference = models.CharField(max_length=200, blank=True, help_text="As the gateway gave it.")
    deposit_number = models.BigIntegerField(
        null=True, blank=True, help_text="The request that the gateway named by its number."
    )
    currency = models.CharField(max_length=10)
    came_in = models.BigIntegerField()
    credited = models.BigIntegerField(default=0)
    fee = models.BigIntegerField(default=0, db_default=0)
    bonus = models.BigIntegerField(default=0)
    state = models.CharField(max_length=10, choices=State.choices, default=State.SEEN)
    hold = models.CharField(max_length=20, choices=Hold.choices, blank=True)
    note = models.CharField(max_length=300, blank=True, help_text="Why staff decided so.")
    seen_at = models.DateTimeField(default=timezone.now)
    due_at = models.DateTimeField(null=True, blank=True)
    credited_at = models.DateTimeField(null=True, blank=True)
    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )

    class Meta:
        ordering = ("-pk",)
        constraints = (
            # The unit of money: whatever is told twice under one id is one payment.
            models.UniqueConstraint(fields=("method", "external_id"), name="payment_one_per_external_id"),
            models.CheckConstraint(condition=Q(came_in__gt=0, came_in__lte=MAX_MICROS), name="payment_amount_range"),
            models.CheckConstraint(
                condition=Q(credited__gte=0, credited__lte=F("came_in"), bonus__gte=0), name="payment_credited_range"
            ),
            models.CheckConstraint(condition=Q(fee__gte=0, fee__lte=F("credited")), name="payment_fee_range"),
            models.CheckConstraint(
                condition=Q(credited=0, bonus=0) | Q(deposit__isnull=False), name="payment_credited_has_a_deposit"
            ),
            models.CheckConstraint(
                condition=Q(state="held", due_at=None) & ~Q(hold="") | ~Q(state="held") & Q(hold=""),
                name="payment_held_for_a_reason",
            ),
            models.CheckConstraint(
                condition=~Q(state="credited") | Q(credited__gt=0, credited_at__isnull=False),
                name="payment_credited_has_a_time",
            ),
        )
        indexes = (
            models.Index(fields=("due_at",), condition=Q(due_at__isnull=False), name="payment_due"),
            models.Index(fields=("seen_at",), condition=Q(state="held"), name="payment_held"),
            models.Index(fields=("method", "credited_at"), name="payment_by_day"),
            # The staff's list, by each of its filters. Only held payments have a hold, so they come first.
            models.Index(fields=("-hold", "-id"), name="payment_listed"),
            models.Index(fields=("method", "-hold", "-id"), name="payment_of_method"),
            models.Index(fields=("state", "-id"), name="payment_by_state"),
            models.Index(fields=("-seen_at", "-id"), name="payment_by_time"),
            models.Index(fields=("reference",), condition=~Q(reference=""), name="payment_by_reference"),
        )

    def __str__(self) -> str:
        return self.external_id

    @property
    def added(self) -> int:
        """Return what the wallet got of it in all, with the bonus, in micro-units."""
        return self.credited - self.fee + self.bonus


class PaymentCredit(models.Model):
    """What was posted when a payment was credited, once for each step of its figure."""

    payment = models.ForeignKey(Payment, on_delete=models.PROTECT, related_name="credits")
    entry = models.OneToOneField(Entry, on_delete=models.PROTECT, related_name="+")
    fee_entry = models.OneToOneField(Entry, null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    bonus_entry = models.OneToOneField(Entry, null=True, blank=True, on_delete=models.PROTECT, related_name="+")

    class Meta:
        ordering = ("pk",)

    def __str__(self) -> str:
        return f"Credit {self.pk}"


class GatewayCall(models.Model):
    """A call of a gateway as it came: bytes, headers, and what was decided about it.

    A genuine call is known by the sender's `call_id`; one with an id that came before is `is_repeat`.
    """

    class Outcome(models.TextChoices):
        ACCEPTED = "accepted", "Accepted"
        REPEATED = "repeated", "Repeated"
        CONFLICT = "conflict", "Contradicts an earlier one"
        REFUSED = "refused", "Refused"
        UNKNOWN = "unknown", "About an unknown invoice"

    method = models.ForeignKey(PaymentMethod, on_delete=models.PROTECT, related_name="calls", db_index=False)
    call_id = models.CharField(max_length=64, blank=True)
    is_genuine = models.BooleanField(default=False)
    is_repeat = models.BooleanField(default=False)
    outcome = models.CharField(max_length=10, choices=Outcome.choices)
    problem = models.CharField(max_length=300, blank=True, help_text="What the caller was told.")
    payment = models.ForeignKey(Payment, null=True, blank=True, on_delete=models.PROTECT, related_name="calls")
    invoice = models.ForeignKey(
        "billing.Invoice", null=True, blank=True, on_delete=models.PROTECT, related_name="calls"
    )
    received_at = models.DateTimeField(default=timezone.now)
    address = models.CharField(max_length=45, blank=True)
    headers = models.JSONField(default=dict)
    body = models.BinaryField(default=b"")
    size = models.BigIntegerField(help_text="Bytes that came; the body is kept up to a limit.")

    class Meta:
        ordering = ("-pk",)
        constraints = (
            models.UniqueConstraint(
                fields=("method", "call_id"),
                condition=Q(is_genuine=True, is_repeat=False),
                name="gateway_call_one_per_id",
            ),
        )
        indexes = (
            models.Index(fields=("method", "-id"), name="gateway_call_of_method"),
            models.Index(fields=("received_at",), name="gateway_call_by_time"),
        )

    def __str__(self) -> str:
        return f"Call {self.pk}"
