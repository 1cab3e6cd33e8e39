"""Deposits that customers announce, and the methods to pay them by. Amounts are micro-units."""

from __future__ import annotations

from pathlib import PurePath
from uuid import uuid4

from django.conf import settings
from django.core.files.storage import Storage, storages
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_noop as _

from billing.bonus_terms import BonusTerms
from billing.models.fees import FEE_IN_RANGE, WithFee
from panel.lib.money import BASIS, MAX_MICROS

# How soon staff look at a deposit: those that wait and are said to be paid first. An index stands on it.
DEPOSIT_RANK = models.Case(
    models.When(paid_at__isnull=False, state="pending", then=models.Value(2)),
    models.When(state="pending", then=models.Value(1)),
    default=models.Value(0),
    output_field=models.IntegerField(),
)


def private_storage() -> Storage:
    """Return the storage of files that only views serve, to those who may see them."""
    return storages["private"]


def receipt_path(deposit: Deposit, name: str) -> str:
    """Return a path with a random name: the customer's own is untrusted."""
    return f"receipts/{uuid4().hex}{PurePath(name).suffix.lower()[:5]}"


class PaymentMethod(WithFee):
    """A payment method, as the owner set it up. `kind` is the code of its module in billing/methods."""

    kind = models.CharField(max_length=30, default="transfer")
    name = models.CharField(max_length=80, help_text="What customers choose, such as “Bank transfer”.")
    instructions = models.TextField(blank=True, max_length=5_000, help_text="How to pay, in your words.")
    minimum = models.BigIntegerField()
    maximum = models.BigIntegerField()
    bonus_bp = models.IntegerField("bonus", default=0, help_text="Basis points: 500 is 5%.")
    tiers = models.JSONField(
        "bonus by amount", null=True, blank=True, help_text="Pairs of least micro-units and basis points."
    )
    credentials_encrypted = models.TextField(blank=True, default="", db_default="")
    reached_at = models.DateTimeField(
        null=True, blank=True, editable=False, help_text="When its gateway last answered."
    )
    last_error = models.CharField(max_length=300, blank=True, default="", db_default="", editable=False)
    options = models.JSONField(
        null=True, blank=True, editable=False, help_text="What customers may choose, as its gateway said it last."
    )
    options_at = models.DateTimeField(null=True, blank=True, editable=False, help_text="When its gateway said so.")
    options_due_at = models.DateTimeField(null=True, blank=True, editable=False)
    is_sandbox = models.BooleanField(
        "sandbox", default=False, db_default=False, help_text="For trying it out: nothing is ever credited."
    )
    position = models.PositiveIntegerField(default=0)
    is_active = models.BooleanField("offered", default=True)
    hours_open = models.PositiveIntegerField(
        "hours open",
        default=72,
        db_default=72,
        help_text="After these a request does not count as waiting. Money that comes later is credited all the same.",
    )
    max_payment = models.BigIntegerField(
        null=True, blank=True, help_text="A larger payment waits for staff. Empty: no limit."
    )
    max_day = models.BigIntegerField(
        null=True, blank=True, help_text="What comes in above it in 24 hours waits for staff. Empty: no limit."
    )

    has_unique_amounts = models.BooleanField(
        "a unique amount for each request",
        default=False,
        db_default=False,
        help_text=(
            "For ways to pay without a reference: each request is raised by a few cents, so that no two open ones ask "
            "for the same amount. What is added is what came in."
        ),
    )

    class Meta:
        ordering = ("position", "pk")
        constraints = (
            models.CheckConstraint(
                condition=Q(minimum__gt=0, minimum__lte=models.F("maximum"), maximum__lte=MAX_MICROS),
                name="payment_method_limits",
            ),
            models.CheckConstraint(
                condition=Q(bonus_bp__gte=0, bonus_bp__lte=BASIS), name="payment_method_bonus_range"
            ),
            models.CheckConstraint(condition=FEE_IN_RANGE, name="payment_method_fee_range"),
        )

    def __str__(self) -> str:
        return self.name

    @property
    def bonus_terms(self) -> BonusTerms:
        return BonusTerms.of(self.bonus_bp, self.tiers)


