"""Orders and their timeline. Amounts are micro-units of the panel's currency."""

from __future__ import annotations

from datetime import datetime

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils import timezone

from catalog.models import Provider, Service
from catalog.service_types import SPECS
from orders.models.drips import DripFeed
from orders.states import FINAL, EventKind, ReviewReason, Status, Submission
from panel.lib.money import EXCHANGE_ONE, MAX_MICROS


class Sale(models.Model):
    """What a customer bought, at the price of that moment, and what was refunded."""

    # No index of its own: others begin with this column.
    customer = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="orders", db_index=False
    )
    service = models.ForeignKey(Service, on_delete=models.PROTECT, related_name="orders", db_index=False)
    service_name = models.CharField(max_length=500)
    service_type = models.CharField(max_length=60)
    link = models.CharField(max_length=2000)
    link_key = models.CharField(max_length=200, default="", help_text="The link as it is searched for.")
    quantity = models.BigIntegerField()
    params = models.JSONField(default=dict, blank=True, help_text="What the type asks for beyond link and quantity.")
    price = models.BigIntegerField(help_text="Of 1000, or of the package.")
    charge = models.BigIntegerField()
    refunded = models.BigIntegerField(default=0)
    expected_cost = models.BigIntegerField()
    request_key = models.CharField(max_length=64, help_text="One order per customer and key: a double click.")
    api_key_ref = models.BigIntegerField(
        null=True, blank=True, help_text="The number of the API key that ordered it; empty: ordered in the browser."
    )
    is_bulk = models.BooleanField(default=False, db_default=False, help_text="A line of a bulk order.")
    drip_feed = models.ForeignKey(DripFeed, null=True, blank=True, on_delete=models.PROTECT, related_name="orders")
    run = models.PositiveIntegerField(null=True, blank=True, help_text="Which run of the drip-feed, from 1 on.")
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        abstract = True


class Dispatch(models.Model):
    """How the order gets to its provider. `next_action_at` and `lease_until` are queues: null means not queued."""

    # No index of its own: others begin with this column.
    provider = models.ForeignKey(Provider, on_delete=models.PROTECT, related_name="orders", db_index=False)
    upstream_service_id = models.CharField(max_length=64)
    exchange_rate = models.BigIntegerField(
        default=EXCHANGE_ONE, help_text="The provider's, as it was at the sending: 10⁻¹² of the panel's currency."
    )
    currency = models.CharField(max_length=5, blank=True, help_text="What the provider billed in at the sending.")
    submission = models.CharField(
        max_length=10, choices=Submission.choices, default=Submission.QUEUED, db_column="placement"
    )
    queued_at = models.DateTimeField(default=timezone.now)
    next_action_at = models.DateTimeField(null=True, blank=True, default=timezone.now)
    turn = models.BigIntegerField(
        default=0, db_default=0, help_text="Lower ones are sent first. See orders/common/turns.py."
    )
    attempts = models.PositiveIntegerField(default=0)
    claim_token = models.CharField(max_length=32, blank=True)
    lease_until = models.DateTimeField(null=True, blank=True)
    doubt_until = models.DateTimeField(
        null=True, blank=True, help_text="Set from the first doubt on: when staff are asked."
    )
    # No index: attempts are never deleted, and nobody searches by it.
    accepted_attempt = models.ForeignKey(
        "orders.PlacementAttempt",
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="+",
        db_index=False,
        help_text="The sending that the provider accepted, as far as we know.",
    )
    upstream_id = models.CharField(max_length=64, null=True, blank=True)
    upstream_number = models.BigIntegerField(null=True, blank=True, help_text="The same, where it is a plain number.")
    accepted_at = models.DateTimeField(null=True, blank=True, db_column="placed_at")

    class Meta:
        abstract = True


class Tracking(models.Model):
    """The order's status, by the provider's answers. When it is polled next is in `OrderPoll`.

    `next_poll_at` is the queue of the release before: not null while the order is followed, and not moved any more.
    `checked_at` is as of the last change while the order is followed.
    """

    status = models.CharField(max_length=12, choices=Status.choices, default=Status.PENDING)
    status_note = models.CharField(max_length=300, blank=True, help_text="Why it ended so, in the customer's words.")
    start_count = models.BigIntegerField(null=True, blank=True)
    start_corrected_at = models.DateTimeField(
        null=True, blank=True, help_text="When staff corrected the start count. Answers do not change it any more."
    )
    remains = models.BigIntegerField(null=True, blank=True)
    upstream_charge = models.BigIntegerField(null=True, blank=True, help_text="The cost that the provider returned.")
    finished_at = models.DateTimeField(null=True, blank=True)
    next_poll_at = models.DateTimeField(null=True, blank=True)
    checked_at = models.DateTimeField(null=True, blank=True, help_text="When the provider last reported its status.")
    # Of the release before, which polls by them. They go with the next one.
    poll_errors = models.PositiveSmallIntegerField(default=0)
    still_polls = models.PositiveSmallIntegerField(default=0)

    class Meta:
        abstract = True


