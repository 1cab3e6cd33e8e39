"""Reading the catalog for pages."""

from __future__ import annotations

from dataclasses import dataclass, field

from django.db.models import Q, QuerySet

from catalog.models import Category, Service
from catalog.types import SPECS


@dataclass(slots=True)
class Shelf:
    """A category and what of it is on sale."""

    category: Category
    services: list[Service] = field(default_factory=list)


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


def search_services(*, query: str) -> list[Shelf]:
    """What is on sale and holds every word of `query` in its name, category or number, by category."""
    services = services_on_sale()
    for word in query.split()[:8]:
        matches = Q(name__icontains=word) | Q(category__name__icontains=word)
        if word.isascii() and word.isdigit() and len(word) < 10:
            matches |= Q(pk=int(word))
        services = services.filter(matches)
    shelves: dict[int, Shelf] = {}
    for service in services.order_by(*SHELF_ORDER):
        shelves.setdefault(service.category_id, Shelf(service.category)).services.append(service)
    return list(shelves.values())
