"""The panel's margin, and the providers."""

from __future__ import annotations

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q
from django.utils import timezone

from panel.lib.money import EXCHANGE_ONE, MAX_MICROS, MICRO

MAX_BP = 10_000_000
_PERCENT_HELP = "Basis points: 2,500 is 25%."


class PricePolicy(models.Model):
    """The panel's margin and price step, in one row."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=1, editable=False)
    margin_bp = models.IntegerField("margin", default=2_500, help_text=_PERCENT_HELP)
    margin_fixed = models.BigIntegerField("fixed margin per 1000", default=0)
    minimum_margin_bp = models.IntegerField("minimum margin", default=0, help_text=_PERCENT_HELP)
    price_step = models.BigIntegerField("price step", default=100)
    confirmed_minimum_bp = models.IntegerField(
        null=True, editable=False, help_text="The minimum margin that an owner last confirmed. Null: as it is."
    )

    class Meta:
        permissions = (("change_floor", "Can set exchange rates, currencies and the minimum margin"),)
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


class OnRise(models.TextChoices):
    """What an import does with a service whose old price would leave less than the minimum margin."""

    REPRICE = "reprice", "Raise its price"
    OFF_SALE = "off_sale", "Take it off sale"


class Provider(models.Model):
    """A panel that we buy from: address, key, currency, and the margin on its services."""

    name = models.CharField(max_length=80, unique=True)
    api_url = models.URLField("API URL", max_length=300)
    api_key_encrypted = models.TextField(editable=False)
    currency = models.CharField(max_length=5, default="USD", help_text="What it bills in.")
    exchange_rate = models.BigIntegerField(
        default=EXCHANGE_ONE,
        help_text="Panel currency for one unit of the provider's, in units of 10⁻¹².",
    )
    confirmed_exchange_rate = models.BigIntegerField(
        null=True,
        editable=False,
        help_text="As of the first import, or as an owner last confirmed it. Losses are judged by it. Null: as it is.",
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
    on_rise = models.CharField(
        "when a rate rises past the minimum margin",
        max_length=8,
        choices=OnRise.choices,
        default=OnRise.REPRICE,
        help_text="Either way nothing is sold below the cost plus the minimum margin, and the change waits for you.",
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
            "parameter is taken once. Orders in doubt are then resolved by sending them again. Empty: it has none."
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
    pause_kind = models.CharField(max_length=16, blank=True, default="", db_default="", editable=False)
    pause_amount = models.BigIntegerField(
        null=True, blank=True, editable=False, help_text="What our balance lacks at least, in its own currency."
    )
    failures_in_row = models.PositiveSmallIntegerField(
        default=0, db_default=0, editable=False, help_text="Orders without a clear answer since the last one."
    )
    refusals_in_row = models.PositiveSmallIntegerField(
        default=0, db_default=0, editable=False, help_text="Orders refused for good since an accepted one."
    )
    unknown_in_row = models.PositiveSmallIntegerField(
        default=0,
        db_default=0,
        editable=False,
        help_text="Orders refused in unknown words since an accepted one.",
    )
    balance = models.BigIntegerField(null=True, blank=True, help_text="In its own currency.")
    balance_checked_at = models.DateTimeField(null=True, blank=True)
    balance_asked_at = models.DateTimeField(
        null=True, blank=True, editable=False, help_text="When the stored balance was requested."
    )
    balance_currency = models.CharField(
        max_length=20,
        blank=True,
        default="",
        db_default="",
        editable=False,
        help_text="What the last answer about the balance was in; empty: it did not say.",
    )
    dialect = models.JSONField(
        null=True,
        blank=True,
        editable=False,
        help_text="How its API differs from the standard, as catalog.upstream.dialect writes it. Null: it does not.",
    )
    daily_limit = models.BigIntegerField(
        "daily spending limit",
        null=True,
        blank=True,
        help_text="In its own currency. An order that would pass it waits for the next day. Empty: no limit.",
    )
    low_balance = models.BigIntegerField(
        "alert below a balance of",
        null=True,
        blank=True,
        help_text="In its own currency. Empty: by days alone.",
    )
    low_balance_days = models.PositiveSmallIntegerField(
        "alert if it lasts for less than",
        null=True,
        blank=True,
        validators=(MaxValueValidator(365),),
        help_text="Days, at last week's rate. Empty: as under “Settings”.",
    )
    last_synced_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ("name",)
        permissions = (("connect_provider", "Can set a provider's address, key, currency and technical settings"),)
        constraints = (
            # An exchange rate of 0 would make everything free.
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
            models.CheckConstraint(
                condition=Q(daily_limit=None) | Q(daily_limit__gte=0, daily_limit__lte=MAX_MICROS),
                name="provider_daily_limit_range",
            ),
            models.CheckConstraint(
                condition=Q(low_balance=None) | Q(low_balance__gte=0, low_balance__lte=MAX_MICROS),
                name="provider_low_balance_range",
            ),
        )

    def __str__(self) -> str:
        return self.name


class ProviderPace(models.Model):
    """How much of a provider's limit of requests is used up, for all processes. Written only by `catalog.pace`."""

    provider = models.OneToOneField(Provider, on_delete=models.CASCADE, primary_key=True, related_name="pace")
    free_at = models.BigIntegerField(
        default=0, help_text="When all requests so far would have been spread evenly, in microseconds since 1970."
    )

    def __str__(self) -> str:
        return f"Pace of {self.provider}"


class ProviderFigures(models.Model):
    """Recent purchases from a provider. Written only by the task that counts orders."""

    provider = models.OneToOneField(Provider, on_delete=models.CASCADE, primary_key=True, related_name="figures")
    orders = models.PositiveIntegerField(default=0, help_text="Sent in the last 7 days.")
    spent = models.BigIntegerField(default=0, help_text="On them, in micro-units of its own currency.")
    ended = models.PositiveIntegerField(default=0, help_text="Of the last 7 days' orders.")
    completed = models.PositiveIntegerField(default=0, help_text="Of those that ended.")
    counted_at = models.DateTimeField(default=timezone.now)

    def __str__(self) -> str:
        return f"Figures of {self.provider}"
