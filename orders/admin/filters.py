"""Filters of the admin's list of orders. Each is one parameter of the address, and a chip while it is set."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils.functional import cached_property

from catalog.models import Category, Provider, Service
from orders.admin.order_search import customer_named
from orders.common.lateness import late_orders
from orders.models import Order
from orders.states import FINAL, Status
from panel.lib import clock
from panel.lib.date_fields import DayField, check_days, midnight
from panel.lib.digits import whole_number
from panel.lib.formats import day_text

_NUMBER = re.compile("[0-9]{1,18}")
_NEEDS_YOU = ~Q(review_reason="")
VIEWS = {"": "All", "open": "Open", "late": "Late", "needs-you": "Needs you", "ended": "Ended"}
SOURCES = {"browser": "The order form", "bulk": "A mass order", "api": "An API key", "drip": "A drip-feed"}
STATUSES = {status.value: str(status.label) for status in Status}
# How long ago an order was created at most, in hours.
AGES = {"1h": ("The last hour", 1), "24h": ("The last 24 hours", 24), "7d": ("The last 7 days", 7 * 24)}
AGES |= {"30d": ("The last 30 days", 30 * 24)}
# Services whose names hold the words of one filter, and those of a category that are named by number.
MAX_SERVICES = 1_000


def orders_in_view(orders: QuerySet[Order], view: str) -> QuerySet[Order]:
    """Return the orders of one of VIEWS."""
    if view == "open":
        return orders.filter(finished_at=None)
    if view == "late":
        return late_orders(orders, now=clock.now())
    if view == "needs-you":
        return orders.filter(_NEEDS_YOU)
    return orders.filter(finished_at__isnull=False) if view == "ended" else orders


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


class OrderFilter(admin.SimpleListFilter):
    """A filter that the list's own form sets. An empty value is none; one that cannot be read finds nothing."""

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin[Order]) -> list[tuple[str, str]]:
        return []

    def has_output(self) -> bool:
        return True

    def queryset(self, request: HttpRequest, queryset: QuerySet[Order]) -> QuerySet[Order]:
        value = (self.value() or "").strip()
        return self.narrow(queryset, value) if value else queryset

    def narrow(self, orders: QuerySet[Order], value: str) -> QuerySet[Order]:
        number = whole_number(value)
        return orders.none() if number is None else orders.filter(**{str(self.parameter_name): number})

    def words(self) -> str:
        """Return what it is set to, for its chip; "" if it is not set."""
        return (self.value() or "").strip()

    @property
    def is_wrong(self) -> bool:
        """Return True if it is set to what is not there: to a row that is gone, or to a word it does not know."""
        return False


class _Chosen(OrderFilter):
    """A filter by one of a few words."""

    known: Mapping[str, object]

    @property
    def is_wrong(self) -> bool:
        value = super().words()
        return bool(value) and value not in self.known


class ViewFilter(_Chosen):
    title, parameter_name, known = "View", "view", VIEWS

    def narrow(self, orders: QuerySet[Order], value: str) -> QuerySet[Order]:
        return orders_in_view(orders, value) if value in VIEWS else orders.none()


class _Named(OrderFilter):
    """A filter by the number of a row whose name its chip shows."""

    model: Any

    @cached_property
    def name(self) -> str:
        """Return the name of the row, or "" if there is none."""
        number = whole_number(super().words())
        if number is None:
            return ""
        return self.model.objects.filter(pk=number).values_list("name", flat=True).first() or ""

    @property
    def is_wrong(self) -> bool:
        return bool(super().words()) and not self.name

    def words(self) -> str:
        return self.name or (f"{super().words()} (does not exist)" if self.is_wrong else "")


class ProviderFilter(_Named):
    title, parameter_name, model = "Provider", "provider", Provider


class ServiceFilter(_Named):
    """By a service's number, or by words in the names of services."""

    title, parameter_name, model = "Service", "service", Service

    @cached_property
    def named(self) -> list[int]:
        """Return the services whose names hold the words, MAX_SERVICES + 1 at most."""
        words = (self.value() or "").strip()
        found = Service.objects.filter(name__icontains=words) if words and whole_number(words) is None else None
        return [] if found is None else list(found.order_by().values_list("pk", flat=True)[: MAX_SERVICES + 1])

    @property
    def is_wrong(self) -> bool:
        return not self.named and super().is_wrong

    def narrow(self, orders: QuerySet[Order], value: str) -> QuerySet[Order]:
        if whole_number(value) is not None:
            return super().narrow(orders, value)
        return orders.filter(service__in=self.named[:MAX_SERVICES]) if self.named else orders.none()

    def words(self) -> str:
        if not self.named:
            return super().words()
        count = f"the first {MAX_SERVICES:,}" if len(self.named) > MAX_SERVICES else f"{len(self.named):,}"
        return f"“{(self.value() or '').strip()}” in the name: {count} services"


