"""The staff's list of all orders, with what is done to several of them."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest

from orders.admin.bulk_pages import BulkAdmin
from orders.admin.lists.pages import OrderListPages
from orders.admin.many_orders import ASK_PAGE, CANCEL_PAGE, CLOSE_PAGE, REFILL_PAGE, SEND_AGAIN_PAGE
from orders.admin.order_export import ExportAdmin
from orders.admin.order_list import FILTERS, ROWS, OrderChangeList
from orders.admin.order_search import TooManyIds, find_orders
from orders.admin.orders import OrderPages
from orders.models import Order

# How many ids that were not found are named.
_NAMED = 20


@admin.register(Order)
class OrderAdmin(BulkAdmin, ExportAdmin, OrderListPages, OrderPages):
    change_list_template = "admin/orders/order_list.html"
    # The template has its own lines; these name what the search and the filters are about.
    list_display = ("number",)
    list_filter = FILTERS
    list_fullwidth = True
    list_per_page = ROWS
    list_select_related = ("customer",)
    search_fields = ("=pk",)  # It only shows the field: see get_search_results.
    sortable_by = ()
    bulk_pages = (ASK_PAGE, REFILL_PAGE, SEND_AGAIN_PAGE, CANCEL_PAGE, CLOSE_PAGE)
    actions = ("ask_many", "refill_many", "send_again_many", "cancel_many", "close_many", "export_many")

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[OrderChangeList]:
        return OrderChangeList

    def lookup_allowed(self, lookup: str, value: object, request: HttpRequest) -> bool:
        own = {one.parameter_name for one in FILTERS} | {"until"}
        return lookup in own or super().lookup_allowed(lookup, value, request)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """Return what the exact keys in the term find, and say which of several ids no order has."""
        if not search_term.strip():
            return queryset, False
        try:
            found = find_orders(queryset, term=search_term)
        except TooManyIds as error:
            messages.error(request, str(error))
            return queryset.none(), False
        if found.missing and request.method == "GET":
            more = f" and {len(found.missing) - _NAMED:,} more" if len(found.missing) > _NAMED else ""
            messages.warning(request, f"No order has: {', '.join(found.missing[:_NAMED])}{more}.")
        return found.orders, False
