"""What is late, counted once a minute for the page “Late orders”."""

from __future__ import annotations

from django.db import models

from catalog.models import Provider, Service


class LateOrders(models.Model):
    """The late orders of one service at one provider. Written only by the task that counts them.

    `open` are all its orders on their way. Of the late ones, `unsent` were not sent yet and `not_started` are pending
    at the provider; customers paid `charge` for them, less refunds, in micro-units. `since` is when the first of them
    was counted, and `yesterday` how many were late in the last count of the day before `day`.
    """

    # No index of its own: the constraint's begins with it.
    provider = models.ForeignKey(Provider, on_delete=models.CASCADE, related_name="+", db_index=False)
    service = models.ForeignKey(Service, on_delete=models.CASCADE, related_name="+")
    open = models.PositiveIntegerField(default=0)
    late = models.PositiveIntegerField(default=0)
    unsent = models.PositiveIntegerField(default=0)
    not_started = models.PositiveIntegerField(default=0)
    charge = models.BigIntegerField(default=0)
    oldest_at = models.DateTimeField(null=True, blank=True)
    since = models.DateTimeField()
    day = models.DateField()
    yesterday = models.PositiveIntegerField(default=0)

    class Meta:
        default_permissions = ()
        ordering = ("-late", "pk")
        verbose_name = "late orders of a service"
        verbose_name_plural = "late orders"
        constraints = (models.UniqueConstraint(fields=("provider", "service"), name="late_orders_once"),)

    def __str__(self) -> str:
        return f"Late orders of {self.service}"
