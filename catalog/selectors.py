"""Read the catalog for pages."""

from __future__ import annotations

from django.db.models import Q, QuerySet

from catalog.models import Service, ServiceFigures
from catalog.service_types import SPECS
from panel.lib.digits import whole_number

# Minimum completed orders in 30 days for a statement of how long orders take.
ENOUGH_TIMED = 5

SHELF_ORDER = ("category__position", "category__name", "category", "position", "pk")


def services_on_sale() -> QuerySet[Service]:
    """Return services that a customer can order now: on sale, listed upstream, provider active, type in SPECS.

    The type is checked because it can change upstream to one that the order form has no fields for.
    """
    return Service.objects.filter(
        is_on_sale=True,
        upstream__is_listed=True,
        upstream__type__in=SPECS,
        upstream__provider__is_active=True,
    ).select_related("category", "upstream__provider")


def service_on_sale(pk: int) -> Service | None:
    """Return a service by primary key if it is one of `services_on_sale`; else None.

    Runs at every order. The conditions are checked in Python: building the query takes as long as running it.
    """
    service = Service.objects.select_related("upstream__provider").filter(pk=pk).order_by().first()
    if service is None or not service.is_on_sale:
        return None
    upstream = service.upstream
    is_sold = upstream.is_listed and upstream.type in SPECS and upstream.provider.is_active
    return service if is_sold else None


def matching(services: QuerySet[Service], query: str) -> QuerySet[Service]:
    """Filter services by every word of `query`, in name, category or number. Only the first 8 words count."""
    for word in query.split()[:8]:
        matches = Q(name__icontains=word) | Q(category__name__icontains=word)
        if (number := whole_number(word)) is not None:
            matches |= Q(pk=number)
        services = services.filter(matches)
    return services


def times_of(service: Service) -> ServiceFigures | None:
    """Return how long completed orders took; None if there are too few."""
    figures: ServiceFigures | None = getattr(service, "figures", None)
    return figures if figures is not None and figures.timed >= ENOUGH_TIMED else None