class Deposit(WithFee):
    """A payment that a customer announced. Approval credits it once, with the bonus promised at the request.

    `amount` is what the customer wants to add, and pays, with a fee on top if the customer bears it. `credited` is what
    came in; of it the wallet got all but the `fee`, and the `bonus` besides.
    """

    class State(models.TextChoices):
        PENDING = "pending", _("Waiting")
        APPROVED = "approved", _("Added")
        REFUSED = "refused", _("Refused")
        CANCELED = "canceled", _("Canceled")

    # Other indexes begin with it.
    customer = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="deposits", db_index=False
    )
    method = models.ForeignKey(PaymentMethod, on_delete=models.PROTECT, related_name="deposits")
    amount = models.BigIntegerField()
    raised = models.BigIntegerField(
        default=0,
        db_default=0,
        help_text="What of the amount was put on top, so that no other open request of the method asks for the same.",
    )
    bonus_bp = models.IntegerField(default=0, help_text="As it was promised.")
    tiers = models.JSONField(null=True, blank=True, help_text="As they were promised.")
    credited = models.BigIntegerField(null=True, blank=True)
    fee = models.BigIntegerField(default=0, db_default=0)
    bonus = models.BigIntegerField(default=0)
    reference = models.CharField(max_length=200, blank=True)
    option = models.CharField(
        max_length=40, blank=True, default="", db_default="", help_text="What the customer chose: a coin on a network."
    )
    code = models.CharField(
        max_length=8, null=True, blank=True, unique=True, help_text="What the payer writes with the payment."
    )
    receipt = models.FileField(storage=private_storage, upload_to=receipt_path, blank=True, max_length=200)
    receipt_name = models.CharField(max_length=200, blank=True, help_text="What the customer called the file.")
    state = models.CharField(max_length=10, choices=State.choices, default=State.PENDING)
    note = models.CharField(max_length=300, blank=True, help_text="Why, in words for the customer.")
    request_key = models.CharField(max_length=64, help_text="One deposit per customer and key: a double click.")
    created_at = models.DateTimeField(default=timezone.now)
    paid_at = models.DateTimeField(null=True, blank=True, help_text="When the customer said that they had paid.")
    expires_at = models.DateTimeField(null=True, blank=True, help_text="Until then it counts as waiting.")
    decided_at = models.DateTimeField(null=True, blank=True)
    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )

    # The queue of mails: when to send the mail about the state; null if the customer knows it.
    mail_due_at = models.DateTimeField(null=True, blank=True, default=timezone.now)
    mail_attempts = models.PositiveSmallIntegerField(default=0)

    class Meta:
        ordering = ("-pk",)
        permissions = (("decide_deposit", "Can approve and refuse deposits"),)
        constraints = (
            models.UniqueConstraint(fields=("customer", "request_key"), name="deposit_one_per_request"),
            models.CheckConstraint(condition=Q(amount__gt=0, amount__lte=MAX_MICROS), name="deposit_amount_range"),
            models.CheckConstraint(condition=Q(bonus_bp__gte=0, bonus_bp__lte=BASIS), name="deposit_bonus_range"),
            models.CheckConstraint(
                condition=Q(state="approved", credited__gt=0, credited__lte=MAX_MICROS, bonus__gte=0)
                | Q(~Q(state="approved"), credited=None, bonus=0),
                name="deposit_credited_when_approved",
            ),
            models.CheckConstraint(
                condition=Q(state="pending", decided_at=None) | Q(~Q(state="pending"), decided_at__isnull=False),
                name="deposit_decided_has_a_time",
            ),
            models.CheckConstraint(condition=FEE_IN_RANGE, name="deposit_fee_range"),
            # A fee never takes all that came in.
            models.CheckConstraint(
                condition=Q(fee=0) | Q(state="approved", fee_payer="customer", fee__gt=0, fee__lt=models.F("credited")),
                name="deposit_fee_taken",
            ),
            models.CheckConstraint(condition=Q(raised__gte=0), name="deposit_raised_not_negative"),
            models.UniqueConstraint(
                fields=("method", "amount"),
                condition=Q(state="pending", raised__gt=0),
                name="deposit_amount_unique_while_open",
            ),
        )
        indexes = (
            models.Index(fields=("customer", "-id"), name="deposit_of_customer"),
            models.Index(fields=("created_at",), condition=Q(state="pending"), name="deposit_to_decide"),
            models.Index(fields=("mail_due_at",), condition=Q(mail_due_at__isnull=False), name="deposit_to_mail"),
            # What was decided lately, for customers' news.
            models.Index(fields=("decided_at",), condition=Q(decided_at__isnull=False), name="deposit_by_decision"),
            # The last ones that were added, for how long it usually takes.
            models.Index(fields=("method", "-decided_at"), condition=Q(state="approved"), name="deposit_added_lately"),
            models.Index(DEPOSIT_RANK.desc(), models.F("id").desc(), name="deposit_waiting_first"),
            models.Index(fields=("reference",), condition=~Q(reference=""), name="deposit_by_reference"),
        )

    def __str__(self) -> str:
        return f"Deposit {self.pk}"

    @property
    def bonus_terms(self) -> BonusTerms:
        """Return what bonus was promised."""
        return BonusTerms.of(self.bonus_bp, self.tiers)

    @property
    def to_pay(self) -> int:
        """Return what the customer was asked to pay, in micro-units: what is to be added, and the fee on it."""
        return self.fee_terms.to_pay(self.amount)

    @property
    def net(self) -> int:
        """Return what of the money that came in was added to the wallet, in micro-units."""
        return (self.credited or 0) - self.fee

    @property
    def added(self) -> int:
        """Return what the wallet got in all, with the bonus, in micro-units."""
        return self.net + self.bonus