class Review(models.Model):
    """Why the order waits for a person. A finding is a review's reason with its figures, as `finding_of` writes it.

    The review that staff closed last is kept as a sentence, and as a finding if it had one.
    """

    review_reason = models.CharField(max_length=20, choices=ReviewReason.choices, blank=True)
    review_since = models.DateTimeField(null=True, blank=True)
    review_note = models.CharField(max_length=500, blank=True)
    review_finding = models.CharField(max_length=100, blank=True, default="", db_default="")
    closed_review = models.CharField(max_length=520, blank=True, help_text="The last review that staff closed.")
    closed_finding = models.CharField(max_length=100, blank=True, default="", db_default="")

    class Meta:
        abstract = True


class Order(Sale, Dispatch, Tracking, Review):
    """One order. Its columns are in the base classes, by subject."""

    class Meta:
        ordering = ("-pk",)
        permissions = (("view_profit", "Can see what is earned"),)
        constraints = (
            models.UniqueConstraint(fields=("customer", "request_key"), name="order_one_per_request"),
            # All runs are paid at the start, so a run that began twice would be delivered twice for one charge.
            models.UniqueConstraint(
                fields=("drip_feed", "run"), condition=Q(drip_feed__isnull=False), name="order_one_per_run"
            ),
            models.CheckConstraint(
                condition=Q(drip_feed=None, run=None) | Q(drip_feed__isnull=False, run__gte=1),
                name="order_run_of_a_drip_feed",
            ),
            # Two orders with one id would be refunded by each other's status.
            models.UniqueConstraint(
                fields=("provider", "upstream_id"),
                condition=Q(upstream_id__isnull=False),
                name="order_upstream_id_unique",
            ),
            models.CheckConstraint(
                condition=Q(refunded__gte=0, refunded__lte=F("charge")), name="order_refund_within_charge"
            ),
            models.CheckConstraint(condition=Q(charge__gt=0, charge__lte=MAX_MICROS), name="order_charge_range"),
            models.CheckConstraint(condition=Q(quantity__gt=0), name="order_quantity_positive"),
            models.CheckConstraint(
                condition=~Q(submission=Submission.ACCEPTED) | Q(upstream_id__isnull=False),
                name="order_placed_has_an_id",
            ),
            models.CheckConstraint(
                condition=~Q(submission=Submission.IN_DOUBT) | Q(doubt_until__isnull=False),
                name="order_doubt_has_a_deadline",
            ),
            # The customer must not pay for an order that is refused or withdrawn.
            models.CheckConstraint(
                condition=~Q(submission__in=(Submission.REFUSED, Submission.WITHDRAWN))
                | Q(status=Status.CANCELED, refunded=F("charge")),
                name="order_refused_is_refunded",
            ),
        )
        indexes = (
            # The customer's list, by each of its filters and sort orders.
            models.Index(fields=("customer", "-id"), name="order_of_customer"),
            models.Index(fields=("customer", "status", "-id"), name="order_by_status"),
            models.Index(fields=("customer", "service", "-id"), name="order_by_service"),
            models.Index(fields=("customer", "-charge", "-id"), name="order_by_charge"),
            models.Index(fields=("link_key", "customer", "-id"), name="order_by_any_link"),
            models.Index(fields=("customer", "created_at"), name="order_by_day"),
            # Sales and profit of the last days.
            models.Index(fields=("created_at",), name="order_by_date"),
            models.Index(
                fields=("provider", "next_action_at"),
                condition=Q(submission=Submission.QUEUED),
                name="order_to_submit",
            ),
            # The next order of a provider, and the turn that is being sent.
            models.Index(
                fields=("provider", "turn", "id"),
                condition=Q(submission=Submission.QUEUED, review_reason=""),
                name="order_next_turn",
            ),
            models.Index(
                fields=("customer", "provider", "turn"),
                condition=Q(submission=Submission.QUEUED),
                name="order_turn_of_customer",
            ),
            # Orders that wait before they queue again; there are few.
            models.Index(
                fields=("next_action_at",),
                condition=Q(submission=Submission.QUEUED, turn__lt=0),
                name="order_waits_for_turn",
            ),
            # Each claim counts the lanes. A separate index: SQLite uses a partial index only for an equal condition.
            models.Index(
                fields=("provider",), condition=Q(submission=Submission.SUBMITTING), name="order_being_placed"
            ),
            models.Index(
                fields=("provider", "next_poll_at"), condition=Q(next_poll_at__isnull=False), name="order_to_poll"
            ),
            # Open orders are counted and monitored; they are few among all orders.
            models.Index(
                fields=("provider",), condition=Q(submission=Submission.ACCEPTED, finished_at=None), name="order_open"
            ),
            # The staff's lists of open orders, and of those that an API key ordered.
            models.Index(fields=("-id", "provider"), condition=Q(finished_at=None), name="order_unfinished"),
            models.Index(
                fields=("api_key_ref", "-id"), condition=Q(api_key_ref__isnull=False), name="order_by_api_key"
            ),
            # The staff's list by service, by provider, and of what was ordered in the browser: bulk or one by one.
            models.Index(fields=("service", "-id"), name="order_of_service"),
            models.Index(fields=("provider", "-id"), name="order_of_provider"),
            models.Index(
                fields=("is_bulk", "-id"), condition=Q(api_key_ref=None, drip_feed=None), name="order_of_browser"
            ),
            models.Index(
                fields=("submission", "lease_until"),
                condition=Q(submission__in=(Submission.SUBMITTING, Submission.IN_DOUBT)),
                name="order_unsettled",
            ),
            models.Index(
                fields=("provider", "upstream_number"),
                condition=Q(upstream_number__isnull=False),
                name="order_by_upstream_number",
            ),
            models.Index(fields=("review_since",), condition=~Q(review_reason=""), name="order_in_review"),
            # Ended orders by their end, for pruning.
            models.Index(fields=("finished_at", "id"), condition=Q(finished_at__isnull=False), name="order_by_end"),
            # The last orders of a service that ended.
            models.Index(
                fields=("service", "-finished_at"),
                condition=Q(finished_at__isnull=False),
                name="order_ended_of_service",
            ),
        )

    def __str__(self) -> str:
        return f"Order {self.pk}"

    @property
    def is_final(self) -> bool:
        return self.status in FINAL

    @property
    def is_package(self) -> bool:
        """Return True if the service type is a package, whose price is for one. An unknown type is none."""
        spec = SPECS.get(self.service_type)
        return spec is not None and spec.is_package

    @property
    def delivered(self) -> int | None:
        """Return how many were delivered so far, from 0 to `quantity`; None while the provider gave no remains."""
        if self.status == Status.COMPLETED:
            return self.quantity
        if self.refunded == self.charge:
            return 0  # `remains` may be missing: providers often leave it out of canceled orders.
        if self.remains is None:
            return None
        return self.quantity - max(0, min(self.remains, self.quantity))

    @property
    def last_checked_at(self) -> datetime | None:
        """Return when the provider last reported the status: by the poll, or by the order if it is not followed."""
        poll = getattr(self, "poll", None)
        return (poll.checked_at if poll else None) or self.checked_at

    @property
    def next_check_at(self) -> datetime | None:
        """Return when the order is polled next; None if it is not followed."""
        poll = getattr(self, "poll", None)
        return poll.due_at if poll else None

    @property
    def is_end_held(self) -> bool:
        """Return True if its provider reported an end that is applied once the provider reports it again."""
        poll = getattr(self, "poll", None)
        return poll is not None and poll.held_since is not None

    @property
    def has_unknown_word(self) -> bool:
        """Return True if its provider gives it a status in a word that is not known here."""
        poll = getattr(self, "poll", None)
        return poll is not None and poll.unknown_since is not None

    @property
    def net_charge(self) -> int:
        """Return the charge less the refund, in micro-units."""
        return self.charge - self.refunded


