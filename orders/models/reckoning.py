"""The money we have at providers, reckoned. Amounts are micro-units of the provider's own currency."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils import timezone

from catalog.models import Provider


class ProviderMoney(models.Model):
    """Our balance at one provider: the last reading that our orders explained (the base), and the latest one.

    `base_asked_at` is when that balance was requested and `base_read_at` when it was answered. `base_attempts` are the
    primary keys of attempts that it may or may not include: being sent at that moment, or in doubt.
    """

    provider = models.OneToOneField(Provider, primary_key=True, on_delete=models.PROTECT, related_name="money")
    account = models.CharField(max_length=32, help_text="A fingerprint of the account that the balances are of.")
    currency = models.CharField(max_length=5)
    base_balance = models.BigIntegerField()
    base_asked_at = models.DateTimeField()
    base_read_at = models.DateTimeField()
    base_attempts = models.JSONField(default=list, blank=True)
    # The latest reading, and what was explained at that time. `unexplained` is 0 if the two agree.
    balance = models.BigIntegerField()
    asked_at = models.DateTimeField()
    read_at = models.DateTimeField()
    lowest = models.BigIntegerField()
    highest = models.BigIntegerField()
    unexplained = models.BigIntegerField(default=0)

    def __str__(self) -> str:
        return f"Money at {self.provider}"


class MoneyDay(models.Model):
    """One day's money at one provider, up to the last reading that agreed. Written by the reckoning alone.

    opening + topped up − other spending − spent + unexplained = closing. `expected` is the part of `spent` that the
    provider has returned no charge for; `doubts` is what orders in doubt may cost on top. `carried` is what the day
    before left unexplained, which the answers of this day may explain.
    """

    provider = models.ForeignKey(Provider, on_delete=models.PROTECT, related_name="money_days", db_index=False)
    day = models.DateField()
    currency = models.CharField(max_length=5)
    opening = models.BigIntegerField()
    topped_up = models.BigIntegerField(default=0)
    other = models.BigIntegerField(default=0)
    spent = models.BigIntegerField(default=0)
    expected = models.BigIntegerField(default=0)
    doubts = models.BigIntegerField(default=0)
    unexplained = models.BigIntegerField(default=0)
    carried = models.BigIntegerField(default=0)
    closing = models.BigIntegerField()

    class Meta:
        ordering = ("-day", "provider")
        verbose_name = "providers' money by day"
        verbose_name_plural = "providers' money"
        constraints = (
            models.UniqueConstraint(fields=("provider", "day", "currency"), name="money_day_once"),
            models.CheckConstraint(
                condition=Q(
                    closing=F("opening") + F("topped_up") - F("other") - F("spent") + F("unexplained"),
                ),
                name="money_day_adds_up",
            ),
        )
        indexes = (models.Index(fields=("day",), name="money_day_by_day"),)

    def __str__(self) -> str:
        return f"{self.provider} on {self.day}"

    @property
    def surplus(self) -> int:
        """Return by how much balances that agreed were too high: a refund shows there before an answer shows it."""
        return max(0, self.unexplained + max(0, self.carried))

    @property
    def shortage(self) -> int:
        """Return by how much balances that agreed were too low: so does a charge above the expected cost."""
        return max(0, -self.unexplained - min(0, self.carried))


class MoneyEntry(models.Model):
    """Money that staff say they paid to a provider, or that was spent there outside this panel. Never changed.

    `counted_at` is when the reckoning took it into account: the balance may show a top-up later than staff pay it.
    """

    class Kind(models.TextChoices):
        TOP_UP = "top_up", "Top-up"
        SPENDING = "spending", "Other spending"

    provider = models.ForeignKey(Provider, on_delete=models.PROTECT, related_name="money_entries")
    kind = models.CharField(max_length=10, choices=Kind.choices)
    amount = models.BigIntegerField()
    currency = models.CharField(max_length=5)
    note = models.CharField(max_length=300, blank=True)
    key = models.CharField(max_length=64, unique=True, help_text="One entry per form, however often it is sent.")
    actor = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+", db_index=False)
    created_at = models.DateTimeField(default=timezone.now)
    counted_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ("-pk",)
        constraints = (models.CheckConstraint(condition=Q(amount__gt=0), name="money_entry_positive"),)

    def __str__(self) -> str:
        return f"{self.get_kind_display()} at {self.provider}"


class CostCorrection(models.Model):
    """By how much a batch of answers changed what orders cost. Removed once the reckoning has counted it.

    `amount` is more (or less, if negative) than was counted of these orders before. `confirmed` is the expected cost
    that returned charges have replaced.
    """

    provider = models.ForeignKey(Provider, on_delete=models.PROTECT, related_name="+")
    amount = models.BigIntegerField()
    confirmed = models.BigIntegerField(default=0)
    at = models.DateTimeField()

    def __str__(self) -> str:
        return f"Correction {self.pk}"


class DailySpending(models.Model):
    """What the orders that were sent to a provider on one day are expected to cost. Kept only under a daily limit.

    `stopped_at` is the limit that stopped sending.
    """

    provider = models.ForeignKey(Provider, on_delete=models.PROTECT, related_name="+", db_index=False)
    day = models.DateField()
    sent = models.BigIntegerField(default=0)
    stopped_at = models.BigIntegerField(null=True, blank=True)

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=("provider", "day"), name="daily_spending_once"),
            models.CheckConstraint(condition=Q(sent__gte=0), name="daily_spending_not_negative"),
        )

    def __str__(self) -> str:
        return f"{self.provider} on {self.day}"
