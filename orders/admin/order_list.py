"""The staff's list of orders: its own lines and pages by key, at the same speed however many orders there are."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from django.contrib import messages
from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.views import ChangeList

from catalog.models import Category, Provider
from orders.admin.filters import (
    AGES,
    SOURCES,
    STATUSES,
    VIEWS,
    AgeFilter,
    ApiKeyFilter,
    CategoryFilter,
    CustomerFilter,
    DaysFilter,
    OrderFilter,
    ProviderFilter,
    ServiceFilter,
    SourceFilter,
    StatusFilter,
    ViewFilter,
    orders_in_view,
)
from orders.admin.order_rows import OrderRow, rows_of
from orders.common.hidden_costs import sees_costs
from orders.models import Order
from orders.reports.profit import with_profit
from panel.lib import clock
from panel.lib.keyset_pagination import KeysetPage, page_of
from panel.lib.time_limit import TookTooLong, time_limit

ROWS = 50
# Above this the list says "1,000+": counting a million rows takes a fifth of a second.
COUNTED = 1_000
# The views whose tabs say how many orders there are; few of all orders are in one.
_COUNTED_VIEWS = ("open", "late", "needs-you")
_PLACES = ("after", "before")
# Milliseconds that one statement of the list may take: what takes longer looks through all orders for a few.
MAX_STATEMENT = 2_000
TOOK_TOO_LONG = (
    "These filters together look through too many orders, so the list was stopped. Narrow it by when the orders were "
    "created, or leave one filter out."
)
FILTERS = (
    *(ViewFilter, StatusFilter, ProviderFilter, ServiceFilter, CategoryFilter, CustomerFilter, SourceFilter),
    *(AgeFilter, DaysFilter, ApiKeyFilter),
)


class Tab(NamedTuple):
    """A view. `shown` says how many orders are in it, or is empty."""

    name: str
    address: str
    shown: str
    is_current: bool


class Chip(NamedTuple):
    """A filter that is set. `remove` is the address of the list without it."""

    title: str
    value: str
    remove: str


class OrderChangeList(ChangeList):
    """Reads a page of orders by key, and counts no further than COUNTED."""

    keyset: KeysetPage[Any]

    def __init__(self, request: HttpRequest, *args: Any, **kwargs: Any) -> None:
        self.sees_costs = sees_costs(request)
        super().__init__(request, *args, **kwargs)
        # The list has its own form of filters.
        self.has_filters = False

    def get_filters_params(self, params: Any = None) -> dict[str, Any]:
        left: dict[str, Any] = super().get_filters_params(params)
        return {name: value for name, value in left.items() if name not in _PLACES}

    def get_results(self, request: HttpRequest) -> None:
        try:
            with time_limit(milliseconds=MAX_STATEMENT):
                self.keyset, self.counted = self._read(request)
        except TookTooLong:
            messages.warning(request, TOOK_TOO_LONG)
            self.keyset, self.counted = KeysetPage([], None, None), 0
        self.result_list = self.keyset.rows
        self.result_count = self.counted
        self.full_result_count = self.result_count
        self.show_full_result_count = False
        self.show_admin_actions = bool(self.result_list)
        self.can_show_all = self.show_all = False
        self.multi_page = not self.keyset.is_only
        self.paginator = Paginator(self.result_list, ROWS)

    def _read(self, request: HttpRequest) -> tuple[KeysetPage[Any], int]:
        """Return the page, and how many orders there are, COUNTED + 1 at most."""
        pks = list(self.queryset.order_by().values_list("pk", flat=True)[: COUNTED + 1])
        # The few are named by key: to have them in order, a database may walk all orders.
        few = self.queryset.model.objects.filter(pk__in=pks)
        orders = with_profit(few).select_related("customer") if len(pks) <= COUNTED else self.queryset
        places = {name: request.GET.get(name, "") for name in _PLACES}
        # By day the index of days gives the order; by anything else the primary key does.
        key = "created_at" if self._days.is_set or self.params.get("age") else "pk"
        return page_of(orders, params=places, key=key, size=ROWS), len(pks)

    @property
    def rows(self) -> list[OrderRow]:
        return rows_of(self.result_list, now=clock.now())

    @property
    def shown_count(self) -> str:
        return count_text(self.counted)

    def get_query_string(self, new_params: Any = None, remove: Any = None) -> str:
        """Return the address of the list with other parameters, from its first page on."""
        return super().get_query_string(new_params, [*(remove or ()), *_PLACES])

    @property
    def previous_page(self) -> str:
        return self._page(self.keyset.previous)

    @property
    def next_page(self) -> str:
        return self._page(self.keyset.next)

    def _page(self, place: tuple[str, str] | None) -> str:
        if place is None:
            return ""
        query = self.get_query_string()
        return f"{query}{'&' if len(query) > 1 else ''}{place[0]}={place[1]}"

    @property
    def tabs(self) -> list[Tab]:
        """Return the views, those that say what waits with how many orders they have in all."""
        chosen = self.params.get("view", "")
        return [
            Tab(
                name,
                self.get_query_string({"view": view}) if view else self.get_query_string(remove=["view"]),
                count_text(count_up_to(orders_in_view(Order.objects.all(), view))) if view in _COUNTED_VIEWS else "",
                view == chosen,
            )
            for view, name in VIEWS.items()
        ]

    @property
    def chips(self) -> list[Chip]:
        return list(self._chips())

    def _chips(self) -> Iterator[Chip]:
        for spec in self.filter_specs:
            names = spec.expected_parameters()
            if isinstance(spec, ViewFilter):
                continue
            value = spec.words() if isinstance(spec, OrderFilter) else f"Number {spec.value()}"
            if value:
                yield Chip(spec.title, value, self.get_query_string(remove=names))
        known = {name for spec in self.filter_specs for name in spec.expected_parameters()}
        for name, values in self.get_filters_params().items():
            if name not in known:
                label = name.replace("__exact", "").replace("__", " ").replace("_", " ").capitalize()
                yield Chip(label, ", ".join(map(str, values)), self.get_query_string(remove=[name]))

    @property
    def kept(self) -> list[tuple[str, str]]:
        """Return the parameters that the form of filters keeps: all that are not its own fields."""
        fields = {name for spec in self.filter_specs for name in spec.expected_parameters()} - {"view", "api_key_ref"}
        return [(name, value) for name, value in self.params.items() if name not in (*fields, *_PLACES) and value]

    @property
    def kept_by_search(self) -> list[tuple[str, str]]:
        """Return the parameters that a search keeps."""
        return [(name, value) for name, value in self.params.items() if name not in ("q", *_PLACES) and value]

    @property
    def providers(self) -> list[tuple[str, str]]:
        return [(str(pk), name) for pk, name in Provider.objects.order_by("name").values_list("pk", "name")]

    @property
    def categories(self) -> list[tuple[str, str]]:
        return [(str(pk), name) for pk, name in Category.objects.values_list("pk", "name")]

    @property
    def statuses(self) -> list[tuple[str, str]]:
        return list(STATUSES.items())

    @property
    def ages(self) -> list[tuple[str, str]]:
        return [(value, words) for value, (words, _hours) in AGES.items()]

    @property
    def sources(self) -> list[tuple[str, str]]:
        return list(SOURCES.items())

    @property
    def _days(self) -> DaysFilter:
        return next(spec for spec in self.filter_specs if isinstance(spec, DaysFilter))


def count_up_to(orders: QuerySet[Any]) -> int:
    """Return how many there are, COUNTED + 1 at most."""
    return int(orders.order_by().values("pk")[: COUNTED + 1].count())


def count_text(count: int) -> str:
    return f"{COUNTED:,}+" if count > COUNTED else f"{count:,}"