class OrderInReview(Order):
    """An order in review, for the list in the admin."""

    class Meta:
        proxy = True
        ordering = ("review_since", "pk")
        verbose_name = "order in review"
        verbose_name_plural = "orders in review"


class OrderEvent(models.Model):
    """One event of an order's timeline, written in the transaction of the change that it describes."""

    order = models.ForeignKey(Order, on_delete=models.PROTECT, related_name="events")
    created_at = models.DateTimeField(default=timezone.now)
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+", db_index=False
    )
    kind = models.CharField(max_length=20)
    old = models.CharField(max_length=60, blank=True)
    new = models.CharField(max_length=60, blank=True)
    text = models.CharField(max_length=500, blank=True)
    is_public = models.BooleanField(default=True, help_text="Shown to the customer.")

    class Meta:
        ordering = ("created_at", "pk")
        indexes = (
            # Only events of people: most have no actor.
            models.Index(fields=("actor",), condition=Q(actor__isnull=False), name="event_of_actor"),
            # Customers' news look for the latest.
            models.Index(fields=("created_at",), condition=Q(kind=EventKind.OFFER), name="event_of_offer"),
        )

    def __str__(self) -> str:
        return f"{EventKind(self.kind).label} of order {self.order_id}" if self.kind in EventKind else self.kind