class CategoryFilter(_Named):
    title, parameter_name, model = "Category", "category", Category

    def narrow(self, orders: QuerySet[Order], value: str) -> QuerySet[Order]:
        number = whole_number(value)
        if number is None:
            return orders.none()
        services = list(Service.objects.filter(category=number).order_by().values_list("pk", flat=True))
        # By number, so that the index of services serves.
        if len(services) <= MAX_SERVICES:
            return orders.filter(service__in=services)
        return orders.filter(service__category=number)


class StatusFilter(_Chosen):
    title, parameter_name, known = "Status", "status", STATUSES

    def narrow(self, orders: QuerySet[Order], value: str) -> QuerySet[Order]:
        if value not in STATUSES:
            return orders.none()
        # Open orders are few, and have an index of their own.
        return orders.filter(status=value) if value in FINAL else orders.filter(status=value, finished_at=None)

    def words(self) -> str:
        return STATUSES.get(super().words(), super().words())


class CustomerFilter(OrderFilter):
    title, parameter_name = "Customer", "customer"

    @property
    def is_wrong(self) -> bool:
        return bool(self.words()) and customer_named(self.words()) is None

    def narrow(self, orders: QuerySet[Order], value: str) -> QuerySet[Order]:
        customer = customer_named(value)
        return orders.none() if customer is None else orders.filter(customer=customer)


class SourceFilter(_Chosen):
    title, parameter_name, known = "Ordered with", "source", SOURCES

    def narrow(self, orders: QuerySet[Order], value: str) -> QuerySet[Order]:
        if value in ("browser", "bulk"):
            return orders.filter(api_key_ref=None, drip_feed=None, is_bulk=value == "bulk")
        if value == "api":
            return orders.filter(api_key_ref__isnull=False)
        return orders.filter(drip_feed__isnull=False) if value == "drip" else orders.none()

    def words(self) -> str:
        return SOURCES.get(super().words(), super().words())


class AgeFilter(_Chosen):
    """How long ago the order was created at most, so that a saved view goes with the time."""

    title, parameter_name, known = "Created in", "age", AGES

    def narrow(self, orders: QuerySet[Order], value: str) -> QuerySet[Order]:
        if value not in AGES:
            return orders.none()
        return orders.filter(created_at__gte=clock.now() - timedelta(hours=AGES[value][1]))

    def words(self) -> str:
        return AGES[value][0].lower() if (value := super().words()) in AGES else value


class DaysForm(forms.Form):
    since = DayField(label="From")
    until = DayField(label="To")

    def clean(self) -> dict[str, Any]:
        data: dict[str, Any] = super().clean() or {}
        check_days(self, data)
        return data


class DaysFilter(OrderFilter):
    """From one day to another, by when the order was created."""

    title, parameter_name = "Created", "since"

    def __init__(
        self, request: HttpRequest, params: dict[str, list[str]], model: type[Order], model_admin: admin.ModelAdmin
    ) -> None:
        super().__init__(request, params, model, model_admin)
        if "until" in params:
            self.used_parameters["until"] = params.pop("until")[-1]
        self.form = DaysForm(self.used_parameters)

    def expected_parameters(self) -> list[str]:  # type: ignore[override]
        return ["since", "until"]

    @property
    def is_wrong(self) -> bool:
        return not self.form.is_valid()

    @property
    def is_set(self) -> bool:
        """Return True if a day that can be read is set."""
        return self.form.is_valid() and any(self.form.cleaned_data.values())

    def queryset(self, request: HttpRequest, queryset: QuerySet[Order]) -> QuerySet[Order]:
        if not self.form.is_valid():
            messages.warning(request, "The days could not be read, or end before they begin. They were ignored.")
            return queryset
        since, until = self.form.cleaned_data.get("since"), self.form.cleaned_data.get("until")
        if since:
            queryset = queryset.filter(created_at__gte=midnight(since))
        return queryset.filter(created_at__lt=midnight(until + timedelta(days=1))) if until else queryset

    def words(self) -> str:
        if not self.is_set:
            return ""
        since, until = self.form.cleaned_data.get("since"), self.form.cleaned_data.get("until")
        return " ".join(f"{word} {day_text(day)}" for word, day in (("from", since), ("to", until)) if day is not None)
