"""The addresses of what needs somebody."""

from __future__ import annotations

from django.contrib import admin
from django.urls import path

from panel.ops.needs_you.views import needs_you, needs_you_item, needs_you_later

_guard = admin.site.admin_view

urlpatterns = [
    path("", _guard(needs_you), name="needs_you"),
    path("<slug:kind>/<int:pk>/", _guard(needs_you_item), name="needs_you_item"),
    path("<slug:kind>/<int:pk>/later/", _guard(needs_you_later), name="needs_you_later"),
]
