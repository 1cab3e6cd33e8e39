"""The staff's list of orders: its own lines and pages by key, at the same speed however many orders there are."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from django.conf import settings
from django.contrib import messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.functional import cached_property
from django.utils.safestring import SafeString

from catalog.models import Category, Provider
from orders.admin.filters import AGES, SOURCES, STATUSES, VIEWS, DaysFilter, OrderFilter, ViewFilter, orders_in_view
from orders.admin.lists.columns import Shown, chosen_keys, offered, shown_columns
from orders.admin.lists.query import query_of
from orders.admin.lists.saved_views import may_change, may_share, views_for
from orders.admin.order_rows import OrderRow, rows_of
from orders.common.hidden_costs import sees_costs
from orders.models import Order
from orders.reports.profit import with_profit
from panel.accounts.signed_in import user_of
from panel.lib import clock
from panel.lib.admin.lists import MAX_COUNTED, LongChangeList, count_text, count_up_to
from panel.lib.money import SYMBOLS

# The views whose tabs say how many orders there are; few of all orders are in one.
_COUNTED_VIEWS = ("open", "late", "needs-you")
TOOK_TOO_LONG = (
    "These filters together look through too many orders, so the list was stopped. Narrow it by when the orders were "
    "created, or leave one filter out."
)
VIEW_IS_STALE = (
    "The view “%(view)s” asks for what is not there: the %(filters)s. Choose another and update the view, or delete it."
)


class Tab(NamedTuple):
    """A view. `shown` says how many orders are in it, or is empty. `note` says whose a saved one is."""

    name: str
    address: str
    shown: str
    is_current: bool
    note: str = ""


class Cell(NamedTuple):
    look: str
    html: SafeString


class Line(NamedTuple):
    row: OrderRow
    cells: list[Cell]


class Chip(NamedTuple):
    """A filter that is set. `remove` is the address of the list without it."""

    title: str
    value: str
    remove: str


class OrderChangeList(LongChangeList):
    took_too_long = TOOK_TOO_LONG

    def __init__(self, request: HttpRequest, *args: Any, **kwargs: Any) -> None:
        self.sees_costs = sees_costs(request)
        self.user = user_of(request)
        self.views = views_for(user=self.user)
        self.saved = next((view for view in self.views if str(view.pk) == request.GET.get("saved")), None)
        self.keys = chosen_keys(user=self.user, sees_costs=self.sees_costs)
        super().__init__(request, *args, **kwargs)
        # The list has its own form of filters.
        self.has_filters = False

    def get_filters_params(self, params: Any = None) -> dict[str, Any]:
        left: dict[str, Any] = super().get_filters_params(params)
        return {name: value for name, value in left.items() if name not in ("saved", "naming")}

    def get_ordering(self, request: HttpRequest, queryset: QuerySet[Any]) -> list[Any]:
        """Return the order that an index gives: by day that of days, by anything else the primary key."""
        by_day = self._days.is_set or self.params.get("age")
        return ["-created_at", "-pk"] if by_day else ["-pk"]

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        if self.saved and self.wrong_filters:
            said = " and the ".join(f"{title.lower()} {words}" for title, words in self.wrong_filters)
            messages.warning(request, VIEW_IS_STALE % {"view": self.saved.name, "filters": said})

    def counted_rows(self) -> tuple[QuerySet[Any], int]:
        with_names = ("customer", "provider") if "provider" in self.keys else ("customer",)
        pks = list(self.queryset.order_by().values_list("pk", flat=True)[: MAX_COUNTED + 1])
        if len(pks) > MAX_COUNTED:
            return self.queryset.select_related(*with_names), len(pks)
        # The few are named by key: to have them in order, a database may walk all orders.
        few = with_profit(self.queryset.model.objects.filter(pk__in=pks)).select_related(*with_names)
        return few.order_by(*self.queryset.query.order_by), len(pks)

    @property
    def rows(self) -> list[OrderRow]:
        may_open = self.user.has_perm("accounts.view_user")
        return rows_of(self.result_list, now=clock.now(), links_customers=may_open)

    @property
    def lines(self) -> list[Line]:
        """Return the rows with the cells of the chosen columns."""
        columns = self.columns
        return [Line(row, [Cell(one.look, one.column.cell(row)) for one in columns]) for row in self.rows]

    @cached_property
    def columns(self) -> list[Shown]:
        return shown_columns(self.keys)

    @property
    def offered_columns(self) -> list[tuple[str, str, bool]]:
        """Return the key and title of each column that may be chosen, and whether it is."""
        return [(one.key, one.title, one.key in self.keys) for one in offered(sees_costs=self.sees_costs)]

    @property
    def currency(self) -> str:
        return str(settings.PANEL_CURRENCY)

    @property
    def currency_symbol(self) -> str:
        return SYMBOLS.get(self.currency, "")

    def get_query_string(self, new_params: Any = None, remove: Any = None) -> str:
        """Return the address of the list with other parameters."""
        return super().get_query_string(new_params, [*(remove or ()), "naming"])

    @property
    def tabs(self) -> list[Tab]:
        """Return the views, those that say what waits with how many orders they have in all; then the saved ones."""
        chosen = self.params.get("view", "")
        built_in = [
            Tab(
                name,
                self.get_query_string({"view": view} if view else None, ["saved"] if view else ["saved", "view"]),
                count_text(count_up_to(orders_in_view(Order.objects.all(), view))) if view in _COUNTED_VIEWS else "",
                self.saved is None and view == chosen,
            )
            for view, name in VIEWS.items()
        ]
        return built_in + [
            Tab(view.name, f"?{view.query}&saved={view.pk}", "", view == self.saved, "Shared" if view.is_shared else "")
            for view in self.views
        ]

    @cached_property
    def filters_query(self) -> str:
        """Return the filters and the search as a query string, always in one order."""
        return query_of(self.params)

    @property
    def is_saved_view_changed(self) -> bool:
        return self.saved is not None and self.saved.query != self.filters_query

    @property
    def may_change_saved(self) -> bool:
        return self.saved is not None and may_change(self.user, self.saved)

    @property
    def is_saved_own(self) -> bool:
        return self.saved is not None and self.saved.user_id == self.user.pk

    @property
    def may_share(self) -> bool:
        return may_share(self.user)

    @property
    def may_save(self) -> bool:
        """Return True if there are filters, and they are not a saved view already."""
        return bool(self.filters_query) and (self.saved is None or self.is_saved_view_changed)

    @property
    def naming(self) -> str:
        return self.params.get("naming", "")

    @cached_property
    def wrong_filters(self) -> list[tuple[str, str]]:
        """Return the title and the words of each filter that is set to what is not there."""
        specs = [spec for spec in self.filter_specs if isinstance(spec, OrderFilter)]
        return [(str(spec.title), spec.words() or str(spec.value())) for spec in specs if spec.is_wrong]

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
        left_out = (*fields, "naming")
        return [(name, value) for name, value in self.params.items() if name not in left_out and value]

    @property
    def kept_by_search(self) -> list[tuple[str, str]]:
        """Return the parameters that a search keeps."""
        left_out = ("q", "naming")
        return [(name, value) for name, value in self.params.items() if name not in left_out and value]

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
