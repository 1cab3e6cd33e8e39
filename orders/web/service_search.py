"""Search for a service to order: what the box of the order form shows."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from django.utils.translation import gettext as _

from catalog.models import Favourite, ServiceFigures
from catalog.platform_marks import platform_label
from catalog.prices.customer_prices import Offer, offers_for
from catalog.search import find_service_ids
from catalog.search.index import SearchIndex, current_index
from catalog.search.links import LinkResult, find_for_link
from catalog.selectors import services_on_sale
from orders.selectors import orders_of
from orders.web.link_notes import heading_for
from panel.accounts.models import User
from panel.lib.digits import whole_number

MAX_QUERY = 100
MAX_FOUND = 40
MAX_CATEGORIES = 200
# Of the list that opens before anything is typed.
OPENING_RECENT, OPENING_FAVORITES, OPENING_ORDERED = 2, 3, 5
# Services that come first among those found, if the customer ordered them last.
MAX_RECENT = 5
# Orders that are scanned for the latest services.
MAX_LATEST_ORDERS = 200


@dataclass(frozen=True, slots=True)
class Group:
    """Offers under one heading: "Favorites", "Recent", or a category. `icon` is its picture, or ""."""

    name: str
    icon: str = ""
    offers: list[Offer] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class CategoryChoice:
    """A category with services of the chosen platform."""

    pk: int
    name: str
    count: int


@dataclass(frozen=True, slots=True)
class Asked:
    """What the box asks for: words or a link, in a platform and a category if these were chosen ("" and 0: all)."""

    query: str = ""
    platform: str = ""
    category: int = 0


@dataclass(frozen=True, slots=True)
class Found:
    """At most `MAX_FOUND` offers by heading, or categories to choose from. `more`: others match as well.

    `link` is the query if it is a link; `elsewhere` counts what matches in other platforms if nothing does in this one.
    `category` is the one whose services these are, if it was chosen. `total` counts all services on sale, and
    `favorites` are the customer's, by primary key.
    """

    query: str = ""
    groups: Sequence[Group] = ()
    categories: Sequence[CategoryChoice] = ()
    more: bool = False
    did_you_mean: str = ""
    elsewhere: int = 0
    link: str = ""
    category: str = ""
    total: int = 0
    favorites: Collection[int] = ()

    @property
    def count(self) -> int:
        return sum(len(group.offers) for group in self.groups)


def find_services(*, customer: User, asked: Asked, is_opening: bool = False) -> Found:
    """Return the services on sale that fit; without a query all of them, or, `is_opening`, those ordered most likely.

    At most seven queries, however many services there are.
    """
    index, favorites = current_index(), _favorites(customer)
    return replace(_find(customer, index, asked, favorites, is_opening), total=len(index.rows), favorites=favorites)


def _find(customer: User, index: SearchIndex, asked: Asked, favorites: list[int], is_opening: bool) -> Found:
    query = asked.query.replace("\x00", "")[:MAX_QUERY].strip()
    if (found := find_for_link(asked.query)) is not None:
        return _for_link(customer, index, asked, found)
    if query:
        return _by_words(customer, index, asked, query, favorites)
    if asked.platform or asked.category:
        return _by_category(customer, index, asked)
    if is_opening:
        return _opening(customer, index, favorites)
    return _shown(customer, "", [row.pk for row in index.rows], favorites)


def _by_words(customer: User, index: SearchIndex, asked: Asked, query: str, favorites: list[int]) -> Found:
    result = find_service_ids(query, index=index)
    ids = _narrowed(index, asked, result.ids)
    if ids:
        return _shown(customer, query, ids, favorites)
    return Found(query, did_you_mean=result.did_you_mean, elsewhere=len(result.ids))


def _shown(customer: User, query: str, ids: list[int], favorites: list[int]) -> Found:
    """Return the first of `ids`: the service whose number was typed, the customer's own, then the others."""
    own = {pk: _heading_favorites() for pk in favorites}
    own |= {pk: own.get(pk, _heading_recent()) for pk in recent_services(customer=customer)}
    typed = whole_number(query.lstrip("#"))
    first = [pk for pk in ids[:1] if pk == typed]
    matching = set(ids)
    ranked = list(dict.fromkeys([*first, *(pk for pk in own if pk in matching), *ids]))
    groups = _grouped(_offers(customer, ranked[:MAX_FOUND]), own)
    return Found(query, groups, more=len(ranked) > MAX_FOUND)


