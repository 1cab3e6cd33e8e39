"""Reading the catalog for pages."""

from __future__ import annotations

from django.db.models import Q, QuerySet

from catalog.models import Service, ServiceFigures
from catalog.service_types import SPECS
from panel.lib.digits import whole_number

# Completed orders of the last 30 days, below which nothing is said about how long the next one takes.
ENOUGH_TIMED = 5

SHELF_ORDER = ("category__position", "category__name", "category", "position", "pk")


def services_on_sale() -> QuerySet[Service]:
    """What a customer can order now: put on sale by the owner, listed upstream, its provider on.

    A type can change upstream: what the order form has no fields for is not sold either.
    """
    return Service.objects.filter(
        is_on_sale=True,
        upstream__is_listed=True,
        upstream__type__in=SPECS,
        upstream__provider__is_active=True,
    ).select_related("category", "upstream__provider")


def service_on_sale(pk: int) -> Service | None:
    """One of `services_on_sale` by its primary key, judged by its row: asked at every order, and to put the same
    into a query takes as long as to run it."""
    service = Service.objects.select_related("upstream__provider").filter(pk=pk).order_by().first()
    if service is None or not service.is_on_sale:
        return None
    upstream = service.upstream
    is_sold = upstream.is_listed and upstream.type in SPECS and upstream.provider.is_active
    return service if is_sold else None


def matching(services: QuerySet[Service], query: str) -> QuerySet[Service]:
    """Those that hold every word of `query` in their name, category or number; of a long query its first 8 words."""
    for word in query.split()[:8]:
        matches = Q(name__icontains=word) | Q(category__name__icontains=word)
        if (number := whole_number(word)) is not None:
            matches |= Q(pk=number)
        services = services.filter(matches)
    return services


def times_of(service: Service) -> ServiceFigures | None:
    """How long completed orders of the service took; None where there are too few to tell."""
    figures: ServiceFigures | None = getattr(service, "figures", None)
    return figures if figures is not None and figures.timed >= ENOUGH_TIMED else None
