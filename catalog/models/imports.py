"""Imports of providers' lists, and the inbox of changes."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone

from catalog.models.providers import Provider
from catalog.models.services import Service, UpstreamService
from panel.lib.formats import moment_text


class SyncRun(models.Model):
    """One import of a provider's list: queued, running or ended.

    A queued run is the message to the worker. A running one that did not end by `lease_until` has died.
    """

    class Outcome(models.TextChoices):
        QUEUED = "queued", "Waiting"
        RUNNING = "running", "Running"
        APPLIED = "applied", "Applied"
        REFUSED = "refused", "Refused"
        FAILED = "failed", "Failed"

    class Phase(models.TextChoices):
        WAITING = "waiting", "Waiting for the task worker"
        ASKING = "asking", "Asking the provider for its list"
        COMPARING = "comparing", "Comparing it with what is stored"
        WRITING = "writing", "Writing what changed"
        DONE = "done", "Done"

    provider = models.ForeignKey(Provider, on_delete=models.CASCADE, related_name="import_runs")
    outcome = models.CharField(max_length=10, choices=Outcome.choices, default=Outcome.RUNNING)
    phase = models.CharField(max_length=10, choices=Phase.choices, default=Phase.ASKING)
    reason = models.CharField(max_length=500, blank=True)
    force = models.BooleanField(default=False, help_text="To be applied even if the list looks implausible.")
    accepts = models.ForeignKey(
        "self",
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="+",
        help_text="The refused run that was looked at: nothing worse than that is applied.",
    )
    grounds = models.JSONField(
        default=dict,
        blank=True,
        help_text='Why it was refused: {"gone": [id, …], "rates": {id: rate, …}}, ids being the provider\'s.',
    )
    listed = models.PositiveIntegerField(default=0)
    added = models.PositiveIntegerField(default=0)
    changed = models.PositiveIntegerField(default=0)
    vanished = models.PositiveIntegerField(default=0)
    returned = models.PositiveIntegerField(default=0)
    skipped = models.JSONField(default=list, blank=True, help_text="[[position, id, reason], …]")
    skipped_count = models.PositiveIntegerField(default=0)
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    requested_at = models.DateTimeField(default=timezone.now)
    started_at = models.DateTimeField(default=timezone.now)
    lease_until = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ("-started_at", "-pk")
        verbose_name = "import"
        constraints = (
            # At most one import per provider is queued, however often somebody requests it.
            models.UniqueConstraint(fields=("provider",), condition=Q(outcome="queued"), name="sync_run_one_queued"),
        )
        indexes = (
            models.Index(fields=("outcome",), condition=Q(outcome__in=("queued", "running")), name="sync_run_open"),
        )

    def __str__(self) -> str:
        return f"{self.provider} {moment_text(self.started_at)}"

    @property
    def is_open(self) -> bool:
        return self.outcome in (self.Outcome.QUEUED, self.Outcome.RUNNING)


class CatalogChange(models.Model):
    """A change in a provider's list, until somebody has seen it.

    If it changes again before that, it stays one row: `old` holds the values when last seen, `new` the values now.
    Their keys are columns of `UpstreamService`; rates are in micro-units of the provider's currency. The topic of
    orders is about how the provider treats them instead: `new` has "canceled" of the last "ended".
    """

    class Topic(models.TextChoices):
        LISTING = "listing", "Listing"
        RATE = "rate", "Rate"
        LIMITS = "limits", "Limits"
        FLAGS = "flags", "Flags"
        TEXT = "text", "Text"
        ORDERS = "orders", "Orders"

    class Kind(models.TextChoices):
        NEW = "new", "New"
        GONE = "gone", "Gone"
        RETURNED = "returned", "Returned"
        RATE_UP = "rate_up", "Rate up"
        RATE_DOWN = "rate_down", "Rate down"
        LIMITS = "limits", "Limits"
        FLAGS = "flags", "Flags or type"
        TEXT = "text", "Name or category"
        CANCELED = "canceled", "Orders canceled"

    class Action(models.TextChoices):
        """What the panel did to its service."""

        NONE = "", "Nothing"
        REPRICED = "repriced", "Re-priced"
        OFF_SALE = "off_sale", "Taken off sale"

    provider = models.ForeignKey(Provider, on_delete=models.CASCADE, related_name="catalog_changes")
    upstream = models.ForeignKey(UpstreamService, on_delete=models.CASCADE, related_name="changes")
    service = models.ForeignKey(Service, null=True, blank=True, on_delete=models.SET_NULL, related_name="changes")
    topic = models.CharField(max_length=8, choices=Topic.choices)
    kind = models.CharField(max_length=10, choices=Kind.choices)
    old = models.JSONField(default=dict, blank=True)
    new = models.JSONField(default=dict, blank=True)
    price_before = models.BigIntegerField(null=True, blank=True, help_text="The panel's, when it was last seen.")
    price_after = models.BigIntegerField(null=True, blank=True)
    is_urgent = models.BooleanField(
        default=False, help_text="The price before would leave less than the minimum margin now."
    )
    action = models.CharField(max_length=10, choices=Action.choices, default=Action.NONE, blank=True)
    rose_too_far = models.BooleanField(
        default=False,
        db_default=False,
        help_text="Taken off sale because its rate rose by more than RATE_RISE_PERCENT.",
    )
    created_at = models.DateTimeField(default=timezone.now)
    changed_at = models.DateTimeField(default=timezone.now)
    accepted_at = models.DateTimeField(null=True, blank=True)
    accepted_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )

    class Meta:
        ordering = ("-is_urgent", "-changed_at", "-pk")
        verbose_name = "upstream change"
        verbose_name_plural = "inbox"
        constraints = (
            models.UniqueConstraint(
                fields=("upstream", "topic"), condition=Q(accepted_at=None), name="catalog_change_one_open"
            ),
        )
        indexes = (
            models.Index(fields=("-is_urgent", "-changed_at"), condition=Q(accepted_at=None), name="catalog_inbox"),
        )

    def __str__(self) -> str:
        return f"{self.get_kind_display()}: {self.upstream}"
