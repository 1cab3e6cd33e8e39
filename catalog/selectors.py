"""Reading the catalog for pages."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from django.db.models import Q, QuerySet

from catalog.customer_prices import Offer, terms_of
from catalog.models import Category, Service
from catalog.types import SPECS


@dataclass(slots=True)
class Shelf:
    """A category and what of it is on sale, at the prices of one customer."""

    category: Category
    offers: list[Offer] = field(default_factory=list)


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


def search_services(*, query: str, customer: Any) -> list[Shelf]:
    """What is on sale and holds every word of `query` in its name, category or number, by category.

    Three queries, however many services there are.
    """
    services = services_on_sale()
    for word in query.split()[:8]:
        matches = Q(name__icontains=word) | Q(category__name__icontains=word)
        if word.isascii() and word.isdigit() and len(word) < 10:
            matches |= Q(pk=int(word))
        services = services.filter(matches)
    terms = terms_of(customer=customer)
    shelves: dict[int, Shelf] = {}
    for service in services.order_by(*SHELF_ORDER):
        shelf = shelves.setdefault(service.category_id, Shelf(service.category))
        shelf.offers.append(terms.offer(service))
    return list(shelves.values())
