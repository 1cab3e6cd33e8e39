"""The staff's lists of refills and cancel requests, with what is done to several of them."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse

from orders.admin.bulk_pages import BulkAdmin
from orders.admin.many_orders import PUSH_CANCELS_PAGE, PUSH_REFILLS_PAGE
from orders.admin.order_search import TooManyIds
from orders.admin.request_list import ProviderFilter, RequestChangeList, StateFilter, find_requests
from orders.models import CancelRequest, Refill
from panel.lib.admin.lists import ROWS


class RequestAdmin(BulkAdmin):
    """A list of requests to providers about orders. The page of one is that of its order."""

    change_list_template = "admin/orders/request_list.html"
    list_display = ("__str__",)
    list_filter = (StateFilter, ProviderFilter)
    list_fullwidth = True
    list_per_page = ROWS
    search_fields = ("=pk",)  # It only shows the field: see get_search_results.
    sortable_by = ()
    actions = ("push_many",)
    order_column = "order"
    show_full_result_count = False

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[RequestChangeList]:
        return RequestChangeList

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        if not search_term.strip():
            return queryset, False
        try:
            return find_requests(queryset, term=search_term), False
        except TooManyIds as error:
            messages.error(request, str(error))
            return queryset.none(), False

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Allow everybody who may see orders: requests are part of them."""
        return request.user.has_perm("orders.view_order") or request.user.has_perm("orders.change_order")

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        one = self.get_object(request, object_id) if self.has_view_permission(request) else None
        if one is None:
            return super().change_view(request, object_id, form_url, extra_context)
        return redirect(reverse("admin:orders_order_change", args=[one.order_id]))


@admin.register(Refill)
class RefillAdmin(RequestAdmin):
    bulk_pages = (PUSH_REFILLS_PAGE,)


@admin.register(CancelRequest)
class CancelRequestAdmin(RequestAdmin):
    bulk_pages = (PUSH_CANCELS_PAGE,)
