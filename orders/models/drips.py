"""Drip-feeds. Amounts are micro-units of the panel's currency."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils import timezone

from catalog.models import Service
from orders.states import PAUSED, DripState
from panel.lib.money import MAX_MICROS


class DripFeed(models.Model):
    """Several runs of one order, paid at the start. Each run becomes an order when it is due.

    `charge` = `run_charge` × `runs`. It is spent on runs that began or refunded: `run_charge` × `begun` + `refunded`
    is at most `charge`, and equals it at the end.
    """

    # No index of its own: others begin with this column.
    customer = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="drip_feeds", db_index=False
    )
    service = models.ForeignKey(Service, on_delete=models.PROTECT, related_name="drip_feeds")
    service_name = models.CharField(max_length=500)
    link = models.CharField(max_length=2000)
    quantity = models.BigIntegerField(help_text="Of each run.")
    params = models.JSONField(default=dict, blank=True, help_text="What the type asks for beyond link and quantity.")
    runs = models.PositiveIntegerField()
    interval = models.PositiveIntegerField(help_text="Minutes from the beginning of one run to that of the next.")
    price = models.BigIntegerField(help_text="Of 1000.")
    run_charge = models.BigIntegerField()
    charge = models.BigIntegerField()
    refunded = models.BigIntegerField(default=0, help_text="For runs that never began.")
    begun = models.PositiveIntegerField(default=0, help_text="Runs that became orders.")
    state = models.CharField(max_length=10, choices=DripState.choices, default=DripState.RUNNING)
    next_run_at = models.DateTimeField(null=True, blank=True)
    # A pause is no state of its own: the release before knows none, and begins no run without a `next_run_at`.
    paused_at = models.DateTimeField(null=True, blank=True)
    wait_left = models.PositiveIntegerField(
        null=True, blank=True, help_text="Seconds that were left until the next run when it was paused."
    )
    created_at = models.DateTimeField(default=timezone.now)
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ("-pk",)
        verbose_name = "drip-feed"
        constraints = (
            models.CheckConstraint(condition=Q(runs__gte=2, begun__lte=F("runs")), name="drip_runs_range"),
            models.CheckConstraint(
                condition=Q(run_charge__gt=0, charge=F("run_charge") * F("runs"), charge__lte=MAX_MICROS),
                name="drip_charge_of_all_runs",
            ),
            # The charge is spent on runs or refunded, never both.
            models.CheckConstraint(
                condition=Q(refunded__gte=0, refunded__lte=F("charge") - F("run_charge") * F("begun")),
                name="drip_refund_within_what_is_left",
            ),
            # A running drip-feed has a next run, a paused one what is left until then. In an ended one each run began
            # or was refunded.
            models.CheckConstraint(
                condition=Q(
                    Q(paused_at=None, next_run_at__isnull=False)
                    | Q(paused_at__isnull=False, wait_left__isnull=False, next_run_at=None),
                    state=DripState.RUNNING,
                    refunded=0,
                    begun__lt=F("runs"),
                )
                | Q(
                    ~Q(state=DripState.RUNNING),
                    next_run_at=None,
                    refunded=F("charge") - F("run_charge") * F("begun"),
                ),
                name="drip_ended_is_settled",
            ),
        )
        indexes = (
            models.Index(fields=("customer", "-id"), name="drip_of_customer"),
            models.Index(fields=("next_run_at",), condition=Q(next_run_at__isnull=False), name="drip_due"),
            models.Index(fields=("paused_at",), condition=Q(paused_at__isnull=False), name="drip_paused"),
        )

    def __str__(self) -> str:
        return f"Drip-feed {self.pk}"

    @property
    def is_running(self) -> bool:
        """Return True while runs are left to begin, also while it is paused."""
        return self.state == DripState.RUNNING

    @property
    def is_paused(self) -> bool:
        return self.is_running and self.paused_at is not None

    @property
    def shown_state(self) -> str:
        """Return the state for people: `DripState`, or PAUSED."""
        return PAUSED if self.is_paused else str(self.state)

    @property
    def last_run_at(self) -> datetime | None:
        """Return when the last run is planned to begin; None while it is paused, and once it has ended."""
        if self.next_run_at is None:
            return None
        return self.next_run_at + timedelta(minutes=self.interval * (self.runs_left - 1))

    @property
    def runs_left(self) -> int:
        """Return how many runs have not begun; 0 once the drip-feed has ended."""
        return self.runs - self.begun if self.is_running else 0

    @property
    def total_quantity(self) -> int:
        """Return the quantity of all runs together."""
        return self.quantity * self.runs

    @property
    def net_charge(self) -> int:
        """Return the charge less the refund for runs that never began, in micro-units."""
        return self.charge - self.refunded

    @property
    def refund_of_stop(self) -> int:
        """Return what stopping now would refund, in micro-units."""
        return self.run_charge * self.runs_left
