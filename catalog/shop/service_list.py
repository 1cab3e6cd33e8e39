"""The list of services on sale: platforms, their categories and rows, filtered and sorted, one page at a time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import QuerySet
from django.utils.translation import gettext as _

from catalog.models import Favourite, Service
from catalog.platform_marks import OTHER, platform_label
from catalog.prices.customer_prices import Offer, offers_for
from catalog.search import find_service_ids
from catalog.search.index import current_index
from catalog.search.links import fitting, read_link
from catalog.selectors import services_on_sale
from catalog.service_types import SPECS
from catalog.shop.favorites import marked_by
from catalog.shop.service_filters import ServiceFilters
from catalog.shop.shelf import TYPICAL_SECONDS, Shelf, ShelfRow, current_shelf
from panel.accounts.signed_in import AnyUser
from panel.lib.keyset_pagination import KeysetPage

ROWS = 50
MAX_TABS = 10
MAX_CHIPS = 9
# Of the searchable list of categories.
MAX_CATEGORIES = 1_000


@dataclass(frozen=True, slots=True)
class Choice:
    """A platform, category or type in a filter: its number of matching services, and its URL."""

    value: int | str
    label: str
    count: int
    address: str
    is_current: bool


@dataclass(frozen=True, slots=True)
class ServicePage:
    """One page of the shop. `total` counts all matching services; the page begins with number `first`.

    `categories` are the largest of the platform, `category_count` is the number of all of them. `elsewhere` counts
    what matches on all platforms and in all categories; `meant` is another search that may have been meant, or "".
    """

    wanted: ServiceFilters
    page: KeysetPage[Offer]
    total: int
    first: int
    platforms: list[Choice]
    more_platforms: list[Choice]
    categories: list[Choice]
    category_count: int
    types: list[Choice]
    of_platform: int
    elsewhere: int
    meant: str

    @property
    def place(self) -> str:
        """Return the position of the page, such as "51–100 of 10,000", in the list."""
        last = self.first + len(self.page.rows) - 1
        return _("%(first)s–%(last)s of %(total)s") % {
            "first": f"{self.first:,}",
            "last": f"{last:,}",
            "total": f"{self.total:,}",
        }

    @property
    def every_platform(self) -> str:
        """Return the URL of the same search on all platforms."""
        return self.wanted.address(platform="", category=0)

    @property
    def every_category(self) -> str:
        """Return the URL of the same filters in all categories of the platform."""
        return self.wanted.address(category=0)

    @property
    def toggles(self) -> dict[str, str]:
        """Return the URLs that turn each of these filters on or off."""
        return {name: self.wanted.address(**{name: not getattr(self.wanted, name)}) for name in _SWITCHES}

    @property
    def meant_address(self) -> str:
        return self.wanted.address(q=self.meant)


_SWITCHES = ("refill", "cancel", "favorites")


@dataclass(frozen=True, slots=True)
class _Matches:
    """What filters leave of the shelf, on all platforms; `rank` is the place of a service in the answer to a search."""

    rows: Sequence[ShelfRow]
    rank: Mapping[int, int]
    meant: str = ""


def list_services(*, wanted: ServiceFilters, customer: AnyUser) -> ServicePage:
    """Return a page of services on sale, at the customer's prices (list prices for a visitor).

    Each service has `typical_seconds` and, for a customer, `is_favourite`. At most six queries, however many services
    there are; none about the customer for a visitor.
    """
    shelf = current_shelf()
    found = _matches(shelf, wanted, customer)
    of_type = Counter(row.type for row in found.rows)
    rows = [row for row in found.rows if wanted.type in ("", row.type)]
    of_platform = [row for row in rows if wanted.platform in ("", row.platform)]
    in_category = Counter(row.category for row in of_platform)
    shown = [row for row in of_platform if wanted.category in (0, row.category)]
    number = min(wanted.page, max(1, -(-len(shown) // ROWS)))
    platforms = _platforms(Counter(row.platform for row in rows), wanted)
    categories = _categories(shelf, in_category, wanted)
    return ServicePage(
        wanted=wanted,
        page=_page(_sorted(shown, wanted.sort, found.rank), number, customer),
        total=len(shown),
        first=(number - 1) * ROWS + 1,
        platforms=_with_current(platforms, MAX_TABS),
        more_platforms=[one for one in platforms[MAX_TABS:] if not one.is_current],
        categories=_with_current(sorted(categories, key=lambda one: -one.count), MAX_CHIPS),
        category_count=len(categories),
        types=[
            Choice(kind, _(spec.label), of_type[kind], wanted.address(type=kind), kind == wanted.type)
            for kind, spec in SPECS.items()
            if of_type[kind]
        ],
        of_platform=len(of_platform),
        elsewhere=len(rows),
        meant=found.meant,
    )


def list_categories(*, wanted: ServiceFilters, customer: AnyUser, name: str) -> list[Choice]:
    """Return the categories of the platform with matching services, in the owner's order; at most `MAX_CATEGORIES`.

    Each has all words of `name`.
    """
    shelf = current_shelf()
    rows = _matches(shelf, wanted, customer).rows
    counts = Counter(
        row.category for row in rows if wanted.type in ("", row.type) and wanted.platform in ("", row.platform)
    )
    words = name.casefold().split()
    found = _categories(shelf, counts, wanted)
    return [one for one in found if all(word in one.label.casefold() for word in words)][:MAX_CATEGORIES]


def _matches(shelf: Shelf, wanted: ServiceFilters, customer: AnyUser) -> _Matches:
    tests: list[Callable[[ShelfRow], bool]] = []
    rank: dict[int, int] = {}
    meant = ""
    if wanted.q:
        rank, meant = _search(wanted)
        tests.append(lambda row: row.pk in rank)
    if wanted.refill:
        tests.append(lambda row: row.refill)
    if wanted.cancel:
        tests.append(lambda row: row.cancel)
    if wanted.favorites and customer.is_authenticated:
        marked = set(Favourite.objects.filter(customer=customer).values_list("service_id", flat=True))
        tests.append(lambda row: row.pk in marked)
    rows = [row for row in shelf.rows if all(test(row) for test in tests)] if tests else shelf.rows
    return _Matches(rows, rank, meant)


def _search(wanted: ServiceFilters) -> tuple[dict[int, int], str]:
    """Return the services that fit the words or the link, by rank, and words that may have been meant.

    Of those that fit a link, the ones for what it leads to come before those that may be for it.
    """
    if (place := read_link(wanted.q)) is not None:
        index = current_index()
        whats = {pk: index.target_of(index.place_of[pk]).what for pk in fitting(index, place)}
        return {pk: int(what is not place.what) for pk, what in whats.items()}, ""
    found = find_service_ids(wanted.q)
    return {pk: rank for rank, pk in enumerate(found.ids)}, found.did_you_mean


def _platforms(counts: Mapping[str, int], wanted: ServiceFilters) -> list[Choice]:
    """Return the platforms with matching services, the largest first; what is of none comes last."""
    names = sorted(counts, key=lambda name: (name == OTHER, -counts[name], name))
    if wanted.platform and wanted.platform not in counts:
        names.append(wanted.platform)
    return [
        Choice(
            name,
            platform_label(name) or _("Other"),
            counts.get(name, 0),
            wanted.address(platform=name, category=0),
            name == wanted.platform,
        )
        for name in names
    ]


def _categories(shelf: Shelf, counts: Mapping[int, int], wanted: ServiceFilters) -> list[Choice]:
    """Return the categories with matching services and the chosen one, in the owner's order."""
    return [
        Choice(pk, name, counts.get(pk, 0), wanted.address(category=pk), pk == wanted.category)
        for pk, name in shelf.categories.items()
        if counts.get(pk) or pk == wanted.category
    ]


