"""Providers, what they list, and what the panel sells of it.

`UpstreamService` belongs to the sync and `Service` to the owner: neither writes the other's columns,
except `Service.cost` and `Service.price`, which follow from both and are stored to be sorted and sold by.
"""

from __future__ import annotations

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q
from django.utils import timezone

from catalog.types import SPECS
from panel.money import EXCHANGE_ONE, MAX_MICROS, MICRO

MAX_BP = 10_000_000
_PERCENT_HELP = "Basis points: 2,500 is 25 %."


class PricePolicy(models.Model):
    """The panel's own margin and price step: one row."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=1, editable=False)
    margin_bp = models.IntegerField("margin", default=2_500, help_text=_PERCENT_HELP)
    margin_fixed = models.BigIntegerField("fixed margin per 1000", default=0)
    minimum_margin_bp = models.IntegerField("minimum margin", default=0, help_text=_PERCENT_HELP)
    price_step = models.BigIntegerField("price step", default=100)

    class Meta:
        verbose_name = "panel margin"
        verbose_name_plural = "panel margin"
        constraints = (
            models.CheckConstraint(condition=Q(id=1), name="price_policy_is_one_row"),
            models.CheckConstraint(
                condition=Q(price_step__gte=1, price_step__lte=1_000 * MICRO), name="price_policy_step_range"
            ),
            models.CheckConstraint(
                condition=Q(margin_bp__gte=0, margin_bp__lte=MAX_BP)
                & Q(minimum_margin_bp__gte=0, minimum_margin_bp__lte=MAX_BP)
                & Q(margin_fixed__gte=0, margin_fixed__lte=MAX_MICROS),
                name="price_policy_margin_range",
            ),
        )

    def __str__(self) -> str:
        return "Panel margin"


class Provider(models.Model):
    """A panel that we buy from: its address, its key, its currency and the margin on what it sells."""

    name = models.CharField(max_length=80, unique=True)
    api_url = models.URLField("API URL", max_length=300)
    api_key_encrypted = models.TextField(editable=False)
    currency = models.CharField(max_length=5, default="USD", help_text="What it bills in.")
    exchange_rate = models.BigIntegerField(
        default=EXCHANGE_ONE,
        help_text="Panel currency for one unit of the provider's, in units of 10⁻¹².",
    )
    margin_bp = models.IntegerField("margin", null=True, blank=True, help_text="Empty: the panel's.")
    margin_fixed = models.BigIntegerField(
        "fixed margin per 1000", null=True, blank=True, help_text="Empty: the panel's."
    )
    is_active = models.BooleanField(
        default=True,
        help_text="While off, nothing is sold from it or sent to it. Open orders are still followed.",
    )
    publish_new = models.BooleanField(
        "put new services on sale", default=True, help_text="While off, new services wait until you put them on sale."
    )
    max_parallel_adds = models.PositiveSmallIntegerField(
        default=1,
        validators=(MinValueValidator(1), MaxValueValidator(20)),
        help_text="Orders sent at the same time. One keeps every doubtful order traceable.",
    )
    max_parallel_polls = models.PositiveSmallIntegerField(
        "status calls at the same time",
        default=2,
        validators=(MinValueValidator(1), MaxValueValidator(10)),
        help_text="Each asks about up to 100 orders. More help where the provider answers slowly.",
    )
    request_id_parameter = models.CharField(
        "request ID parameter",
        max_length=40,
        blank=True,
        help_text=(
            "Only if the provider's documentation promises that an order repeated with the same value of this "
            "parameter is taken once. Doubtful orders are then settled by asking again. Empty: it has none."
        ),
    )
    promise_unchecked = models.BigIntegerField(
        null=True,
        editable=False,
        help_text="The repeated order that may have been taken twice, for all we know yet.",
    )
    probes_ids = models.BooleanField(
        "look for doubtful orders",
        default=True,
        help_text="Asks for the status of the order ids around a doubtful order, to find it.",
    )
    probe_note = models.CharField(max_length=300, blank=True, editable=False)
    probe_works = models.BooleanField(null=True, editable=False, help_text="Whether its order ids can be looked for.")
    probe_checked_at = models.DateTimeField(null=True, editable=False)
    paused_until = models.DateTimeField(null=True, blank=True)
    pause_reason = models.CharField(max_length=200, blank=True)
    polling_until = models.DateTimeField(null=True, blank=True, editable=False)
    polling_failures = models.PositiveSmallIntegerField(default=0, editable=False)
    pause_count = models.PositiveSmallIntegerField(default=0, editable=False)
    balance = models.BigIntegerField(null=True, blank=True, help_text="In its own currency.")
    balance_checked_at = models.DateTimeField(null=True, blank=True)
    last_synced_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ("name",)
        constraints = (
            # A rate of 0 would make everything free.
            models.CheckConstraint(
                condition=Q(exchange_rate__gt=0, exchange_rate__lte=10**18), name="provider_exchange_rate_range"
            ),
            models.CheckConstraint(
                condition=Q(margin_bp=None) | Q(margin_bp__gte=0, margin_bp__lte=MAX_BP),
                name="provider_margin_range",
            ),
            models.CheckConstraint(
                condition=Q(margin_fixed=None) | Q(margin_fixed__gte=0, margin_fixed__lte=MAX_MICROS),
                name="provider_margin_fixed_range",
            ),
        )

    def __str__(self) -> str:
        return self.name


class UpstreamService(models.Model):
    """One row of a provider's list, as it stands there now. Written by the sync alone."""

    provider = models.ForeignKey(Provider, on_delete=models.PROTECT, related_name="upstream_services")
    external_id = models.CharField(max_length=64)
    name = models.CharField(max_length=500)
    category = models.CharField(max_length=200)
    type = models.CharField(max_length=60)
    rate = models.BigIntegerField(help_text="Micro-units of the provider's currency per 1000, or a package.")
    min_quantity = models.BigIntegerField()
    max_quantity = models.BigIntegerField()
    refill = models.BooleanField(default=False)
    cancel = models.BooleanField(default=False)
    dripfeed = models.BooleanField(default=False)
    description = models.TextField(blank=True)
    is_listed = models.BooleanField(default=True, help_text="Off: it vanished from the provider's list.")
    first_seen_at = models.DateTimeField(default=timezone.now)
    changed_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=("provider", "external_id"), name="upstream_service_unique"),
            models.CheckConstraint(condition=Q(rate__gte=0, rate__lte=MAX_MICROS), name="upstream_service_rate_range"),
        )

    def __str__(self) -> str:
        return f"{self.external_id} · {self.name}"


