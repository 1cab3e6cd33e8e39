"""Filters of the list of orders saved under a name, and the columns that each of the staff chose."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone

MAX_NAME = 40
MAX_QUERY = 4_000


class NamedFilters(models.Model):
    """A name, and the query string with the filters that it stands for."""

    name = models.CharField(max_length=MAX_NAME)
    query = models.CharField(max_length=MAX_QUERY)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        abstract = True

    def __str__(self) -> str:
        return self.name


class SavedView(NamedFilters):
    """A view of a customer's own list."""

    # No index of its own: the constraint begins with this column.
    customer = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="saved_views", db_index=False
    )

    class Meta:
        ordering = ("pk",)
        constraints = (models.UniqueConstraint(fields=("customer", "name"), name="saved_view_name_unique"),)


class StaffView(NamedFilters):
    """A view of the staff's list: of the person who saved it, or of all staff if it is shared."""

    # No index of its own: the constraint begins with this column.
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="staff_views", db_index=False
    )
    position = models.PositiveSmallIntegerField(default=0, help_text="Among the views of this person.")
    is_shared = models.BooleanField(default=False)

    class Meta:
        ordering = ("position", "pk")
        default_permissions = ()
        constraints = (models.UniqueConstraint(fields=("user", "name"), name="staff_view_name_unique"),)
        indexes = (models.Index(fields=("position",), condition=Q(is_shared=True), name="staff_view_shared"),)


class OrderColumns(models.Model):
    """The columns of the staff's list that a person chose, as a list of their keys."""

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, primary_key=True, related_name="order_columns"
    )
    keys = models.JSONField(default=list)

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"Columns of {self.user}"
