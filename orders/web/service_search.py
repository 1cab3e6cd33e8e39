"""Search for a service to order: the customer's own first, then the others in the catalog's order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.db.models import Case, IntegerField, QuerySet, Value, When
from django.utils.translation import gettext as _

from catalog.models import Favourite, Service
from catalog.prices.customer_prices import Offer, offers_for
from catalog.selectors import SHELF_ORDER, matching, services_on_sale
from orders.selectors import orders_of
from panel.accounts.models import User
from panel.lib.digits import whole_number

MAX_QUERY = 100
MAX_FOUND = 40
MAX_RECENT = 5
# Orders that are scanned for the latest services.
MAX_LATEST_ORDERS = 200

_EXACT, _FAVOURITE, _RECENT, _OTHER = 0, 1, 2, 2 + MAX_RECENT


@dataclass(frozen=True, slots=True)
class Group:
    """Offers under one heading: "Favorites", "Recently ordered", or a category."""

    name: str
    offers: list[Offer]


@dataclass(frozen=True, slots=True)
class Found:
    """At most `MAX_FOUND` offers by heading. `more`: others match as well."""

    query: str
    groups: list[Group]
    more: bool

    @property
    def count(self) -> int:
        return sum(len(group.offers) for group in self.groups)


def find_services(*, customer: User, query: str) -> Found:
    """Return the services on sale with every word of `query` in name, category or number; all of them for "".

    Four queries, however many services there are.
    """
    query = clean_query(query)
    services = list(_ranked(customer, query)[: MAX_FOUND + 1])
    groups: dict[str, Group] = {}
    for offer in offers_for(customer=customer, services=services[:MAX_FOUND]):
        name = _heading(offer.service)
        groups.setdefault(name, Group(name, [])).offers.append(offer)
    return Found(query, list(groups.values()), more=len(services) > MAX_FOUND)


def clean_query(text: str) -> str:
    """Return the words to search for; accepts a chosen service's own text, "12 · Followers"."""
    return " ".join(word for word in text.replace("\x00", "")[:MAX_QUERY].split() if word != "·")


def recent_services(*, customer: User) -> list[int]:
    """Return the services that the customer ordered last, each once, the latest first."""
    latest = orders_of(customer=customer).values_list("service_id", flat=True)[:MAX_LATEST_ORDERS]
    return list(dict.fromkeys(latest))[:MAX_RECENT]


def is_favourite(*, customer: User, service: Any) -> bool:
    return Favourite.objects.filter(customer=customer, service=service).exists()


def _ranked(customer: User, query: str) -> QuerySet[Service]:
    """Return the matches by `rank`: the exact number, favorites, recently ordered, then the catalog's order."""
    favourites = Favourite.objects.filter(customer=customer).order_by().values("service")
    ranks = [When(pk__in=favourites, then=Value(_FAVOURITE))]
    ranks += [When(pk=pk, then=Value(_RECENT + i)) for i, pk in enumerate(recent_services(customer=customer))]
    if (number := whole_number(query)) is not None:
        ranks.insert(0, When(pk=number, then=Value(_EXACT)))
    return (
        matching(services_on_sale(), query)
        .select_related(None)
        .select_related("category", "upstream")
        .defer("description", "upstream__description")  # Long, and would be sorted with the rows.
        .annotate(rank=Case(*ranks, default=Value(_OTHER), output_field=IntegerField()))
        .order_by("rank", *SHELF_ORDER)
    )


def _heading(service: Any) -> str:
    if service.rank == _FAVOURITE:
        return _("Favorites")
    if _RECENT <= service.rank < _OTHER:
        return _("Recently ordered")
    return str(service.category.name)
