"""The order that a customer typed and did not create yet."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone


class OrderDraft(models.Model):
    """What the customer typed last into the order form. It charges nothing and binds nobody.

    `service_name`, `quantity` and `charge` (micro-units) say what it was when it was typed. `quantity` counts all
    runs, and is None for a package; `charge` is None while the form is not complete. `is_short`: the balance did not
    cover it. `request_key` becomes that of the order, so a draft whose order exists is over.
    """

    customer = models.OneToOneField(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    typed = models.JSONField(default=dict)
    request_key = models.CharField(max_length=64, blank=True)
    service_name = models.CharField(max_length=500, blank=True)
    quantity = models.BigIntegerField(null=True, blank=True)
    charge = models.BigIntegerField(null=True, blank=True)
    is_short = models.BooleanField(default=False)
    updated_at = models.DateTimeField(default=timezone.now, db_index=True)

    class Meta:
        constraints = (
            models.CheckConstraint(condition=Q(is_short=False) | Q(charge__gt=0), name="draft_short_of_a_charge"),
        )

    def __str__(self) -> str:
        return f"Draft of customer {self.customer_id}"
