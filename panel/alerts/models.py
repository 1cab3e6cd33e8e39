"""Alerts to the owner, and when each task last ran."""

from __future__ import annotations

from django.db import models
from django.utils import timezone


class Alert(models.Model):
    """Something that needs the owner. One row per cause while it lasts, however often it is raised."""

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

    class Meta:
        ordering = ("-last_seen_at", "-pk")
        constraints = (
            # Two workers that meet the same problem at once must not open two alerts.
            models.UniqueConstraint(
                fields=("cause",), condition=models.Q(resolved_at=None), name="alert_one_open_per_cause"
            ),
        )

    def __str__(self) -> str:
        return self.text


class Heartbeat(models.Model):
    """When a periodic task last finished a round."""

    task = models.CharField(max_length=60, primary_key=True)
    beat_at = models.DateTimeField(default=timezone.now)

    def __str__(self) -> str:
        return self.task
