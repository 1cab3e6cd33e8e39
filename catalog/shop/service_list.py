"""The list of services on sale, filtered and sorted, one page at a time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from itertools import groupby
from typing import Any
from urllib.parse import urlencode

from django.db.models import Case, Count, F, QuerySet, When
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from catalog.models import Category, Service
from catalog.prices.customer_prices import Offer, offers_for
from catalog.selectors import ENOUGH_TIMED, SHELF_ORDER, matching, services_on_sale
from catalog.service_types import SPECS
from catalog.shop.favorites import marked_by
from panel.accounts.signed_in import AnyUser
from panel.lib.digits import whole_number
from panel.lib.keyset_pagination import KeysetPage

ROWS = 50
MAX_QUERY = 100
CATEGORIES_IN_WINDOW = 12
OFFERS_IN_WINDOW = 6
# For counting: with the bare column SQLite walks its index and fetches rows in random order, three times slower.
CATEGORY = F("category_id") + 0
TYPICAL_SECONDS = Case(When(figures__timed__gte=ENOUGH_TIMED, then=F("figures__typical_seconds")))
SORTS = {
    "": gettext_lazy("By category"),
    "cheapest": gettext_lazy("Cheapest first"),
    "fastest": gettext_lazy("Fastest first"),
}


@dataclass(frozen=True, slots=True)
class ServiceFilters:
    """Filters of the service list; `category` is a primary key, or 0 for all."""

    q: str = ""
    category: int = 0
    type: str = ""
    refill: bool = False
    cancel: bool = False
    favorites: bool = False
    sort: str = ""
    page: int = 1

    @property
    def is_narrowed(self) -> bool:
        """Return True if the filters may leave out a service on sale."""
        return replace(self, sort="", page=1) != ServiceFilters()

    def address(self, **changes: Any) -> str:
        """Return the query string with `changes`; on page 1 unless they set the page."""
        wanted = replace(self, **{"page": 1, **changes})
        blank = ServiceFilters()
        shown = {name: getattr(wanted, name) for name in self.__slots__}
        return "?" + urlencode(
            {name: "1" if value is True else value for name, value in shown.items() if value != getattr(blank, name)}
        )


def read_filters(params: Mapping[str, str]) -> ServiceFilters:
    """Return the filters in URL parameters. Ignore invalid values."""
    kind, sort = params.get("type", ""), params.get("sort", "")
    return ServiceFilters(
        q=params.get("q", "").replace("\x00", "")[:MAX_QUERY].strip(),
        category=whole_number(params.get("category", ""), max_digits=9) or 0,
        type=kind if kind in SPECS else "",
        refill=params.get("refill") == "1",
        cancel=params.get("cancel") == "1",
        favorites=params.get("favorites") == "1",
        sort=sort if sort in SORTS else "",
        page=whole_number(params.get("page", ""), max_digits=9) or 1,
    )


@dataclass(slots=True)
class CategoryGroup:
    """A category and its services on the page; `category` is None if the page is not sorted by category."""

    category: Category | None
    offers: list[Offer] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Choice:
    """A category or type in a filter: its number of matching services, and its URL."""

    value: int | str
    label: str
    count: int
    address: str
    is_current: bool


@dataclass(frozen=True, slots=True)
class ServicePage:
    """One page of the shop. `total` counts all matching services; the page begins with number `first`."""

    wanted: ServiceFilters
    page: KeysetPage
    total: int
    first: int
    categories: list[Choice]
    types: list[Choice]
    in_all_categories: int

    @property
    def groups(self) -> list[CategoryGroup]:
        if self.wanted.sort:
            return [CategoryGroup(None, self.page.rows)] if self.page.rows else []
        by_category = groupby(self.page.rows, key=lambda offer: offer.service.category)
        return [CategoryGroup(category, list(offers)) for category, offers in by_category]

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
    def everywhere(self) -> str:
        """Return the URL of the same filters in all categories."""
        return self.wanted.address(category=0)


def list_services(*, wanted: ServiceFilters, customer: AnyUser) -> ServicePage:
    """Return a page of services on sale, at the customer's prices (list prices for a visitor).

    Each service has `typical_seconds` and, for a customer, `is_favourite`. At most six queries, however many services
    there are; none about the customer for a visitor.
    """
    services = _filtered(wanted, customer)
    in_category: Counter[int] = Counter()
    of_type: Counter[str] = Counter()
    for category, kind, count in services.order_by().values_list(CATEGORY, "upstream__type").annotate(Count("pk")):
        of_type[kind] += count
        if wanted.type in ("", kind):
            in_category[category] += count
    total = in_category[wanted.category] if wanted.category else in_category.total()
    number = min(wanted.page, max(1, -(-total // ROWS)))
    return ServicePage(
        wanted=wanted,
        page=_page(_narrowed(services, wanted), wanted.sort, number, total, customer),
        total=total,
        first=(number - 1) * ROWS + 1,
        categories=_categories(in_category, wanted),
        types=[
            Choice(kind, _(spec.label), of_type[kind], wanted.address(type=kind), kind == wanted.type)
            for kind, spec in SPECS.items()
            if of_type[kind]
        ],
        in_all_categories=in_category.total(),
    )


def _categories(counts: Mapping[int, int], wanted: ServiceFilters) -> list[Choice]:
    """Return the categories with services, in order. Reads all: they are few, and a list of keys would be slower."""
    return [
        Choice(pk, name, counts[pk], wanted.address(category=pk), pk == wanted.category)
        for pk, name in Category.objects.order_by("position", "name", "pk").values_list("pk", "name")
        if counts.get(pk)
    ]


def _filtered(wanted: ServiceFilters, customer: AnyUser) -> QuerySet[Service]:
    """Return the matching services of all categories and types."""
    services = matching(services_on_sale().select_related(None), wanted.q)
    if wanted.refill:
        services = services.filter(upstream__refill=True).exclude(refill_days=0)
    if wanted.cancel:
        services = services.filter(upstream__cancel=True)
    if wanted.favorites and customer.is_authenticated:
        services = services.filter(marked_by(customer))
    return services


def _narrowed(services: QuerySet[Service], wanted: ServiceFilters) -> QuerySet[Service]:
    if wanted.category:
        services = services.filter(category=wanted.category)
    if wanted.type:
        services = services.filter(upstream__type=wanted.type)
    return services


def _page(services: QuerySet[Service], sort: str, number: int, total: int, customer: AnyUser) -> KeysetPage:
    # Sort keys only: sorting thousands of rows with all columns is slow.
    start = (number - 1) * ROWS
    keys = list(_sorted(services, sort).values_list("pk", flat=True)[start : start + ROWS])
    found = {service.pk: service for service in _whole_rows(keys, customer)}
    # Drop services that went off sale between the two queries.
    return KeysetPage(
        offers_for(customer=customer, services=[found[pk] for pk in keys if pk in found]),
        previous=("page", str(number - 1)) if number > 1 else None,
        next=("page", str(number + 1)) if start + ROWS < total else None,
    )


def _sorted(services: QuerySet[Service], sort: str) -> QuerySet[Service]:
    if sort == "cheapest":
        # By list price: the customer's own price is computed in Python, and differs little.
        return services.order_by("price", "pk")
    if sort == "fastest":
        return services.order_by(TYPICAL_SECONDS.asc(nulls_last=True), "pk")
    return services.order_by(*SHELF_ORDER)


def _whole_rows(keys: list[int], customer: AnyUser) -> QuerySet[Service]:
    services = services_on_sale().filter(pk__in=keys).annotate(typical_seconds=TYPICAL_SECONDS)
    return services.annotate(is_favourite=marked_by(customer)) if customer.is_authenticated else services


@dataclass(frozen=True, slots=True)
class ServiceWindow:
    """Excerpt of the shop for the start page, at list prices: first categories, and recent bestsellers."""

    total: int
    categories: list[Choice]
    more_categories: int
    offers: list[Offer]


def shop_window() -> ServiceWindow:
    """Return the excerpt, with four queries."""
    counts = dict(services_on_sale().order_by().values_list(CATEGORY).annotate(Count("pk")))
    categories = _categories(counts, ServiceFilters())
    by_sales = (F("figures__orders").desc(nulls_last=True), *SHELF_ORDER)
    # Sort keys only: descriptions are long.
    best = list(services_on_sale().order_by(*by_sales).values_list("pk", flat=True)[:OFFERS_IN_WINDOW])
    services = services_on_sale().annotate(typical_seconds=TYPICAL_SECONDS).in_bulk(best)
    return ServiceWindow(
        total=sum(counts.values()),
        categories=categories[:CATEGORIES_IN_WINDOW],
        more_categories=len(categories[CATEGORIES_IN_WINDOW:]),
        offers=[Offer(services[pk], services[pk].price) for pk in best if pk in services],
    )
