"""What customers see besides the services: their favorites, and recent changes."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_noop as _

from catalog.models.services import Service


class Favourite(models.Model):
    """A service that a customer marked."""

    customer = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="favourites")
    service = models.ForeignKey(Service, on_delete=models.CASCADE, related_name="favourites")
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ("-pk",)
        constraints = (models.UniqueConstraint(fields=("customer", "service"), name="favourite_unique"),)

    def __str__(self) -> str:
        return f"{self.customer}: {self.service}"


class ShelfMark(models.Model):
    """The published state of a service: whether it could be ordered at the last comparison, and its list price.

    `price` is in micro-units per 1000, or per package. Written only by the task that finds changes.
    """

    service = models.OneToOneField(Service, on_delete=models.CASCADE, primary_key=True, related_name="published_state")
    is_sold = models.BooleanField()
    price = models.BigIntegerField()

    def __str__(self) -> str:
        return f"State of {self.service}"


class ShelfNews(models.Model):
    """A change in the shop that customers see. Prices are list prices, in micro-units per 1000, or per package."""

    class Kind(models.TextChoices):
        NEW = "new", _("New")
        BACK = "back", _("Back")
        CHEAPER = "cheaper", _("Price down")
        DEARER = "dearer", _("Price up")
        GONE = "gone", _("Removed")

    service = models.ForeignKey(Service, on_delete=models.CASCADE, related_name="news")
    kind = models.CharField(max_length=8, choices=Kind.choices)
    old_price = models.BigIntegerField(null=True, blank=True)
    new_price = models.BigIntegerField(null=True, blank=True)
    noticed_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ("-noticed_at", "-pk")
        verbose_name_plural = "shelf news"
        indexes = (models.Index(fields=("-noticed_at", "-id"), name="shelf_news_latest"),)

    def __str__(self) -> str:
        return f"{self.get_kind_display()}: {self.service}"
