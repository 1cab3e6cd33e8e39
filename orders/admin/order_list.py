"""The staff's list of orders: its own lines and pages by key, at the same speed however many orders there are."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from django.db.models import QuerySet
from django.http import HttpRequest

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
from panel.lib.admin.lists import MAX_COUNTED, LongChangeList, count_text, count_up_to

# The views whose tabs say how many orders there are; few of all orders are in one.
_COUNTED_VIEWS = ("open", "late", "needs-you")
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


class OrderChangeList(LongChangeList):
    took_too_long = TOOK_TOO_LONG

    def __init__(self, request: HttpRequest, *args: Any, **kwargs: Any) -> None:
        self.sees_costs = sees_costs(request)
        super().__init__(request, *args, **kwargs)
        # The list has its own form of filters.
        self.has_filters = False

    def get_ordering(self, request: HttpRequest, queryset: QuerySet[Any]) -> list[Any]:
        """Return the order that an index gives: by day that of days, by anything else the primary key."""
        by_day = self._days.is_set or self.params.get("age")
        return ["-created_at", "-pk"] if by_day else ["-pk"]

    def counted_rows(self) -> tuple[QuerySet[Any], int]:
        pks = list(self.queryset.order_by().values_list("pk", flat=True)[: MAX_COUNTED + 1])
        if len(pks) > MAX_COUNTED:
            return self.queryset, len(pks)
        # The few are named by key: to have them in order, a database may walk all orders.
        few = with_profit(self.queryset.model.objects.filter(pk__in=pks)).select_related("customer")
        return few.order_by(*self.queryset.query.order_by), len(pks)

    @property
    def rows(self) -> list[OrderRow]:
        return rows_of(self.result_list, now=clock.now())

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
        return [(name, value) for name, value in self.params.items() if name not in fields and value]

    @property
    def kept_by_search(self) -> list[tuple[str, str]]:
        """Return the parameters that a search keeps."""
        return [(name, value) for name, value in self.params.items() if name != "q" and value]

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