class Category(models.Model):
    """A shelf of the shop."""

    name = models.CharField(max_length=200, unique=True)
    position = models.PositiveIntegerField(default=0)

    class Meta:
        ordering = ("position", "name")
        verbose_name_plural = "categories"

    def __str__(self) -> str:
        return self.name


class Service(models.Model):
    """What the panel sells. `cost` and `price` are micro-units of the panel's currency per 1000 (or a package)."""

    upstream = models.ForeignKey(UpstreamService, on_delete=models.PROTECT, related_name="services")
    category = models.ForeignKey(Category, on_delete=models.PROTECT, related_name="services")
    name = models.CharField(max_length=500)
    description = models.TextField(blank=True)
    position = models.PositiveIntegerField(default=0)
    is_on_sale = models.BooleanField("on sale", default=False)
    margin_bp = models.IntegerField("margin", null=True, blank=True, help_text="Empty: inherited.")
    margin_fixed = models.BigIntegerField("fixed margin per 1000", null=True, blank=True, help_text="Empty: inherited.")
    min_quantity = models.BigIntegerField(null=True, blank=True, help_text="Empty: the provider's.")
    max_quantity = models.BigIntegerField(null=True, blank=True, help_text="Empty: the provider's.")
    cost = models.BigIntegerField(default=0, editable=False)
    price = models.BigIntegerField(default=0, editable=False)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ("category", "position", "pk")
        constraints = (
            # A service without a price must not be for sale, whatever the provider's list said.
            models.CheckConstraint(
                condition=Q(is_on_sale=False) | Q(price__gt=0, price__lte=MAX_MICROS),
                name="service_on_sale_has_a_price",
            ),
            models.CheckConstraint(
                condition=Q(cost__gte=0, cost__lte=MAX_MICROS) & Q(price__gte=0, price__lte=MAX_MICROS),
                name="service_money_range",
            ),
            models.CheckConstraint(
                condition=Q(margin_bp=None) | Q(margin_bp__gte=0, margin_bp__lte=MAX_BP),
                name="service_margin_range",
            ),
            models.CheckConstraint(
                condition=Q(margin_fixed=None) | Q(margin_fixed__gte=0, margin_fixed__lte=MAX_MICROS),
                name="service_margin_fixed_range",
            ),
        )
        indexes = (models.Index(fields=("is_on_sale", "category", "position"), name="service_shelf"),)

    def __str__(self) -> str:
        return f"{self.pk} · {self.name}"

    @property
    def type(self) -> str:
        return self.upstream.type

    @property
    def is_package(self) -> bool:
        """Whether `price` is that of one package instead of 1000."""
        spec = SPECS.get(self.upstream.type)
        return spec is not None and spec.is_package

    @property
    def lowest_quantity(self) -> int:
        """The owner's limit can only narrow the provider's."""
        return max(self.upstream.min_quantity, self.min_quantity or 0, 1)

    @property
    def highest_quantity(self) -> int:
        own = self.max_quantity
        return self.upstream.max_quantity if own is None else min(self.upstream.max_quantity, own)


class SyncRun(models.Model):
    """One import of a provider's list, and how it ended."""

    class Outcome(models.TextChoices):
        RUNNING = "running", "Running"
        APPLIED = "applied", "Applied"
        REFUSED = "refused", "Refused"
        FAILED = "failed", "Failed"

    provider = models.ForeignKey(Provider, on_delete=models.CASCADE, related_name="sync_runs")
    outcome = models.CharField(max_length=10, choices=Outcome.choices, default=Outcome.RUNNING)
    reason = models.CharField(max_length=500, blank=True)
    listed = models.PositiveIntegerField(default=0)
    added = models.PositiveIntegerField(default=0)
    changed = models.PositiveIntegerField(default=0)
    vanished = models.PositiveIntegerField(default=0)
    returned = models.PositiveIntegerField(default=0)
    skipped = models.JSONField(default=list, blank=True, help_text="[[position, id, reason], …]")
    started_at = models.DateTimeField(default=timezone.now)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ("-started_at", "-pk")
        verbose_name = "import"

    def __str__(self) -> str:
        return f"{self.provider} {self.started_at:%Y-%m-%d %H:%M}"