def _with_current(choices: list[Choice], most: int) -> list[Choice]:
    """Return the first ones, and the chosen one if it is not among them."""
    return choices[:most] + [one for one in choices[most:] if one.is_current]


def _sorted(rows: Sequence[ShelfRow], sort: str, rank: Mapping[int, int]) -> Sequence[ShelfRow]:
    """Return the rows in this order; those that are alike keep the owner's."""
    if sort == "cheapest":
        # By list price: the customer's own price differs little.
        return sorted(rows, key=lambda row: row.price)
    if sort == "fastest":
        return sorted(rows, key=lambda row: (row.seconds is None, row.seconds))
    if sort == "shelf":
        return rows
    return sorted(rows, key=lambda row: (rank.get(row.pk, 0), -row.orders))


def _page(rows: Sequence[ShelfRow], number: int, customer: AnyUser) -> KeysetPage[Offer]:
    start = (number - 1) * ROWS
    keys = [row.pk for row in rows[start : start + ROWS]]
    found = {service.pk: service for service in whole_services(keys, customer)}
    # Drop services that went off sale meanwhile.
    return KeysetPage(
        offers_for(customer=customer, services=[found[pk] for pk in keys if pk in found]),
        previous=("page", str(number - 1)) if number > 1 else None,
        next=("page", str(number + 1)) if start + ROWS < len(rows) else None,
    )


def whole_services(keys: Sequence[int], customer: AnyUser) -> QuerySet[Service]:
    """Return the services of these primary keys that are on sale, as rows of the list show them."""
    services: QuerySet[Any] = services_on_sale().filter(pk__in=keys).defer("upstream__description")
    services = services.annotate(typical_seconds=TYPICAL_SECONDS)
    return services.annotate(is_favourite=marked_by(customer)) if customer.is_authenticated else services
