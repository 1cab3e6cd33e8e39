"""Admin of services: the list with costs and profits, and the page of one service."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Model, Value
from django.db.models.functions import Coalesce
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.decorators import display

from catalog.admin.price_changes import PricedAdmin, show_or_apply
from catalog.admin.services.actions import ServiceActions
from catalog.admin.services.csv_files import ServiceFiles
from catalog.admin.services.filters import (
    CategoryFilter,
    HealthFilter,
    LinkKindFilter,
    MarginFilter,
    OnSaleFilter,
    ProviderFilter,
    TypeFilter,
    margin_share_in_sql,
)
from catalog.admin.services.list_editing import (
    ROWS,
    RowFormSet,
    is_save,
    margin_now,
    margin_words,
    posted_pks,
    split_touched,
    summary_of,
)
from catalog.admin.services.list_table import ServiceChangeList, amount, orders_words, profit_words
from catalog.admin.shared import INHERITED, describe_margin
from catalog.link_kinds import LinkKind
from catalog.models import PriceChange, Service
from catalog.prices.edits import grouped
from catalog.prices.floor import CHANGE_FLOOR, FLOOR
from catalog.prices.sorting import save_positions
from catalog.prices.storage import read_terms
from catalog.refill_windows import window_text
from catalog.service_types import SPECS
from panel.lib.admin.base import shown_money
from panel.lib.admin.fields import AmountField, CountField, PercentField

ORDERS = Coalesce("figures__orders", Value(0))
PROFIT = Coalesce("figures__profit", Value(0))


class ServiceForm(forms.ModelForm):
    margin_bp = PercentField(label="Margin in percent", required=False, help_text=INHERITED)
    margin_fixed = AmountField(label="Fixed margin per 1000", required=False, help_text=INHERITED)

    min_quantity = CountField(label="Lowest quantity", required=False, help_text="Empty: the provider's.")
    max_quantity = CountField(label="Highest quantity", required=False, help_text="Empty: the provider's.")

    class Meta:
        model = Service
        fields = (
            "name",
            "category",
            "description",
            "position",
            "is_on_sale",
            "margin_bp",
            "margin_fixed",
            "allow_below_minimum",
            "min_quantity",
            "max_quantity",
            "refill_days",
            "late_hours",
            "link_kind",
            "one_at_a_time",
        )
        help_texts = {"link_kind": "Guessed, whatever may be a link passes. Set, everything else is refused."}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields.get("link_kind")
        if isinstance(field, forms.ChoiceField) and self.instance.pk:
            guess = Service(upstream=self.instance.upstream, name=self.instance.name).expected_link.kind
            field.choices = [("", f"Guessed: {guess.label.lower()}"), *LinkKind.choices]

    def clean(self) -> dict[str, Any]:
        data: dict[str, Any] = super().clean() or {}
        lowest, highest = data.get("min_quantity"), data.get("max_quantity")
        for name, value in (("min_quantity", lowest), ("max_quantity", highest)):
            if value is not None and value < 1:
                self.add_error(name, "At least 1, or empty.")
        if lowest and highest and lowest > highest > 0:
            self.add_error("max_quantity", "The highest quantity is below the lowest.")
        return data


@admin.register(Service)
class ServiceAdmin(ServiceFiles, ServiceActions, PricedAdmin):
    form = ServiceForm
    priced = ("margin_bp", "margin_fixed", "allow_below_minimum", "category_id", "is_on_sale")
    price_kind = "service"
    price_source = PriceChange.Source.SERVICE
    actions = (*ServiceActions.actions, "export_selected")
    change_list_template = "admin/catalog/service_list.html"
    is_short = True
    list_display = (
        "service",
        "category",
        "position",
        "is_on_sale",
        "shown_cost",
        "shown_price",
        "margin_bp",
        "sold",
        "earned",
    )
    list_display_links = ("service",)
    list_editable = ("category", "position", "is_on_sale", "margin_bp")
    list_filter = (
        ("upstream__provider", ProviderFilter),
        ("category", CategoryFilter),
        TypeFilter,
        LinkKindFilter,
        HealthFilter,
        OnSaleFilter,
        MarginFilter,
    )
    list_filter_submit = True
    list_fullwidth = True
    list_per_page = ROWS
    list_max_show_all = ROWS
    list_select_related = ("category", "upstream__provider", "figures")
    search_fields = ("name", "=pk", "=upstream__external_id")
    search_help_text = "Name, number, or the provider's number"
    ordering = ("category__position", "category__name", "position", "pk")
    autocomplete_fields = ("category",)
    readonly_fields = (
        "shown_cost",
        "shown_price",
        "margin_there_is",
        "provider",
        "their_number",
        "their_name",
        "their_category",
        "their_type",
        "their_rate",
        "their_limits",
        "their_flags",
        "their_refills",
        "their_times",
        "listed",
    )
    fieldsets = (
        (None, {"fields": ("name", "category", "description", "position", "is_on_sale")}),
        (
            "Price",
            {
                "fields": (
                    "margin_bp",
                    "margin_fixed",
                    "allow_below_minimum",
                    "shown_cost",
                    "shown_price",
                    "margin_there_is",
                )
            },
        ),
        ("Limits", {"fields": ("min_quantity", "max_quantity", "refill_days")}),
        ("Link", {"fields": ("link_kind", "one_at_a_time")}),
        ("Times", {"fields": ("late_hours",)}),
        (
            "At the provider",
            {
                "description": "As the last import read it. What you write above is never changed by an import.",
                "fields": readonly_fields[3:],
            },
        ),
    )

    def get_readonly_fields(self, request: HttpRequest, obj: Model | None = None) -> tuple[str, ...]:
        floor = () if request.user.has_perm(CHANGE_FLOOR) else FLOOR["service"]
        return (*self.readonly_fields, *floor)

    # -- the list ---------------------------------------------------------------------------------------

    @display(description="Service", ordering="pk")
    def service(self, service: Service) -> str:
        return str(service)

    @display(description="On sale", ordering="is_on_sale")
    def on_sale(self, service: Service) -> str:
        return "Yes" if service.is_on_sale else "No"

    @display(description="Cost", ordering="cost")
    def shown_cost(self, service: Service) -> SafeString:
        return amount(service.cost if service.price else None)

    @display(description="Price", ordering="price")
    def shown_price(self, service: Service) -> SafeString:
        return amount(service.price or None, "text-important")

    @display(description="Margin", ordering=margin_share_in_sql())
    def shown_margin(self, service: Service) -> SafeString:
        return margin_words(service, service.terms)  # type: ignore[attr-defined]

    @display(description="Orders, 30\u00a0d", ordering=ORDERS)
    def sold(self, service: Service) -> SafeString | str:
        return orders_words(getattr(service, "figures", None))

    @display(description="Profit, 30\u00a0d", ordering=PROFIT)
    def earned(self, service: Service) -> SafeString | str:
        return profit_words(getattr(service, "figures", None))

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ServiceChangeList]:
        return ServiceChangeList

    def get_changelist_instance(self, request: HttpRequest) -> ServiceChangeList:
        found: ServiceChangeList = super().get_changelist_instance(request)
        return found

    def get_list_display(self, request: HttpRequest) -> Sequence[str]:
        """Return the columns: text instead of inputs for staff who may not change services."""
        columns = super().get_list_display(request)
        if self.has_change_permission(request):
            return columns
        words = {"margin_bp": "shown_margin", "is_on_sale": "on_sale"}
        return tuple(words.get(name, name) for name in columns)

    def get_changelist_formset(self, request: HttpRequest, **kwargs: Any) -> type[RowFormSet]:
        return RowFormSet

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, object] | None = None) -> HttpResponse:
        if is_save(request) and (response := self._save_rows(request)):
            return response
        may_change = self.has_change_permission(request)
        return super().changelist_view(request, {**(extra_context or {}), "may_change": may_change})

    def _save_rows(self, request: HttpRequest) -> HttpResponse | None:
        """Save the edited rows; None if there are errors, and then nothing is saved."""
        if not self.has_change_permission(request):
            raise PermissionDenied
        services = Service.objects.filter(pk__in=posted_pks(request)).select_related("category", "upstream__provider")
        rows = RowFormSet(request.POST, queryset=services)
        if not rows.is_valid():
            return None
        priced, positions = split_touched(rows.forms)
        back = request.get_full_path()
        if positions:
            save_positions(positions=positions)
            for service in rows.services:
                if service.pk in positions:
                    self.log_change(request, service, f"Position {service.position} → {positions[service.pk]}.")
            noun = "position" if len(positions) == 1 else "positions"
            messages.success(request, f"{len(positions):,} {noun} saved.")
        if not priced:
            if not positions:
                messages.info(request, "Nothing was changed.")
            return HttpResponse(status=302, headers={"Location": back})
        return show_or_apply(
            request=request,
            edits=grouped("service", priced.items()),
            source=PriceChange.Source.LIST,
            summary=summary_of(priced),
            back=back,
        )

    # -- one service ------------------------------------------------------------------------------------

    @display(description="Margin there is")
    def margin_there_is(self, service: Service) -> SafeString:
        terms = service.terms  # type: ignore[attr-defined]
        margin = margin_now(service, terms)
        return format_html(
            "{} <span>({})</span>", margin_words(service, terms), describe_margin(margin.bp, margin.fixed)
        )

    @display(description="Provider")
    def provider(self, service: Service) -> SafeString:
        provider = service.upstream.provider
        url = reverse("admin:catalog_provider_change", args=[provider.pk])
        return format_html('<a class="underline" href="{}">{}</a>', url, provider.name)

    @display(description="Number there")
    def their_number(self, service: Service) -> str:
        return service.upstream.external_id

    @display(description="Name there")
    def their_name(self, service: Service) -> str:
        return service.upstream.name

    @display(description="Category there")
    def their_category(self, service: Service) -> str:
        return service.upstream.category or "—"

    @display(description="Type")
    def their_type(self, service: Service) -> str:
        spec = SPECS.get(service.upstream.type)
        return spec.label if spec else f"{service.upstream.type or '—'} (cannot be ordered here)"

    @display(description="Rate there")
    def their_rate(self, service: Service) -> str:
        unit = "a package" if service.is_package else "1000"
        return f"{shown_money(service.upstream.rate, service.upstream.provider.currency)} for {unit}"

    @display(description="Quantity there")
    def their_limits(self, service: Service) -> str:
        upstream = service.upstream
        step = f", in multiples of {upstream.quantity_step:,}" if upstream.quantity_step else ""
        return f"{upstream.min_quantity:,} to {upstream.max_quantity:,}{step}"

    @display(description="Offers")
    def their_flags(self, service: Service) -> str:
        flags = ("refill", "cancel", "dripfeed")
        return ", ".join(flag for flag in flags if getattr(service.upstream, flag)) or "neither refill nor cancel"

    @display(description="Days for refills there")
    def their_refills(self, service: Service) -> str:
        days = service.upstream.refill_days
        return "—" if days is None else window_text(days)

    @display(description="Times there")
    def their_times(self, service: Service) -> str:
        upstream = service.upstream
        times = (("takes", upstream.average_time), ("starts in", upstream.start_time), ("speed", upstream.speed))
        return ", ".join(f"{label} {text}" for label, text in times if text) or "—"

    @display(description="On its list")
    def listed(self, service: Service) -> str:
        return "Yes" if service.upstream.is_listed else "No: it vanished, and is not sold until it returns"

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Any:
        found = super().get_object(request, object_id, from_field)
        if found is not None:
            found.terms = read_terms()  # Cached: the page computes a field five times.
        return found

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False  # Services come from imports.

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False
