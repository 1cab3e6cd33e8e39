"""The services that customers marked to find them again."""

from __future__ import annotations

from django.db.models import Exists, OuterRef

from catalog.models import Favourite, Service
from catalog.selectors import services_on_sale
from panel.accounts.models import User


def mark_favourite(*, customer: User, service_id: int) -> Service:
    """Marks a service that is on sale; marking it twice is once. Raises Service.DoesNotExist."""
    service = services_on_sale().get(pk=service_id)
    Favourite.objects.bulk_create([Favourite(customer=customer, service=service)], ignore_conflicts=True)
    return service


def unmark_favourite(*, customer: User, service_id: int) -> Service:
    """Takes the mark away, if there is one, also where the service is sold no more. Raises Service.DoesNotExist."""
    service = Service.objects.get(pk=service_id)
    Favourite.objects.filter(customer=customer, service=service).delete()
    return service


def marked_by(customer: User, *, service: str = "pk") -> Exists:
    """Whether `customer` marked a row's service, to annotate or filter by. `service`: where a row holds its key."""
    return Exists(Favourite.objects.filter(customer=customer, service=OuterRef(service)))
