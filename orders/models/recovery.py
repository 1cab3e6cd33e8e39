"""Which database this is, and what a restore left at providers. Amounts are in the provider's own currency."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone

from catalog.models import Provider
from orders.models.orders import Order


class DatabaseIdentity(models.Model):
    """The one row that tells this database from copies of it. The mark of what was sent last, kept outside, names it.

    `generation` counts how often a person confirmed or restored this database. A mark of before is accepted if its
    attempt is at most the one that `covered` has for the identity that it names. `unknown_marks` are those that stopped
    the sending since: [{identity, generation, attempt, order, entry, …}, …].
    """

    token = models.CharField(max_length=32)
    generation = models.PositiveIntegerField(default=1)
    covered = models.JSONField(default=dict)
    unknown_marks = models.JSONField(default=list)
    site_url = models.CharField(max_length=300, blank=True)
    confirmed_at = models.DateTimeField(null=True, blank=True, help_text="When a person last started a generation.")
    # Empty until the first mark is written: only then is a missing mark a finding.
    marked_at = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return f"Database {self.token[:8]}, generation {self.generation}"


class Orphan(models.Model):
    """An order that a provider has under our key and that is not in this database."""

    class State(models.TextChoices):
        OPEN = "open", "Open"
        ADOPTED = "adopted", "Adopted"
        WRITTEN_OFF = "written_off", "Written off"

    provider = models.ForeignKey(Provider, on_delete=models.PROTECT, related_name="orphans")
    upstream_id = models.CharField(max_length=64)
    status = models.CharField(max_length=12, blank=True, help_text="Empty: a word outside of the protocol.")
    status_text = models.CharField(max_length=100, blank=True)
    remains = models.BigIntegerField(null=True, blank=True)
    start_count = models.BigIntegerField(null=True, blank=True)
    charge = models.BigIntegerField(null=True, blank=True, help_text="In micro-units of the provider's currency.")
    currency = models.CharField(max_length=5, blank=True)
    state = models.CharField(max_length=12, choices=State.choices, default=State.OPEN)
    order = models.ForeignKey(Order, null=True, blank=True, on_delete=models.PROTECT, related_name="+", db_index=False)
    found_at = models.DateTimeField(default=timezone.now)
    decided_at = models.DateTimeField(null=True, blank=True)
    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+", db_index=False
    )
    note = models.CharField(max_length=300, blank=True)

    class Meta:
        ordering = ("provider", "pk")
        constraints = (
            models.UniqueConstraint(fields=("provider", "upstream_id"), name="orphan_once"),
            models.CheckConstraint(
                condition=~Q(state="adopted") | Q(order__isnull=False), name="orphan_adopted_by_an_order"
            ),
        )

    def __str__(self) -> str:
        return f"{self.provider}: {self.upstream_id}"
