"""Coupons, and their redemptions. Amounts are micro-units."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Upper
from django.utils import timezone

from billing.models.deposits import Deposit, PaymentMethod
from panel.lib.money import BASIS, MAX_MICROS


def bonus_on(credited: int, terms: Coupon | Redemption) -> int:
    """Return what a coupon on these terms adds to `credited` micro-units in all, rounded down; 0 below its minimum."""
    if credited < terms.minimum:
        return 0
    return terms.amount or credited * terms.bonus_bp // BASIS


class Coupon(models.Model):
    """A code that adds a percentage or an amount to a deposit. `uses` counts those that are promised or given."""

    code = models.CharField(max_length=30, unique=True, help_text="What customers type, in any case.")
    bonus_bp = models.IntegerField("percent", default=0)
    amount = models.BigIntegerField("or amount", default=0)
    minimum = models.BigIntegerField(default=0, help_text="The smallest deposit that it is for.")
    is_for_first = models.BooleanField("first deposit only", default=False)
    methods = models.ManyToManyField(PaymentMethod, blank=True, related_name="coupons", help_text="None for all.")
    starts_at = models.DateTimeField(null=True, blank=True)
    ends_at = models.DateTimeField(null=True, blank=True)
    max_uses = models.PositiveIntegerField("uses in all", null=True, blank=True, help_text="Empty for no limit.")
    max_uses_each = models.PositiveIntegerField("uses of each customer", default=1)
    uses = models.PositiveIntegerField(default=0, editable=False)
    is_active = models.BooleanField("offered", default=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering = ("-pk",)
        constraints = (
            models.UniqueConstraint(Upper("code"), name="coupon_code_unique_ignoring_case"),
            models.CheckConstraint(
                condition=Q(bonus_bp__gt=0, bonus_bp__lte=BASIS, amount=0)
                | Q(bonus_bp=0, amount__gt=0, amount__lte=MAX_MICROS),
                name="coupon_percent_or_amount",
            ),
            # Backs up the conditional update: a coupon is never used more often than it may be.
            models.CheckConstraint(condition=Q(max_uses=None) | Q(uses__lte=F("max_uses")), name="coupon_uses_in_all"),
            models.CheckConstraint(condition=Q(minimum__gte=0, minimum__lte=MAX_MICROS), name="coupon_minimum_range"),
        )

    def __str__(self) -> str:
        return self.code

    def bonus_of(self, credited: int) -> int:
        """Return what the coupon adds to `credited` micro-units in all, rounded down."""
        return bonus_on(credited, self)


class Redemption(models.Model):
    """A coupon that a deposit was promised, on the terms of that moment. `given_back_at`: others may use it again."""

    coupon = models.ForeignKey(Coupon, on_delete=models.PROTECT, related_name="redemptions", db_index=False)
    deposit = models.OneToOneField(Deposit, on_delete=models.PROTECT, related_name="redemption")
    customer = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+", db_index=False)
    bonus_bp = models.IntegerField(default=0)
    amount = models.BigIntegerField(default=0)
    minimum = models.BigIntegerField(default=0)
    created_at = models.DateTimeField(default=timezone.now)
    given_back_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ("-pk",)
        indexes = (
            models.Index(fields=("coupon", "customer"), name="redemption_of_customer"),
            models.Index(fields=("customer",), name="redemption_by_customer"),
        )

    def __str__(self) -> str:
        return f"{self.coupon} for deposit {self.deposit_id}"

    def bonus_of(self, credited: int) -> int:
        """Return what the coupon adds to `credited` micro-units in all, on the terms promised."""
        return bonus_on(credited, self)