def _by_category(customer: User, index: SearchIndex, asked: Asked) -> Found:
    """Return the categories of a platform, or, where there is one, or one was chosen, its services."""
    ids = _narrowed(index, Asked(platform=asked.platform), (row.pk for row in index.rows))
    choices: dict[int, CategoryChoice] = {}
    for pk in ids:
        row = index.rows[index.place_of[pk]]
        count = choices[row.category_id].count if row.category_id in choices else 0
        choices[row.category_id] = CategoryChoice(row.category_id, row.category, count + 1)
    if asked.category not in choices and len(choices) > 1:
        shown = list(choices.values())[:MAX_CATEGORIES]
        return Found(categories=shown, more=len(choices) > len(shown))
    ids = _narrowed(index, asked, ids) if asked.category in choices else ids
    name = choices[asked.category].name if asked.category in choices and len(choices) > 1 else ""
    offers = _offers(customer, ids[:MAX_FOUND])
    groups = [Group(offers[0].service.category.name, offers=offers)] if offers else []
    return Found(groups=groups, more=len(ids) > MAX_FOUND, category=name)


def _opening(customer: User, index: SearchIndex, favorites: list[int]) -> Found:
    """Return what the customer ordered last, favorites, and what all order most; in a small shop, the others too."""
    taken: dict[int, Group] = {}
    for group, ids, most in (
        (_heading_recent(), recent_services(customer=customer), OPENING_RECENT),
        (_heading_favorites(), favorites, OPENING_FAVORITES),
        (Group(_("Most ordered this month"), "graph-up"), _most_ordered(), OPENING_ORDERED),
    ):
        fresh = [pk for pk in ids if pk in index.place_of and pk not in taken]
        taken |= dict.fromkeys(fresh[:most], group)
    full = OPENING_RECENT + OPENING_FAVORITES + OPENING_ORDERED
    others = [row.pk for row in index.rows[: 2 * full] if row.pk not in taken]
    ids = [*taken, *others[: full - len(taken)]]
    groups = _grouped(_offers(customer, ids), taken)
    return Found(groups=groups, more=len(index.rows) > len(ids))


def _for_link(customer: User, index: SearchIndex, asked: Asked, found: LinkResult) -> Found:
    ids = _narrowed(index, asked, found.ids)
    offers = _offers(customer, ids[:MAX_FOUND])
    groups = [Group(heading_for(found.place), "link-45deg", offers)] if offers else []
    link = asked.query.strip()
    return Found(link, groups, more=len(ids) > MAX_FOUND, link=link)


def _narrowed(index: SearchIndex, asked: Asked, ids: Iterable[int]) -> list[int]:
    """Return those of `ids` that are of the chosen platform and category, and still in the index."""
    in_platform = None
    if asked.platform:
        in_platform = {index.rows[place].pk for place in index.by_platform.get(asked.platform, ())}
    return [
        pk
        for pk in ids
        if pk in index.place_of
        and (in_platform is None or pk in in_platform)
        and (not asked.category or index.rows[index.place_of[pk]].category_id == asked.category)
    ]


def _heading_favorites() -> Group:
    return Group(_("Favorites"), "star")


def _heading_recent() -> Group:
    return Group(_("Recent"), "clock-history")


def _grouped(offers: list[Offer], own: dict[int, Group]) -> list[Group]:
    """Return the offers under the headings of `own`, the others under their categories; each where it comes first."""
    groups: dict[str, Group] = {}
    for offer in offers:
        heading = own.get(offer.service.pk) or Group(offer.service.category.name)
        groups.setdefault(heading.name, Group(heading.name, heading.icon)).offers.append(offer)
    return list(groups.values())


def _offers(customer: User, ids: Sequence[int]) -> list[Offer]:
    """Return the services in this order, those still on sale, at the customer's prices."""
    rows = (
        services_on_sale()
        .select_related(None)
        .select_related("category", "upstream", "figures")
        .defer("description", "upstream__description")
        .in_bulk(ids)
    )
    return offers_for(customer=customer, services=[rows[pk] for pk in ids if pk in rows])


def _favorites(customer: User) -> list[int]:
    """Return the services that the customer marked, the latest first."""
    marked = Favourite.objects.filter(customer=customer).order_by("-pk")
    return list(marked.values_list("service_id", flat=True)[:MAX_FOUND])


def _most_ordered() -> list[int]:
    """Return the services with the most orders in 30 days; more than are shown, for some went off sale since."""
    ordered = ServiceFigures.objects.filter(orders__gt=0).order_by("-orders", "service_id")
    return list(ordered.values_list("service_id", flat=True)[: OPENING_ORDERED * 4])


def recent_services(*, customer: User) -> list[int]:
    """Return the services that the customer ordered last, each once, the latest first."""
    latest = orders_of(customer=customer).values_list("service_id", flat=True)[:MAX_LATEST_ORDERS]
    return list(dict.fromkeys(latest))[:MAX_RECENT]


def is_favourite(*, customer: User, service: Any) -> bool:
    return Favourite.objects.filter(customer=customer, service=service).exists()


# -- the platforms above the box ---------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class PlatformChoice:
    """A platform with services on sale. `name` is as in PLATFORMS, or "other"."""

    name: str
    label: str
    count: int


def platforms_on_sale() -> list[PlatformChoice]:
    """Return the platforms that have services on sale, those with the most first."""
    return [
        PlatformChoice(name, platform_label(name) or _("Other"), len(places))
        for name, places in current_index().by_platform.items()
    ]
