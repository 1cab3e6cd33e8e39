"""Wallets and their entries. Amounts are micro-units; only `billing/ledger.py` writes either table."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import NullIf
from django.utils import timezone
from django.utils.translation import gettext_noop as _

from billing.constraints import BALANCE_KEY, EMPTY_CHECK, CompositeForeignKey
from billing.models.guarded import Guarded
from panel.lib.money import MAX_MICROS


class OrderHold(models.TextChoices):
    """Whether a customer's orders are held, see billing/order_holds.py."""

    HELD = "held", "Held"
    ENDING = "ending", "Being queued again"


class Wallet(Guarded):
    """A customer's prepaid money. `entry_count` counts the entries, so that their numbers have no gaps.

    `last_seq` is the number of the last entry, None without one.
    """

    customer = models.OneToOneField(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="wallet")
    balance = models.BigIntegerField(default=0)
    credit_limit = models.BigIntegerField(default=0, help_text="How far below zero the balance may go.")
    entry_count = models.BigIntegerField(default=0, db_column="version")
    # Computed by the database, so a release without this column still posts.
    last_seq = models.GeneratedField(
        expression=NullIf(F("entry_count"), 0),
        output_field=models.BigIntegerField(null=True),
        db_persist=True,
        serialize=False,
    )
    # In this row, which each order locks: an order that is created at the same moment is before the hold or after it.
    order_hold = models.CharField(max_length=10, choices=OrderHold.choices, null=True, blank=True)
    created_at = models.DateTimeField(default=timezone.now)

    # Changing it moves no money; the ledger's condition and a check below enforce it.
    free_columns = frozenset({"credit_limit"})

    class Meta(Guarded.Meta):
        constraints = (
            # The balance must be that of the last entry. Without entries `last_seq` is NULL, and nothing is checked.
            CompositeForeignKey(
                columns=("id", "last_seq", "balance"),
                to_table="billing_entry",
                to_columns=("wallet_id", "seq", "balance_after"),
                name=BALANCE_KEY,
            ),
            models.CheckConstraint(condition=Q(entry_count__gt=0) | Q(entry_count=0, balance=0), name=EMPTY_CHECK),
            # Backs up the conditional update: no code path can overdraw a wallet.
            models.CheckConstraint(condition=Q(balance__gte=-F("credit_limit")), name="wallet_not_overdrawn"),
            models.CheckConstraint(
                condition=Q(balance__gte=-MAX_MICROS, balance__lte=MAX_MICROS), name="wallet_balance_range"
            ),
            models.CheckConstraint(
                condition=Q(credit_limit__gte=0, credit_limit__lte=MAX_MICROS), name="wallet_credit_limit_range"
            ),
        )
        indexes = (
            models.Index(fields=("order_hold",), condition=Q(order_hold__isnull=False), name="wallet_order_hold"),
        )

    def __str__(self) -> str:
        return f"Wallet of {self.customer}"


# Kinds of entries that money which comes in brings, by their values: also of a release that takes fees from it.
MONEY_IN = ("deposit", "bonus", "fee")


class Entry(Guarded):
    """One movement of a wallet. Triggers refuse to change or delete it."""

    class Kind(models.TextChoices):
        """The house account on the other side, which keeps the books balanced by construction."""

        DEPOSIT = "deposit", _("Funds added")
        ORDER = "order", _("Order")
        REFUND = "refund", _("Refund")
        ADJUSTMENT = "adjustment", _("Adjustment")
        BONUS = "bonus", _("Bonus")
        DRIP_FEED = "drip_feed", _("Drip-feed")
        FEE = "fee", _("Fee")

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

    class Meta(Guarded.Meta):
        ordering = ("-wallet_id", "-seq")
        verbose_name_plural = "entries"
        constraints = (
            models.UniqueConstraint(fields=("wallet", "seq"), name="entry_seq_unique"),
            # The target of a wallet's foreign key.
            models.UniqueConstraint(fields=("wallet", "seq", "balance_after"), name="entry_balance_unique"),
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
            # The staff's list of a kind, the latest first.
            models.Index(fields=("kind", "-id"), name="entry_of_kind"),
            # What came in by day: few among all entries.
            models.Index(fields=("created_at",), condition=Q(kind__in=MONEY_IN), name="entry_of_money_in"),
        )

    def __str__(self) -> str:
        return f"{self.wallet_id}/{self.seq}"
