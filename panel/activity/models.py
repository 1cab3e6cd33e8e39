"""What is known of an act besides Django's log entry."""

from __future__ import annotations

from django.contrib.admin.models import LogEntry
from django.db import models


class Act(LogEntry):
    """An entry of Django's log under the name that its page has."""

    class Meta:
        proxy = True
        default_permissions = ("view",)
        verbose_name = "entry of the activity"
        verbose_name_plural = "activity"


class ActivityDetail(models.Model):
    """Where an act came from, and what it changed. Only ever added, in the transaction of its entry.

    `changes` are [{"column": …, "before": …, "after": …}], without secrets. Amounts are as stored, in micro-units.
    """

    entry = models.OneToOneField(LogEntry, on_delete=models.PROTECT, primary_key=True, related_name="detail")
    address = models.GenericIPAddressField(null=True)
    agent = models.CharField(max_length=200, blank=True, help_text="The program, as it introduces itself.")
    changes = models.JSONField(default=list)

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"Detail of {self.entry_id}"
