"""Wallets and their entries. Amounts are micro-units; only `billing/ledger.py` writes either table."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils import timezone

from panel.lib.money import MAX_MICROS


class Wallet(models.Model):
    """A customer's prepaid money. `version` counts the entries, so that their numbers have no gap."""

    customer = models.OneToOneField(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="wallet")
    balance = models.BigIntegerField(default=0)
    credit_limit = models.BigIntegerField(default=0, help_text="How far below zero the balance may go.")
    version = models.BigIntegerField(default=0)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = (
            # The backstop of the conditional update: no code path can overdraw a wallet.
            models.CheckConstraint(condition=Q(balance__gte=-F("credit_limit")), name="wallet_not_overdrawn"),
            models.CheckConstraint(
                condition=Q(balance__gte=-MAX_MICROS, balance__lte=MAX_MICROS), name="wallet_balance_range"
            ),
            models.CheckConstraint(
                condition=Q(credit_limit__gte=0, credit_limit__lte=MAX_MICROS), name="wallet_credit_limit_range"
            ),
        )

    def __str__(self) -> str:
        return f"Wallet of {self.customer}"


class Entry(models.Model):
    """One movement of a wallet. Never changed or deleted: triggers refuse both."""

    class Kind(models.TextChoices):
        """The house account on the other side, which is why the books balance by construction."""

        DEPOSIT = "deposit", "Funds added"
        ORDER = "order", "Order"
        REFUND = "refund", "Refund"
        ADJUSTMENT = "adjustment", "Adjustment"
        BONUS = "bonus", "Bonus"
        DRIP_FEED = "drip_feed", "Drip-feed"

    # Other indexes begin with it.
    wallet = models.ForeignKey(Wallet, on_delete=models.PROTECT, related_name="entries", db_index=False)
    seq = models.BigIntegerField()
    amount = models.BigIntegerField()
    balance_after = models.BigIntegerField()
    kind = models.CharField(max_length=12, choices=Kind.choices)
    key = models.CharField(max_length=100, unique=True, help_text="Chosen by the caller: one posting per key.")
    order_ref = models.BigIntegerField(null=True, blank=True, db_index=True)
    drip_ref = models.BigIntegerField(
        null=True, blank=True, help_text="The drip-feed whose runs were paid or given back."
    )
    memo = models.CharField(max_length=300, blank=True)
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ("-wallet_id", "-seq")
        verbose_name_plural = "entries"
        constraints = (
            models.UniqueConstraint(fields=("wallet", "seq"), name="entry_seq_unique"),
            models.CheckConstraint(condition=~Q(amount=0), name="entry_amount_not_zero"),
            models.CheckConstraint(
                condition=Q(amount__gte=-MAX_MICROS, amount__lte=MAX_MICROS), name="entry_amount_range"
            ),
            models.CheckConstraint(condition=Q(order_ref=None) | Q(drip_ref=None), name="entry_one_cause"),
        )
        indexes = (
            models.Index(fields=("drip_ref",), condition=Q(drip_ref__isnull=False), name="entry_of_drip_feed"),
            # The customer's list, by each of its filters.
            models.Index(fields=("wallet", "kind", "-seq"), name="entry_by_kind"),
            models.Index(fields=("wallet", "created_at"), name="entry_by_day"),
        )

    def __str__(self) -> str:
        return f"{self.wallet_id}/{self.seq}"
