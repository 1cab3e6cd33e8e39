"""Services that customers marked as favorites."""

from __future__ import annotations

from django.db.models import Exists, OuterRef

from catalog.models import Favourite, Service
from catalog.selectors import services_on_sale
from panel.accounts.models import User


def mark_favourite(*, customer: User, service_id: int) -> Service:
    """Mark a service on sale; marking it again changes nothing. Raise Service.DoesNotExist."""
    service = services_on_sale().get(pk=service_id)
    Favourite.objects.bulk_create([Favourite(customer=customer, service=service)], ignore_conflicts=True)
    return service


def unmark_favourite(*, customer: User, service_id: int) -> Service:
    """Remove the mark, if any, also from a service no longer on sale. Raise Service.DoesNotExist."""
    service = Service.objects.get(pk=service_id)
    Favourite.objects.filter(customer=customer, service=service).delete()
    return service


def marked_by(customer: User, *, service: str = "pk") -> Exists:
    """Return a condition: `customer` marked the service of a row. `service` is the row's field with its primary key."""
    return Exists(Favourite.objects.filter(customer=customer, service=OuterRef(service)))
