"""How far the data of ended orders has been pruned."""

from __future__ import annotations

from django.db import models
from django.utils import timezone


class PruningProgress(models.Model):
    """The ended order that one kind of pruning came to last, by end and number. A pass begins with none."""

    name = models.CharField(max_length=20, primary_key=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    order_number = models.BigIntegerField(default=0)
    began_at = models.DateTimeField(default=timezone.now)

    def __str__(self) -> str:
        return f"Pruning of {self.name}"
