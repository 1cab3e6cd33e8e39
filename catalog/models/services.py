"""The providers' services, and the panel's services that resell them.

Imports write `UpstreamService`, the owner writes `Service`. Only `Service.cost` and `Service.price` follow from both;
they are stored for sorting and selling.

Triggers on these tables renew the catalog's version. On SQLite a migration that rebuilds one of the tables drops its
triggers, so it must end with `catalog_version_triggers.install`.
"""

from __future__ import annotations

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q
from django.utils import timezone

from catalog.link_kinds import Expected, LinkKind, Target, expected_link, guess_target
from catalog.models.providers import MAX_BP, Provider
from catalog.refill_windows import LIFETIME
from catalog.service_types import is_package_type
from panel.lib.money import MAX_MICROS

# A year.
MAX_LATE_HOURS = 8_760


def lowest_quantity(provider: int, own: int | None, step: int | None = None) -> int:
    """Return the smallest order that both limits and the step allow; the owner's can only narrow the provider's."""
    least = max(provider, own or 0, 1)
    return least if step is None else -(-least // step) * step


def highest_quantity(provider: int, own: int | None, step: int | None = None) -> int:
    """Return the largest order that both limits and the step allow."""
    most = provider if own is None else min(provider, own)
    return most if step is None else most // step * step


class UpstreamService(models.Model):
    """One row of a provider's list, as it is there now. Written only by imports."""

    provider = models.ForeignKey(Provider, on_delete=models.PROTECT, related_name="upstream_services")
    external_id = models.CharField(max_length=64)
    name = models.CharField(max_length=500)
    category = models.CharField(max_length=200)
    type = models.CharField(max_length=60)
    type_word = models.CharField(
        max_length=60,
        null=True,
        help_text='The type in the provider\'s own word, as a slug; "": it says none. `type` is what is made of it.',
    )
    rate = models.BigIntegerField(help_text="Micro-units of the provider's currency per 1000, or a package.")
    min_quantity = models.BigIntegerField()
    max_quantity = models.BigIntegerField()
    quantity_step = models.BigIntegerField(null=True, help_text="Orders must be multiples of it. Empty: any quantity.")
    average_time = models.CharField(
        max_length=60, default="", db_default="", help_text="In the provider's words, as the next two."
    )
    start_time = models.CharField(max_length=60, default="", db_default="")
    speed = models.CharField(max_length=60, default="", db_default="")
    refill_days = models.PositiveIntegerField(
        null=True, help_text="What its list says of the time for refills, as `Service.refill_days`. Empty: nothing."
    )
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


class PastRate(models.Model):
    """The rate of a provider's service before its first change of a day. Written only by imports, kept for a week.

    The oldest one of a service is its rate a week ago. Rates are in micro-units of the provider's currency.
    """

    # No index of its own: the constraint's begins with it.
    upstream = models.ForeignKey(UpstreamService, on_delete=models.CASCADE, related_name="past_rates", db_index=False)
    day = models.DateField()
    rate = models.BigIntegerField()

    class Meta:
        constraints = (models.UniqueConstraint(fields=("upstream", "day"), name="past_rate_one_a_day"),)

    def __str__(self) -> str:
        return f"Rate of {self.upstream} before {self.day}"


class Category(models.Model):
    """A category of the shop."""

    name = models.CharField(max_length=200, unique=True)
    position = models.PositiveIntegerField(default=0)
    margin_bp = models.IntegerField("margin", null=True, blank=True, help_text="Empty: inherited.")
    margin_fixed = models.BigIntegerField("fixed margin per 1000", null=True, blank=True, help_text="Empty: inherited.")

    class Meta:
        ordering = ("position", "name")
        verbose_name_plural = "categories"
        constraints = (
            models.CheckConstraint(
                condition=Q(margin_bp=None) | Q(margin_bp__gte=0, margin_bp__lte=MAX_BP),
                name="category_margin_range",
            ),
            models.CheckConstraint(
                condition=Q(margin_fixed=None) | Q(margin_fixed__gte=0, margin_fixed__lte=MAX_MICROS),
                name="category_margin_fixed_range",
            ),
        )

    def __str__(self) -> str:
        return self.name


class Service(models.Model):
    """A service for sale. `cost` and `price` are micro-units of the panel's currency per 1000 (or per package)."""

    upstream = models.ForeignKey(UpstreamService, on_delete=models.PROTECT, related_name="services")
    category = models.ForeignKey(Category, on_delete=models.PROTECT, related_name="services")
    name = models.CharField(max_length=500)
    description = models.TextField(blank=True)
    position = models.PositiveIntegerField(default=0)
    is_on_sale = models.BooleanField("on sale", default=False)
    margin_bp = models.IntegerField("margin", null=True, blank=True, help_text="Empty: inherited.")
    margin_fixed = models.BigIntegerField("fixed margin per 1000", null=True, blank=True, help_text="Empty: inherited.")
    allow_below_minimum = models.BooleanField(
        "may be sold below the minimum margin",
        default=False,
        help_text="Its price may then come down to the cost. Nothing is ever priced below that.",
    )
    min_quantity = models.BigIntegerField(null=True, blank=True, help_text="Empty: the provider's.")
    max_quantity = models.BigIntegerField(null=True, blank=True, help_text="Empty: the provider's.")
    refill_days = models.PositiveIntegerField(
        "days for refills",
        null=True,
        blank=True,
        validators=(MaxValueValidator(LIFETIME),),
        help_text="After an order's end. 0: no refill. Empty: not limited here.",
    )
    refill_days_declined = models.PositiveIntegerField(
        null=True, blank=True, editable=False, help_text="What the list says and staff do not want here."
    )
    late_hours = models.PositiveIntegerField(
        "late after hours",
        null=True,
        blank=True,
        validators=(MinValueValidator(1), MaxValueValidator(MAX_LATE_HOURS)),
        help_text="From when on an open order counts as late. Empty: by how long its orders took lately.",
    )
    link_kind = models.CharField(
        "what its link is", max_length=10, choices=LinkKind.choices, blank=True, default="", db_default=""
    )
    one_at_a_time = models.BooleanField(
        "one order of a link at a time",
        default=False,
        db_default=False,
        help_text="A customer's second order for a link waits until the first has ended. It can be canceled meanwhile.",
    )
    cost = models.BigIntegerField(default=0, editable=False)
    price = models.BigIntegerField(default=0, editable=False)
    created_at = models.DateTimeField(default=timezone.now)
    # What staff agreed to when they last put it on sale: the provider's rate then, and when.
    confirmed_rate = models.BigIntegerField(null=True, blank=True, editable=False)
    put_on_sale_at = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta:
        ordering = ("category", "position", "pk")
        constraints = (
            # A service without a price must not be on sale.
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
    def expected_link(self) -> Expected:
        """Return what customers enter as the link. A guess reads the provider's category, which the owner may lack."""
        their = self.upstream
        return expected_link(
            own=self.link_kind, service_type=their.type, category=their.category, name=f"{self.name} | {their.name}"
        )

    @property
    def target(self) -> Target:
        """Return the platforms and the kind of page that the service is for, as far as its names say."""
        return guess_target(service_type=self.upstream.type, category=self.upstream.category, name=self.name)

    @property
    def is_package(self) -> bool:
        """Return True if `price` is per package instead of per 1000."""
        return is_package_type(self.upstream.type)

    @property
    def lowest_quantity(self) -> int:
        return lowest_quantity(self.upstream.min_quantity, self.min_quantity, self.upstream.quantity_step)

    @property
    def highest_quantity(self) -> int:
        return highest_quantity(self.upstream.max_quantity, self.max_quantity, self.upstream.quantity_step)

    @property
    def quantity_step(self) -> int:
        """Return what an order's quantity must be a multiple of: 1 if any quantity will do."""
        return self.upstream.quantity_step or 1

    @property
    def refill_limit(self) -> int | None:
        """Return the days in which orders can be refilled; None if none are set, or for a lifetime."""
        return None if self.refill_days is None or self.refill_days >= LIFETIME else self.refill_days

    @property
    def has_refill(self) -> bool:
        """Return True if orders can be refilled: the provider takes refills, and staff do not say never."""
        return self.upstream.refill and self.refill_days != 0


class ServiceFigures(models.Model):
    """Sales of a service in the last 30 days. Written only by the task that counts orders.

    `profit` is in micro-units of the panel's currency, from orders that ended. `timed` is the number of completed
    orders that were measured, in seconds from creation to the end: `seconds` is the average, `typical_seconds` the
    median; a quarter was faster than `fast_seconds`, a quarter slower than `slow_seconds`. Where too few were measured,
    `borrowed_seconds` are the slow seconds of its category or provider, and `borrowed_from` says of which.
    """

    service = models.OneToOneField(Service, on_delete=models.CASCADE, primary_key=True, related_name="figures")
    orders = models.PositiveIntegerField(default=0)
    ended = models.PositiveIntegerField(default=0)
    completed = models.PositiveIntegerField(default=0)
    profit = models.BigIntegerField(default=0)
    seconds = models.PositiveIntegerField(null=True, blank=True)
    timed = models.PositiveIntegerField(default=0)
    fast_seconds = models.PositiveIntegerField(null=True, blank=True)
    typical_seconds = models.PositiveIntegerField(null=True, blank=True)
    slow_seconds = models.PositiveIntegerField(null=True, blank=True)
    borrowed_seconds = models.PositiveIntegerField(null=True, blank=True)
    borrowed_from = models.CharField(max_length=10, blank=True, default="", db_default="")
    counted_at = models.DateTimeField(default=timezone.now)

    def __str__(self) -> str:
        return f"Figures of {self.service}"
