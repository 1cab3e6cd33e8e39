"""Filters of the list of services: provider, type, link, margin and health."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.views.main import ChangeList
from django.db.models import BigIntegerField, F, Q, QuerySet, Value
from django.db.models.enums import TextChoices
from django.db.models.expressions import Combinable
from django.db.models.functions import Coalesce, Least, NullIf
from django.http import HttpRequest
from unfold.contrib.filters.admin import (
    AutocompleteSelectFilter,
    DropdownFilter,
    RangeNumericListFilter,
    RelatedDropdownFilter,
)
from unfold.widgets import UnfoldAdminTextInputWidget

from catalog.link_kinds import LinkKind
from catalog.models import Service, UpstreamService
from catalog.prices.rules import PanelTerms, lowest_price
from catalog.prices.storage import panel_terms, price_policy
from catalog.service_types import SPECS
from panel.lib.admin.fields import PercentField
from panel.lib.money import BASIS, MoneyError

TEMPLATE = "admin/catalog/service_filter.html"
MAX_TYPES = 50
# A service that completes less than this percentage has a problem at its provider.
COMPLETED_PERCENT = 80


class Health(TextChoices):
    """Problems of a service, the worst first."""

    GONE = "gone", "Not on the provider's list"
    OFF = "off", "Provider is off"
    NO_PRICE = "no_price", "No valid price"
    TYPE = "type", "Type that cannot be ordered"
    NOTHING = "nothing", "Earns nothing"
    MINIMUM = "minimum", "Held up by the minimum margin"
    INCOMPLETE = "incomplete", f"Below {COMPLETED_PERCENT}% completed"


HEALTHY = "healthy"


def problems_of(service: Service, panel: PanelTerms) -> list[Health]:
    """Return the problems of a service read with its upstream, provider and figures; the same as in `with_health`."""
    figures = getattr(service, "figures", None)
    found = {
        Health.GONE: not service.upstream.is_listed,
        Health.OFF: not service.upstream.provider.is_active,
        Health.NO_PRICE: not service.price,
        Health.TYPE: service.upstream.type not in SPECS,
        Health.NOTHING: 0 < service.price <= service.cost,
        Health.MINIMUM: _is_held_up(service, panel),
        Health.INCOMPLETE: bool(
            figures and figures.ended and figures.completed * 100 < figures.ended * COMPLETED_PERCENT
        ),
    }
    return [health for health, is_so in found.items() if is_so]


def _is_held_up(service: Service, panel: PanelTerms) -> bool:
    if not service.price or service.allow_below_minimum or not panel.minimum_margin_bp:
        return False
    try:
        return service.price == lowest_price(cost=service.cost, allow_below_minimum=False, panel=panel)
    except MoneyError:
        return False


def margin_share_in_sql() -> Combinable:
    """Return the margin in basis points of the cost, as in `rules.margin_share`; NULL without a cost."""
    return _ratio(F("price")) - BASIS


def _ratio(amount: Any) -> Any:
    """Return `amount` / cost in basis points, rounded down. Every step fits 64 bits, as PostgreSQL requires."""
    big = BigIntegerField()
    cost = NullIf(F("cost"), Value(0), output_field=big)
    whole = Least(amount / cost, Value(10**12), output_field=big)
    rest = Least(amount % cost, Value(9 * 10**14), output_field=big)
    return whole * BASIS + rest * BASIS / cost


def with_health(services: QuerySet[Service], health: str) -> QuerySet[Service]:
    """Filter `services` by this problem, or by having none."""
    panel = panel_terms(price_policy())
    found = services.alias(
        ratio_now=Coalesce(_ratio(F("price")), Value(-1), output_field=BigIntegerField()),
        ratio_lower=Coalesce(_ratio(F("price") - panel.price_step), Value(-1), output_field=BigIntegerField()),
        completed_percent=Coalesce(F("figures__completed") * 100 / NullIf(F("figures__ended"), Value(0)), Value(100)),
    )
    conditions = _conditions(panel)
    if health != HEALTHY:
        return found.filter(conditions[Health(health)])
    for condition in conditions.values():
        found = found.filter(~condition)
    return found


def _conditions(panel: PanelTerms) -> Mapping[Health, Q]:
    floor = BASIS + panel.minimum_margin_bp
    # The price is the lowest multiple of the price step that leaves the minimum margin.
    held_up = Q(price__gt=0, allow_below_minimum=False, ratio_now__gte=floor, ratio_lower__lt=floor)
    return {
        Health.GONE: Q(upstream__is_listed=False),
        Health.OFF: Q(upstream__provider__is_active=False),
        Health.NO_PRICE: Q(price=0),
        Health.TYPE: ~Q(upstream__type__in=list(SPECS)),
        Health.NOTHING: Q(price__gt=0, price__lte=F("cost")),
        Health.MINIMUM: held_up if panel.minimum_margin_bp else Q(pk__in=[]),
        Health.INCOMPLETE: Q(completed_percent__lt=COMPLETED_PERCENT),
    }


class HealthFilter(DropdownFilter):
    title = "health"
    parameter_name = "health"
    template = TEMPLATE

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin) -> list[tuple[str, str]]:
        return [(HEALTHY, "Healthy"), *Health.choices]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Service]) -> QuerySet[Service]:
        value = self.value()
        known = value == HEALTHY or value in Health.values
        return with_health(queryset, value) if known else queryset


class TypeFilter(DropdownFilter):
    title = "type"
    parameter_name = "type"
    template = TEMPLATE

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin) -> list[tuple[str, str]]:
        types = UpstreamService.objects.order_by("type").values_list("type", flat=True).distinct()[:MAX_TYPES]
        return [(one, SPECS[one].label if one in SPECS else one[:60]) for one in types if one]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Service]) -> QuerySet[Service]:
        return queryset.filter(upstream__type=self.value()) if self.value() else queryset


GUESSED = "guessed"


class LinkKindFilter(DropdownFilter):
    title = "link"
    parameter_name = "link"
    template = TEMPLATE

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin) -> list[tuple[str, str]]:
        return [(GUESSED, "Guessed"), *((kind.value, str(kind.label)) for kind in LinkKind)]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Service]) -> QuerySet[Service]:
        value = self.value()
        if value == GUESSED:
            return queryset.filter(link_kind="")
        return queryset.filter(link_kind=value) if value in LinkKind.values else queryset


class OnSaleFilter(DropdownFilter):
    title = "on sale"
    parameter_name = "on_sale"
    template = TEMPLATE

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin) -> list[tuple[str, str]]:
        return [("1", "On sale"), ("0", "Not on sale")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Service]) -> QuerySet[Service]:
        return queryset.filter(is_on_sale=self.value() == "1") if self.value() in ("0", "1") else queryset


class ProviderFilter(RelatedDropdownFilter):
    template = TEMPLATE


class CategoryFilter(AutocompleteSelectFilter):
    template = TEMPLATE


class MarginFilterForm(forms.Form):
    """From and to, in percent of the cost."""

    def __init__(self, *, name: str, data: Mapping[str, object]) -> None:
        super().__init__(data)
        for end in ("from", "to"):
            attrs = {"inputmode": "decimal", "placeholder": end.capitalize(), "aria-label": f"Margin in percent, {end}"}
            self.fields[f"{name}_{end}"] = PercentField(
                required=False, label="", widget=UnfoldAdminTextInputWidget(attrs=attrs)
            )


class MarginFilter(RangeNumericListFilter):
    """Filters by the actual margin: price minus cost."""

    title = "margin in percent"
    parameter_name = "margin"
    template = "admin/catalog/service_margin_filter.html"

    def form(self) -> MarginFilterForm:
        return MarginFilterForm(name="margin", data=self.used_parameters)

    def queryset(self, request: HttpRequest, queryset: QuerySet[Service]) -> QuerySet[Service]:
        form = self.form()
        form.is_valid()
        if form.errors and request.method == "GET":
            messages.warning(request, "The margin to filter by could not be read, and was ignored: write it like 12.5.")
        low, high = (form.cleaned_data.get(f"margin_{end}") for end in ("from", "to"))
        if low is None and high is None:
            return queryset
        queryset = queryset.alias(share=margin_share_in_sql())
        if low is not None:
            queryset = queryset.filter(share__gte=low)
        return queryset if high is None else queryset.filter(share__lte=high)

    def choices(self, changelist: ChangeList) -> Iterator[dict[str, object]]:
        yield {"form": self.form()}
