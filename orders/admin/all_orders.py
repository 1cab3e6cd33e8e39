"""The staff's list of all orders, with what is done to several of them."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from orders.admin.ask_one import AskOneAdmin
from orders.admin.bulk_pages import BulkAdmin
from orders.admin.lists.pages import OrderListPages
from orders.admin.lists.query import FILTERS
from orders.admin.many_orders import ASK_PAGE, CANCEL_PAGE, CLOSE_PAGE, OFFER_PAGE, REFILL_PAGE, SEND_AGAIN_PAGE
from orders.admin.order_export import ExportAdmin
from orders.admin.order_list import OrderChangeList
from orders.admin.orders import OrderPages
from orders.models import Order


@admin.register(Order)
class OrderAdmin(BulkAdmin, ExportAdmin, AskOneAdmin, OrderListPages, OrderPages):
    change_list_template = "admin/orders/order_list.html"
    # The template has its own lines; these name what the search and the filters are about.
    list_display = ("number",)
    list_filter = FILTERS
    list_fullwidth = True
    list_select_related = ("customer",)
    sortable_by = ()
    bulk_pages = (ASK_PAGE, REFILL_PAGE, SEND_AGAIN_PAGE, CANCEL_PAGE, CLOSE_PAGE, OFFER_PAGE)
    actions = ("ask_many", "refill_many", "send_again_many", "cancel_many", "close_many", "offer_many", "export_many")

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[OrderChangeList]:
        return OrderChangeList

    def lookup_allowed(self, lookup: str, value: object, request: HttpRequest) -> bool:
        own = {one.parameter_name for one in FILTERS} | {"until", "saved", "naming"}
        return lookup in own or super().lookup_allowed(lookup, value, request)
