"""Filters of the admin's list of orders."""

from __future__ import annotations

import re

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from orders.models import Order

_NUMBER = re.compile("[0-9]{1,18}")


class ApiKeyFilter(admin.SimpleListFilter):
    """Orders of one API key. Shown only when a key's page linked here: there are too many keys for a list."""

    title = "API key"
    parameter_name = "api_key_ref"

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin[Order]) -> list[tuple[str, str]]:
        value = self.value()
        return [(value, f"Number {value}")] if value else []

    def queryset(self, request: HttpRequest, queryset: QuerySet[Order]) -> QuerySet[Order]:
        value = self.value()
        if value is None:
            return queryset
        return queryset.filter(api_key_ref=int(value)) if _NUMBER.fullmatch(value) else queryset.none()
