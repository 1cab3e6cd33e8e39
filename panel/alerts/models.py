"""Alerts to the owner, when each task last ran and runs next, and what is known of clocks."""

from __future__ import annotations

from django.db import models
from django.db.models.functions import Now
from django.utils import timezone


class Alert(models.Model):
    """Something that needs the owner. One row per cause while it lasts, however often it is raised.

    `tell_due_at` is when the channels are next to hear of it; null if there is nothing more to tell. `told_at` is when
    they first did.
    """

    class Level(models.TextChoices):
        WARNING = "warning", "Warning"
        DANGER = "danger", "Urgent"

    cause = models.CharField(max_length=120, help_text="What is wrong with what, such as provider:3:funds.")
    level = models.CharField(max_length=10, choices=Level.choices, default=Level.WARNING)
    text = models.CharField(max_length=500)
    count = models.PositiveIntegerField(default=1)
    created_at = models.DateTimeField(default=timezone.now)
    last_seen_at = models.DateTimeField(default=timezone.now)
    resolved_at = models.DateTimeField(null=True, blank=True)
    tell_due_at = models.DateTimeField(null=True, blank=True, db_default=Now())
    told_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ("-last_seen_at", "-pk")
        indexes = (
            models.Index(fields=("tell_due_at",), condition=models.Q(tell_due_at__isnull=False), name="alert_to_tell"),
        )
        constraints = (
            # Two workers that meet the same problem at once must not open two alerts.
            models.UniqueConstraint(
                fields=("cause",), condition=models.Q(resolved_at=None), name="alert_one_open_per_cause"
            ),
        )

    def __str__(self) -> str:
        return self.text


class ErrorReport(models.Model):
    """One unexpected error. Its number was shown to whoever met it. The last ones of each place are kept."""

    number = models.CharField(max_length=12, unique=True)
    group = models.CharField(max_length=12, db_index=True)
    kind = models.CharField(max_length=100)
    place = models.CharField(max_length=200)
    where = models.CharField(max_length=200)
    message = models.CharField(max_length=200)
    trace = models.TextField()
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ("-pk",)
        verbose_name = "error"

    def __str__(self) -> str:
        return f"{self.number}: {self.kind} in {self.place}"


class Heartbeat(models.Model):
    """When a periodic task last finished a round."""

    task = models.CharField(max_length=60, primary_key=True)
    beat_at = models.DateTimeField(default=timezone.now)

    def __str__(self) -> str:
        return self.task


class Process(models.Model):
    """A web server or worker, and when it last said that it lives. `ended_at`: it was stopped in the ordinary way."""

    class Kind(models.TextChoices):
        WEB = "web", "Web server"
        WORKER = "worker", "Worker"

    kind = models.CharField(max_length=10, choices=Kind.choices)
    machine = models.CharField(max_length=120)
    pid = models.PositiveIntegerField()
    started_at = models.DateTimeField()
    seen_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name_plural = "processes"

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.pid} on {self.machine}"


class Round(models.Model):
    """When a periodic task last began a round, and when its next one is due."""

    task = models.CharField(max_length=100, primary_key=True)
    begun_at = models.DateTimeField()
    due_at = models.DateTimeField()

    def __str__(self) -> str:
        return self.task


class WrongClock(models.Model):
    """A machine whose clock differed from the database's when it was last measured. Its worker does nothing."""

    machine = models.CharField(max_length=120, unique=True)
    offset = models.BigIntegerField(help_text="Milliseconds to add to its clock.")
    measured_at = models.DateTimeField(help_text="By the database's clock.")

    def __str__(self) -> str:
        return self.machine


class RunningTime(models.Model):
    """Since when rounds were seen to run, and when last: the only row, with primary key 1.

    `doubted_since` is the end of the last gap, until an hour without one has passed or a person trusts the clock.
    """

    since = models.DateTimeField()
    seen_at = models.DateTimeField()
    doubted_since = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return f"Running since {self.since}"


class RunningGap(models.Model):
    """A time in which no round was seen: nothing ran, or the clock was set forward. It counts for no deadline."""

    began_at = models.DateTimeField()
    ended_at = models.DateTimeField(db_index=True)

    def __str__(self) -> str:
        return f"{self.began_at} to {self.ended_at}"
