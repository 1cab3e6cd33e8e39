"""Prices for single customers and groups, and the history of price changes."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone

from catalog.models.services import Service
from panel.lib.money import BASIS, MAX_MICROS


class CustomerGroup(models.Model):
    """Customers with a discount from the list price. With `level_from` it is a level, which customers reach."""

    name = models.CharField(max_length=80, unique=True)
    discount_bp = models.IntegerField("discount", default=0, help_text="Basis points: 500 is 5%.")
    level_from = models.BigIntegerField(
        "reached from",
        null=True,
        blank=True,
        unique=True,
        help_text="Micro-units that a customer spent; empty: it is no level.",
    )

    class Meta:
        ordering = ("name",)
        constraints = (
            models.CheckConstraint(
                condition=Q(discount_bp__gte=0, discount_bp__lt=BASIS), name="customer_group_discount_range"
            ),
            models.CheckConstraint(
                condition=Q(level_from=None) | Q(level_from__gt=0, level_from__lte=MAX_MICROS),
                name="customer_group_level_range",
            ),
        )

    def __str__(self) -> str:
        return self.name


class GroupMember(models.Model):
    """The group of a customer; at most one. Whom a person placed, levels do not move."""

    class PlacedBy(models.TextChoices):
        PERSON = "person", "A person"
        LEVELS = "levels", "Levels"

    customer = models.OneToOneField(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, primary_key=True, related_name="price_group"
    )
    group = models.ForeignKey(CustomerGroup, on_delete=models.PROTECT, related_name="members")
    placed_by = models.CharField(
        max_length=8, choices=PlacedBy.choices, default=PlacedBy.PERSON, db_default="person", editable=False
    )

    def __str__(self) -> str:
        return f"{self.customer}: {self.group}"


class CustomerPrice(models.Model):
    """An agreed price of one customer, in micro-units per 1000 (or per package). It overrides any discount."""

    customer = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="own_prices")
    service = models.ForeignKey(Service, on_delete=models.CASCADE, related_name="customer_prices")
    price = models.BigIntegerField()

    class Meta:
        ordering = ("customer", "service")
        constraints = (
            models.UniqueConstraint(fields=("customer", "service"), name="customer_price_unique"),
            models.CheckConstraint(condition=Q(price__gt=0, price__lte=MAX_MICROS), name="customer_price_range"),
        )

    def __str__(self) -> str:
        return f"{self.customer}: {self.service}"


class PriceChange(models.Model):
    """A change of margins, exchange rates or services: drafted, previewed, applied, perhaps undone.

    `edits` is what to set, `before` the values that it replaced. Both are lists of
    {"kind": "panel" | "provider" | "category" | "service" | "type", "pks": [...], "values": {column: value}}.
    """

    class State(models.TextChoices):
        DRAFT = "draft", "Not applied"
        APPLIED = "applied", "Applied"

    class Source(models.TextChoices):
        PANEL = "panel", "Panel margin"
        PROVIDER = "provider", "Provider"
        CATEGORY = "category", "Category"
        SERVICE = "service", "Service"
        LIST = "list", "List of services"
        FILE = "file", "File"
        TYPE = "type", "Type"
        REFILL = "refill", "Time for refills"
        UNDO = "undo", "Undo"

    state = models.CharField(max_length=8, choices=State.choices, default=State.DRAFT)
    source = models.CharField(max_length=8, choices=Source.choices)
    summary = models.CharField(max_length=300)
    edits = models.JSONField(default=list)
    before = models.JSONField(default=list, blank=True)
    affected = models.PositiveIntegerField(default=0, help_text="Services whose price changed.")
    raised = models.PositiveIntegerField(default=0)
    lowered = models.PositiveIntegerField(default=0)
    undoes = models.ForeignKey("self", null=True, blank=True, on_delete=models.PROTECT, related_name="undone_by")
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    created_at = models.DateTimeField(default=timezone.now)
    applied_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ("-applied_at", "-pk")
        verbose_name = "price change"
        constraints = (
            models.CheckConstraint(
                condition=Q(state="draft", applied_at=None) | Q(state="applied", applied_at__isnull=False),
                name="price_change_applied_has_a_time",
            ),
            models.UniqueConstraint(fields=("undoes",), condition=Q(state="applied"), name="price_change_undone_once"),
        )

    def __str__(self) -> str:
        return self.summary
