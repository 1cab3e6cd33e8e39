"""The owner's catalog: providers, margins, services, categories and imports."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urlsplit

from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format
from unfold.admin import ModelAdmin
from unfold.decorators import action, display
from unfold.widgets import UnfoldAdminPasswordWidget, UnfoldAdminURLInputWidget

from catalog.margins import save_policy, save_provider, save_service
from catalog.models import Category, PricePolicy, Provider, Service, SyncRun
from catalog.pricing import margin_of, price_policy
from catalog.providers import ProviderUnusable, check_balance, connected_with, resume_provider, set_api_key
from catalog.syncing import sync_provider
from catalog.upstream.errors import UpstreamError
from panel.admin_actions import ActionRefused, ask_and_act
from panel.admin_base import ReadOnlyAdmin, shown_money
from panel.admin_fields import AmountField, ExchangeRateField, PercentField

INHERITED = "Leave empty to inherit."

# What the protocol names itself: a request ID sent under one of these would change what is ordered.
PROTOCOL_NAMES = (
    "key action service link quantity comments runs interval order orders username usernames hashtag hashtags media "
    "groups keywords country device min max posts delay expiry answer_number"
)


class ProviderForm(forms.ModelForm):
    api_url = forms.URLField(label="API URL", max_length=300, assume_scheme="https", widget=UnfoldAdminURLInputWidget)
    api_key = forms.CharField(
        label="API key",
        required=False,
        widget=UnfoldAdminPasswordWidget(attrs={"autocomplete": "off"}),
        help_text="Stored encrypted and never shown again. Leave empty to keep the one that is stored.",
    )
    margin_bp = PercentField(label="Margin in percent", required=False, help_text=INHERITED)
    margin_fixed = AmountField(label="Fixed margin per 1000", required=False, help_text=INHERITED)
    exchange_rate = ExchangeRateField(
        initial=10**12, help_text="What one unit of the provider's currency costs in the panel's."
    )

    class Meta:
        model = Provider
        fields = (
            "name",
            "api_url",
            "currency",
            "exchange_rate",
            "margin_bp",
            "margin_fixed",
            "is_active",
            "publish_new",
            "max_parallel_adds",
            "max_parallel_polls",
            "request_id_parameter",
            "probes_ids",
        )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if not self.instance.pk:
            self.fields["api_key"].help_text = "Stored encrypted and never shown again."

    def clean_api_key(self) -> str:
        key: str = self.cleaned_data["api_key"].strip()
        if not key and not self.instance.api_key_encrypted:
            raise forms.ValidationError("Enter the API key that the provider gave you.")
        if key and (twin := connected_with(api_key=key, besides=self.instance.pk)):
            # Two of them would take each other's orders for nobody's.
            raise forms.ValidationError(f"This account is connected already, as {twin.name}.")
        return key

    def clean_api_url(self) -> str:
        url: str = self.cleaned_data["api_url"]
        if urlsplit(url).scheme != "https" and not settings.UPSTREAM_ALLOW_PRIVATE:
            raise forms.ValidationError("Use an https address: the API key travels with every request.")
        return url

    def clean(self) -> dict[str, Any]:
        data: dict[str, Any] = super().clean() or {}
        stored = self.instance.pk and Provider.objects.get(pk=self.instance.pk).api_url
        if stored and data.get("api_url") and not data.get("api_key") and not _same_place(stored, data["api_url"]):
            # Else whoever may edit the address could have the stored key sent to a place of their own.
            self.add_error("api_key", "Enter the key again for this address.")
        return data

    def clean_currency(self) -> str:
        return str(self.cleaned_data["currency"]).strip().upper()

    def clean_request_id_parameter(self) -> str:
        name: str = self.cleaned_data["request_id_parameter"]
        if name and not re.fullmatch(r"[A-Za-z0-9_-]+", name):
            raise forms.ValidationError("Use letters, digits, _ and - only.")
        if name.lower() in PROTOCOL_NAMES.split():
            raise forms.ValidationError("The protocol uses this name for something else.")
        return name


def _same_place(one: str, other: str) -> bool:
    first, second = urlsplit(one), urlsplit(other)
    return (first.scheme, first.netloc) == (second.scheme, second.netloc)


class ConfirmForm(forms.Form):
    """Nothing to fill in."""


@admin.register(Provider)
class ProviderAdmin(ModelAdmin):
    form = ProviderForm
    list_display = ("name", "is_active", "state", "shown_balance", "shown_margin", "services", "last_synced_at")
    actions = ("import_services",)
    actions_detail = ("test_connection", "import_now", "resume")
    readonly_fields = ("state", "shown_balance", "balance_checked_at", "looking", "last_synced_at")
    fieldsets = (
        (None, {"fields": ("name", "api_url", "api_key", "is_active")}),
        ("Prices", {"fields": ("currency", "exchange_rate", "margin_bp", "margin_fixed", "publish_new")}),
        ("Sending", {"fields": ("max_parallel_adds", "request_id_parameter", "probes_ids")}),
        ("Following orders", {"fields": ("max_parallel_polls",)}),
        ("Now", {"fields": readonly_fields}),
    )

    @display(description="State")
    def state(self, provider: Provider) -> str:
        if not provider.is_active:
            return "Off"
        if provider.pause_count:
            return f"Paused: {provider.pause_reason}"
        return "Running"

    @display(description="Balance there")
    def shown_balance(self, provider: Provider) -> str:
        return shown_money(provider.balance, provider.currency)

    @display(description="Looking for doubtful orders")
    def looking(self, provider: Provider) -> str:
        if not provider.probes_ids:
            return "Switched off"
        if provider.probe_works is None or provider.probe_checked_at is None:
            return "Not tried yet"
        verdict = "Works" if provider.probe_works else "Does not work"
        checked = date_format(timezone.localtime(provider.probe_checked_at), "DATETIME_FORMAT")
        return f"{verdict}: {provider.probe_note} (checked {checked})"

    @display(description="Margin")
    def shown_margin(self, provider: Provider) -> str:
        if provider.margin_bp is None and provider.margin_fixed is None:
            return "the panel's"
        return describe_margin(provider.margin_bp or 0, provider.margin_fixed or 0)

    @display(description="On sale")
    def services(self, provider: Provider) -> str:
        return f"{Service.objects.filter(upstream__provider=provider, is_on_sale=True).count():,}"

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False  # Orders and services refer to it; switching it off is what is meant.

    def save_model(self, request: HttpRequest, obj: Provider, form: Any, change: bool) -> None:
        if form.cleaned_data["api_key"]:
            set_api_key(provider=obj, api_key=form.cleaned_data["api_key"])
        changed = save_provider(provider=obj)
        if changed:
            self.message_user(request, f"{changed:,} prices changed.")

    @admin.action(description="Import services", permissions=["change"])
    def import_services(self, request: HttpRequest, queryset: QuerySet[Provider]) -> None:
        for provider in queryset:
            _tell(request, sync_provider(provider=provider))

    @action(description="Import services", icon="sync", permissions=["change"])
    def import_now(self, request: HttpRequest, object_id: str) -> HttpResponse:
        provider = get_object_or_404(Provider, pk=object_id)

        def act(data: dict[str, Any]) -> str:
            run = sync_provider(provider=provider)
            if run.outcome != SyncRun.Outcome.APPLIED:
                raise ActionRefused(f"Nothing was changed. {run.reason}")
            return describe_run(run)

        return ask_and_act(
            request=request,
            model_admin=self,
            obj=provider,
            form_class=ConfirmForm,
            title=f"Import services from {provider}",
            explanation=(
                "Reads the provider's list and takes over what is new or changed. Your names, descriptions, "
                "margins and order stay as they are."
            ),
            button="Import now",
            act=act,
        )

    @action(description="Resume", icon="play_arrow", permissions=["resume"])
    def resume(self, request: HttpRequest, object_id: str) -> HttpResponse:
        provider = get_object_or_404(Provider, pk=object_id)

        def act(data: dict[str, Any]) -> str:
            resume_provider(provider=provider)
            return "It takes orders again."

        return ask_and_act(
            request=request,
            model_admin=self,
            obj=provider,
            form_class=ConfirmForm,
            title=f"Resume {provider}",
            explanation=f"It is paused: {provider.pause_reason}. When you mended that, orders are sent again at once.",
            button="Resume now",
            act=act,
        )

    def has_resume_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        paused = Provider.objects.filter(pk=object_id or 0, pause_count__gt=0)
        return self.has_change_permission(request) and paused.exists()

    @action(description="Test connection", icon="network_check", permissions=["change"])
    def test_connection(self, request: HttpRequest, object_id: str) -> HttpResponse:
        provider = get_object_or_404(Provider, pk=object_id)

        def act(data: dict[str, Any]) -> str:
            try:
                check_balance(provider=provider)
            except (UpstreamError, ProviderUnusable) as error:
                raise ActionRefused(f"It does not work: {error}") from error
            provider.refresh_from_db()
            return f"It works. The balance there is {shown_money(provider.balance, provider.currency)}."

        return ask_and_act(
            request=request,
            model_admin=self,
            obj=provider,
            form_class=ConfirmForm,
            title=f"Test the connection to {provider}",
            explanation="Asks the provider for our balance. Nothing is ordered.",
            button="Ask for the balance",
            act=act,
        )


def describe_run(run: SyncRun) -> str:
    return (
        f"{run.listed:,} services listed: {run.added:,} new, {run.changed:,} changed, "
        f"{run.vanished:,} gone, {run.returned:,} returned, {len(run.skipped):,} skipped."
    )


def _tell(request: HttpRequest, run: SyncRun) -> None:
    if run.outcome == SyncRun.Outcome.APPLIED:
        messages.success(request, f"{run.provider}: {describe_run(run)}")
    else:
        messages.error(request, f"{run.provider}: nothing was changed. {run.reason}")


def describe_margin(margin_bp: int, margin_fixed: int) -> str:
    """ "25 %", "25 % + $0.10" """
    parts = [f"{margin_bp / 100:g} %"] if margin_bp or not margin_fixed else []
    if margin_fixed:
        parts.append(shown_money(margin_fixed))
    return " + ".join(parts)


class PricePolicyForm(forms.ModelForm):
    margin_bp = PercentField(label="Margin in percent", help_text="On top of the provider's rate.")
    margin_fixed = AmountField(label="Fixed margin per 1000")
    minimum_margin_bp = PercentField(
        label="Minimum margin in percent", help_text="No price falls below the cost plus this."
    )
    price_step = AmountField(label="Price step", help_text="Prices are rounded up to a multiple of it.")

    class Meta:
        model = PricePolicy
        fields = ("margin_bp", "margin_fixed", "minimum_margin_bp", "price_step")

    def clean_price_step(self) -> int:
        step: int = self.cleaned_data["price_step"]
        if not 1 <= step <= 10**9:
            raise forms.ValidationError("The step is above zero, and at most 1,000.")
        return step


@admin.register(PricePolicy)
class PricePolicyAdmin(ModelAdmin):
    form = PricePolicyForm

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        return redirect(reverse("admin:catalog_pricepolicy_change", args=[price_policy().pk]))

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def save_model(self, request: HttpRequest, obj: PricePolicy, form: Any, change: bool) -> None:
        changed = save_policy(policy=obj)
        self.message_user(request, f"{changed:,} prices changed.")


class ServiceForm(forms.ModelForm):
    margin_bp = PercentField(label="Margin in percent", required=False, help_text=INHERITED)
    margin_fixed = AmountField(label="Fixed margin per 1000", required=False, help_text=INHERITED)

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
            "min_quantity",
            "max_quantity",
        )


@admin.register(Service)
class ServiceAdmin(ModelAdmin):
    form = ServiceForm
    list_display = ("number", "name", "category", "is_on_sale", "shown_cost", "shown_margin", "shown_price", "listed")
    list_display_links = ("name",)
    list_filter = ("is_on_sale", "upstream__provider", "category")
    search_fields = ("name", "=pk", "=upstream__external_id")
    list_select_related = ("category", "upstream__provider")
    ordering = ("category__position", "category__name", "position", "pk")
    readonly_fields = ("upstream", "shown_cost", "shown_margin", "shown_price", "listed")
    fieldsets = (
        (None, {"fields": ("name", "category", "description", "position", "is_on_sale")}),
        ("Price", {"fields": ("margin_bp", "margin_fixed", "shown_cost", "shown_margin", "shown_price")}),
        ("Limits", {"fields": ("min_quantity", "max_quantity")}),
        ("Provider", {"fields": ("upstream", "listed")}),
    )

    @display(description="ID", ordering="pk")
    def number(self, service: Service) -> int:
        return service.pk

    @display(description="Cost")
    def shown_cost(self, service: Service) -> str:
        return shown_money(service.cost)

    @display(description="Price", ordering="price")
    def shown_price(self, service: Service) -> str:
        return shown_money(service.price)

    @display(description="Margin")
    def shown_margin(self, service: Service) -> str:
        margin = margin_of(service=service, provider=service.upstream.provider, policy=self._policy)
        return f"{describe_margin(margin.bp, margin.fixed)} ({margin.level})"

    @display(description="Listed", boolean=True)
    def listed(self, service: Service) -> bool:
        return service.upstream.is_listed

    def get_queryset(self, request: HttpRequest) -> QuerySet[Service]:
        self._policy = price_policy()
        return super().get_queryset(request)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False  # Services come from imports.

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def save_model(self, request: HttpRequest, obj: Service, form: Any, change: bool) -> None:
        wanted = obj.is_on_sale
        save_service(service=obj)
        if wanted and not obj.is_on_sale:
            self.message_user(request, "It has no valid price, so it stays off sale.", messages.WARNING)


@admin.register(Category)
class CategoryAdmin(ModelAdmin):
    list_display = ("name", "position")
    list_editable = ("position",)
    search_fields = ("name",)


@admin.register(SyncRun)
class SyncRunAdmin(ReadOnlyAdmin):
    list_display = ("started_at", "provider", "outcome", "listed", "added", "changed", "vanished", "returned", "reason")
    list_filter = ("outcome", "provider")
    list_select_related = ("provider",)
