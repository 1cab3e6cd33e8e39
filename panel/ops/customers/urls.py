"""The addresses of the pages of customers."""

from __future__ import annotations

from django.contrib import admin
from django.urls import path

from panel.ops.customers.price_views import FORMS, change_prices, export_prices
from panel.ops.customers.tabs import TABS
from panel.ops.customers.view_as import leave, view_as
from panel.ops.customers.views import customer, customer_notes, customer_tab, customers

_guard = admin.site.admin_view

urlpatterns = [
    path("", _guard(customers), name="customers"),
    path("<int:pk>/", _guard(customer), name="customer"),
    # Before the tabs: this one takes a form as well.
    path("<int:pk>/notes/", _guard(customer_notes), name="customer_notes"),
    path("<int:pk>/view-as/", _guard(view_as), name="customer_view_as"),
    path("<int:pk>/view-as/leave/", _guard(leave), name="customer_view_as_leave"),
    path("<int:pk>/prices/export/", _guard(export_prices), name="customer_prices_export"),
    *(
        path(f"<int:pk>/prices/{kind}/", _guard(change_prices), {"kind": kind}, name=f"customer_prices_{kind}")
        for kind in FORMS
    ),
    *(
        path(f"<int:pk>/{tab.key}/", _guard(customer_tab), {"tab": tab.key}, name=tab.url_name)
        for tab in TABS
        if tab.key != "notes"
    ),
]
