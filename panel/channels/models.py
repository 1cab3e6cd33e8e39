"""Channels, what each has to tell about alerts, and the messages that were sent through them."""

from __future__ import annotations

from datetime import time

from django.db import models
from django.utils import timezone

from panel.alerts.models import Alert


class ChannelQuerySet(models.QuerySet["Channel"]):
    def ready(self) -> ChannelQuerySet:
        """Return the channels that tell: in use and set up to the end."""
        no_chat = models.Q(kind=Channel.Kind.TELEGRAM, target="")
        no_secret = models.Q(kind=Channel.Kind.WEBHOOK, secret_encrypted="")
        return self.filter(is_active=True).exclude(no_chat | no_secret)


class Channel(models.Model):
    """A way to reach a person of the staff.

    `target` is where messages go: addresses, a chat's id or a URL. `secret_encrypted` is a bot's token or the secret
    that signs webhooks; the old one signs, too, until `old_secret_until`. `next_try_at` is null unless the last
    attempt failed.
    """

    class Kind(models.TextChoices):
        MAIL = "mail", "E-mail"
        TELEGRAM = "telegram", "Telegram"
        WEBHOOK = "webhook", "Webhook"

    class Pace(models.TextChoices):
        AT_ONCE = "at_once", "At once"
        HOURLY = "hourly", "In a message each hour"
        DAILY = "daily", "In a message each day"
        NEVER = "never", "Not at all"

    name = models.CharField(max_length=60, unique=True)
    kind = models.CharField(max_length=10, choices=Kind.choices)
    target = models.CharField(max_length=1_000, blank=True)
    secret_encrypted = models.TextField(blank=True)
    old_secret_encrypted = models.TextField(blank=True)
    old_secret_until = models.DateTimeField(null=True, blank=True)
    is_active = models.BooleanField(default=True)
    topics = models.JSONField(default=list, blank=True, help_text="Values of Topic; empty for all.")
    pace = models.CharField(max_length=10, choices=Pace.choices, default=Pace.AT_ONCE)
    daily_at = models.TimeField(default=time(8))
    quiet_from = models.TimeField(null=True, blank=True)
    quiet_until = models.TimeField(null=True, blank=True)
    quiet_covers_urgent = models.BooleanField(default=False)
    failures = models.PositiveIntegerField(default=0)
    failing_since = models.DateTimeField(null=True, blank=True)
    last_error = models.CharField(max_length=500, blank=True)
    next_try_at = models.DateTimeField(null=True, blank=True)
    reached_at = models.DateTimeField(null=True, blank=True)
    reached_ms = models.PositiveIntegerField(null=True, blank=True)
    created_at = models.DateTimeField(default=timezone.now)

    objects = ChannelQuerySet.as_manager()

    class Meta:
        ordering = ("name",)
        constraints = (
            models.CheckConstraint(
                condition=models.Q(quiet_from=None, quiet_until=None)
                | models.Q(quiet_from__isnull=False, quiet_until__isnull=False),
                name="channel_quiet_from_and_until",
            ),
        )

    def __str__(self) -> str:
        return self.name


class Delivery(models.Model):
    """A message to one channel. The rows that wait are the queue.

    `due_at` is null once nothing more is tried. `handed_at` is set before the first byte of the message leaves: a
    process that dies after it leaves it open whether the message arrived, and such a one is not sent again. `uid` stays
    through all attempts: receivers know a repeated webhook by it.
    """

    class Kind(models.TextChoices):
        ALERTS = "alerts", "Alerts"
        DIGEST = "digest", "Digest"
        REPORT = "report", "Report"
        TEST = "test", "Test"

    class State(models.TextChoices):
        WAITING = "waiting", "Waiting"
        DELIVERED = "delivered", "Delivered"
        UNKNOWN = "unknown", "May have arrived"
        FAILED = "failed", "Given up"

    channel = models.ForeignKey(Channel, models.CASCADE, related_name="deliveries")
    kind = models.CharField(max_length=10, choices=Kind.choices)
    uid = models.CharField(max_length=64, unique=True)
    key = models.CharField(max_length=100, null=True, blank=True, help_text="What is told to a channel once.")
    is_urgent = models.BooleanField(default=False)
    subject = models.CharField(max_length=250)
    text = models.TextField()
    payload = models.TextField(blank=True, help_text="The JSON of a webhook, byte by byte as it is signed.")
    state = models.CharField(max_length=10, choices=State.choices, default=State.WAITING)
    created_at = models.DateTimeField(default=timezone.now)
    due_at = models.DateTimeField(null=True, blank=True)
    attempts = models.PositiveIntegerField(default=0)
    handed_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)
    log = models.JSONField(default=list, help_text="The last attempts: at, result, text, ms.")

    class Meta:
        ordering = ("-pk",)
        verbose_name_plural = "Deliveries"
        indexes = (
            models.Index(fields=("due_at",), condition=models.Q(due_at__isnull=False), name="delivery_due"),
            models.Index(fields=("channel", "-created_at"), name="delivery_of_channel"),
        )
        constraints = (
            models.UniqueConstraint(fields=("channel", "key"), name="delivery_once_per_key"),
            models.CheckConstraint(
                condition=models.Q(state="waiting", due_at__isnull=False)
                | (~models.Q(state="waiting") & models.Q(due_at=None)),
                name="delivery_due_while_waiting",
            ),
        )

    def __str__(self) -> str:
        return self.subject


class Notice(models.Model):
    """That a channel tells of an alert on an occasion: once, whatever runs beside or is killed."""

    class Occasion(models.TextChoices):
        RAISED = "raised", "Raised"
        STILL_OPEN = "open", "Still open"
        RESOLVED = "resolved", "Resolved"

    channel = models.ForeignKey(Channel, models.CASCADE, related_name="notices")
    alert = models.ForeignKey(Alert, models.CASCADE, related_name="notices")
    occasion = models.CharField(max_length=10, choices=Occasion.choices)
    tell_at = models.DateTimeField()
    created_at = models.DateTimeField(default=timezone.now)
    delivery = models.ForeignKey(Delivery, models.CASCADE, null=True, blank=True, related_name="notices")

    class Meta:
        ordering = ("pk",)
        indexes = (
            models.Index(fields=("channel", "tell_at"), condition=models.Q(delivery=None), name="notice_to_tell"),
        )
        constraints = (
            models.UniqueConstraint(fields=("channel", "alert", "occasion"), name="notice_once_per_occasion"),
        )

    def __str__(self) -> str:
        return f"{self.get_occasion_display()}: {self.alert}"
