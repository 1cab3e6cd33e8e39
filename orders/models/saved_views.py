"""Filters of the list of orders that a customer saved under a name."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.utils import timezone

MAX_NAME = 40
MAX_QUERY = 4_000


class SavedView(models.Model):
    """A name, and the query string with the filters that it stands for."""

    # No index of its own: the constraint begins with this column.
    customer = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="saved_views", db_index=False
    )
    name = models.CharField(max_length=MAX_NAME)
    query = models.CharField(max_length=MAX_QUERY)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ("pk",)
        constraints = (models.UniqueConstraint(fields=("customer", "name"), name="saved_view_name_unique"),)

    def __str__(self) -> str:
        return self.name
