"""Admin of providers: connecting them, their health, and importing their services."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.db.models import Count, Model, OuterRef, QuerySet, Subquery
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils.decorators import method_decorator
from django.utils.html import format_html
from django.views.decorators.debug import sensitive_post_parameters, sensitive_variables
from unfold.decorators import action, display

from catalog.admin.dialect_form import DIALECT_FIELDS, describe_dialect, dialect_to_save
from catalog.admin.imports import OUTCOME_BADGES
from catalog.admin.price_changes import PricedAdmin
from catalog.admin.provider_form import CONNECTION, PRICES, TECHNICAL, PriceForm, ProviderForm
from catalog.admin.provider_trial import Known, trial_page
from catalog.admin.shared import admin_badge, own_margin
from catalog.admin.type_words import unsold_types
from catalog.imports.queue import request_import
from catalog.models import PriceChange, Provider, Service, SyncRun
from catalog.pauses import resume_provider
from catalog.prices.floor import CHANGE_FLOOR, FLOOR, confirm_exchange_rate, is_unconfirmed
from catalog.provider_accounts import ProviderUnusable, check_balance, dialect_of, set_api_key
from catalog.provider_health import Fact, last_import, provider_facts, provider_state, runway_days
from catalog.upstream.currencies import is_same_currency
from catalog.upstream.errors import UpstreamError, explain
from panel.accounts.signed_in import user_of
from panel.lib.admin.actions import ActionRefused, confirm_and_act
from panel.lib.admin.base import AsksAgain, shown_money
from panel.lib.admin.fields import ExchangeRateField
from panel.lib.admin.questions import Question, asks_first
from panel.lib.digits import whole_number
from panel.lib.formats import moment_text

# Days; a longer runway is shown as "more than a year".
_LONG = 365


class ConfirmForm(forms.Form):
    """A form without fields, for confirmations."""


def _ask_to_import(model_admin: Any, request: HttpRequest, queryset: QuerySet[Provider]) -> Question:
    return Question(
        rows=queryset,
        nouns=("provider", "providers"),
        button="Import services from {}",
        consequence="Their lists are read, and what is new or changed is taken over.",
    )


@admin.register(Provider)
class ProviderAdmin(AsksAgain, PricedAdmin):
    is_short = True
    list_display = (
        "name",
        "shown_state",
        "shown_balance",
        "shown_runway",
        "shown_on_sale",
        "shown_margin",
        "shown_import",
    )
    list_select_related = ("figures",)
    search_fields = ("name",)
    actions = ("import_services",)
    actions_detail: tuple[str, ...] = (
        "test_connection",
        "test_dialect",
        "import_now",
        "resume",
        "confirm_rate",
    )
    change_form_outer_before_template = "admin/catalog/provider_panel.html"
    # Includes the currency and the switch: saved at once, they would take effect before the new exchange rate.
    priced = ("exchange_rate", "margin_bp", "margin_fixed", "currency", "is_active")
    price_kind = "provider"
    price_source = PriceChange.Source.PROVIDER

    # -- permissions -----------------------------------------------------------------------------------

    def may_connect(self, request: HttpRequest) -> bool:
        """Return True if the user may set the address, key, currency and technical settings."""
        return self.has_change_permission(request) and request.user.has_perm("catalog.connect_provider")

    def asks_again(self, request: HttpRequest) -> bool:
        return self.may_connect(request)

    def may_move_floor(self, request: HttpRequest) -> bool:
        """Return True if the user may set the exchange rate and the currency."""
        return self.has_change_permission(request) and request.user.has_perm(CHANGE_FLOOR)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return super().has_add_permission(request) and self.may_connect(request) and self.may_move_floor(request)

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False  # Orders and services refer to it: switch it off instead.

    def get_form(self, request: HttpRequest, obj: Model | None = None, **kwargs: Any) -> type[forms.ModelForm]:
        kwargs["form"] = ProviderForm if self.may_connect(request) else PriceForm
        return super().get_form(request, obj, **kwargs)

    def get_readonly_fields(self, request: HttpRequest, obj: Model | None = None) -> tuple[str, ...]:
        connection = () if self.may_connect(request) else ("dialect_in_words", *CONNECTION)
        floor = () if self.may_move_floor(request) else ("shown_exchange_rate", *FLOOR["provider"])
        return tuple(dict.fromkeys(("looking", *connection, *floor)))

    def get_fieldsets(self, request: HttpRequest, obj: Model | None = None) -> Any:
        key = ("api_key",) if self.may_connect(request) else ()
        rate = "exchange_rate" if self.may_move_floor(request) else "shown_exchange_rate"
        prices = tuple(rate if name == "exchange_rate" else name for name in PRICES)
        return (
            (None, {"fields": ("name", "api_url", *key, "is_active")}),
            ("Prices", {"fields": ("currency", *prices)}),
            ("Technical", {"fields": (*TECHNICAL, *(("looking",) if obj else ()))}),
            (
                "How it speaks",
                {
                    "fields": DIALECT_FIELDS if self.may_connect(request) else ("dialect_in_words",),
                    "classes": ("collapse",),
                    "description": "The usual provider needs none of this. “Test how it speaks” finds what one needs.",
                },
            ),
        )

    def is_priced(self, column: str, value: object) -> bool:
        # Switching a provider off is often an emergency: do it at once.
        return super().is_priced(column, value) and (column != "is_active" or bool(value))

    @method_decorator(sensitive_variables("key"))
    def columns_set(self, request: HttpRequest, obj: Provider, form: forms.ModelForm) -> Sequence[str]:
        columns = []
        if not obj.pk:
            obj.confirmed_exchange_rate = obj.exchange_rate
        if key := form.cleaned_data.get("api_key"):
            set_api_key(provider=obj, api_key=key)
            columns.append("api_key_encrypted")
        if set(DIALECT_FIELDS) & set(form.changed_data):
            obj.dialect = dialect_to_save(form)
            columns.append("dialect")
        return columns

    @method_decorator(sensitive_post_parameters("api_key"))
    def changeform_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        return super().changeform_view(request, *args, **kwargs)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, object] | None = None
    ) -> HttpResponse:
        provider = self.get_object(request, unquote(object_id))
        is_shown = provider is not None and self.has_view_permission(request, provider)
        about = _about(provider, is_stopped=self.is_stopped(provider)) if is_shown else {}
        if is_shown:
            about["unsold_types"] = unsold_types(request, provider=provider)
        return super().change_view(request, object_id, form_url, {**(extra_context or {}), **about})

    # -- the list --------------------------------------------------------------------------------------

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Return providers with all that the list shows, in one statement."""
        latest = SyncRun.objects.filter(provider=OuterRef("pk")).order_by("-pk")
        on_sale = (
            Service.objects.filter(upstream__provider=OuterRef("pk"), upstream__is_listed=True, is_on_sale=True)
            .order_by()
            .values("upstream__provider")
            .annotate(count=Count("pk"))
            .values("count")
        )
        return (
            super()
            .get_queryset(request)
            .annotate(on_sale=Subquery(on_sale), import_outcome=Subquery(latest.values("outcome")[:1]))
        )

    @display(description="State")
    def shown_state(self, provider: Provider) -> str:
        return _badge(provider_state(provider=provider, is_stopped=self.is_stopped(provider)))

    def is_stopped(self, provider: Any) -> bool:
        """Return True if sending to it is stopped. The pages of orders, which know of stops, override it."""
        return False

    @display(description="Balance there", ordering="balance")
    def shown_balance(self, provider: Provider) -> str:
        return shown_money(provider.balance, provider.currency)

    @display(description="Lasts for")
    def shown_runway(self, provider: Provider) -> str:
        return runway_in_words(provider)

    @display(description="On sale", ordering="on_sale")
    def shown_on_sale(self, provider: Any) -> str:
        return f"{provider.on_sale or 0:,}"

    @display(description="Margin")
    def shown_margin(self, provider: Provider) -> str:
        return own_margin(provider.margin_bp, provider.margin_fixed)

    @display(description="Exchange rate")
    def shown_exchange_rate(self, provider: Provider) -> str:
        return f"{ExchangeRateField().show(provider.exchange_rate)} (the owner sets it)"

    @display(description="Last import", ordering="last_synced_at")
    def shown_import(self, provider: Any) -> str:
        if not provider.import_outcome:
            return "Never"
        when = moment_text(provider.last_synced_at) if provider.last_synced_at else "none applied yet"
        return format_html('{} <span class="whitespace-nowrap">{}</span>', _run_badge(provider.import_outcome), when)

    @display(description="How that goes")
    def looking(self, provider: Provider) -> str:
        """Describe the search for orders in doubt by their ids."""
        if not provider.probes_ids:
            return "Switched off"
        if provider.probe_works is None or provider.probe_checked_at is None:
            return "Not tried yet"
        verdict = "Works" if provider.probe_works else "Does not work"
        return f"{verdict}: {provider.probe_note} (checked {moment_text(provider.probe_checked_at)})"

    @display(description="Differs from the standard")
    def dialect_in_words(self, provider: Provider) -> str:
        try:
            settings = describe_dialect(dialect_of(provider))
        except ProviderUnusable as error:
            return str(error)
        return "; ".join(f"{label}: {value}" for label, value in settings) or "In nothing"

    # -- actions ---------------------------------------------------------------------------------------

    @admin.action(description="Import services", permissions=["change"])
    @asks_first(_ask_to_import, above=1)
    def import_services(self, request: HttpRequest, queryset: QuerySet[Provider]) -> HttpResponse:
        chosen = list(Provider.objects.filter(pk__in=queryset.values("pk")))
        for provider in chosen:
            request_import(provider=provider, actor=user_of(request))
            self.log_change(request, provider, "Asked for an import.")
        noun = "import is" if len(chosen) == 1 else "imports are"
        messages.success(request, f"{len(chosen):,} {noun} on the way.")
        return redirect("admin:catalog_syncrun_changelist")

    @action(description="Import services", icon="sync", permissions=["change"])
    def import_now(self, request: HttpRequest, object_id: str) -> HttpResponse:
        provider = get_object_or_404(Provider, pk=object_id)
        runs: list[SyncRun] = []

        def act(data: dict[str, Any]) -> str:
            runs.append(request_import(provider=provider, actor=user_of(request)))
            return "Asked for an import."

        response = confirm_and_act(
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
            is_routine=True,
        )
        return redirect("admin:catalog_syncrun_change", runs[0].pk) if runs else response

    @action(description="Resume", icon="play_arrow", permissions=["resume"])
    def resume(self, request: HttpRequest, object_id: str) -> HttpResponse:
        provider = get_object_or_404(Provider, pk=object_id)

        def act(data: dict[str, Any]) -> str:
            resume_provider(provider=provider)
            return "It takes orders again."

        return confirm_and_act(
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
        pk = whole_number(object_id or "")
        if pk is None or not self.has_change_permission(request):
            return False
        return Provider.objects.filter(pk=pk, pause_count__gt=0).exists()

    def has_confirm_rate_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        pk = whole_number(object_id or "")
        if pk is None or not self.may_move_floor(request):
            return False
        return any(is_unconfirmed(provider) for provider in Provider.objects.filter(pk=pk))

    @action(description="Confirm the exchange rate", icon="currency_exchange", permissions=["confirm_rate"])
    def confirm_rate(self, request: HttpRequest, object_id: str) -> HttpResponse:
        provider = get_object_or_404(Provider, pk=object_id)
        rates = (provider.confirmed_exchange_rate, provider.exchange_rate)
        before, after = (ExchangeRateField().prepare_value(rate) for rate in rates)

        def act(data: dict[str, Any]) -> str:
            if not confirm_exchange_rate(provider=provider, actor=user_of(request)):
                raise ActionRefused("It changed since you opened this page. Nothing was done; look at it again.")
            return f"The exchange rate of {after} is confirmed; {before} was before. Its services are sold again."

        return confirm_and_act(
            request=request,
            model_admin=self,
            obj=provider,
            form_class=ConfirmForm,
            title=f"Confirm the exchange rate of {provider}",
            explanation=(
                f"It is {after}, and {before} was confirmed. What would be sold below its cost by that is not sold. If "
                f"{after} is right, confirm it: all owners get a mail. If it is not, go back and set it right."
            ),
            button=f"{after} is right",
            act=act,
            seen=f"{before}:{after}",
            is_for_good=True,
        )

    def has_connect_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        return self.may_connect(request)

    @action(description="Test how it speaks", icon="forum", permissions=["connect"])
    def test_dialect(self, request: HttpRequest, object_id: str) -> HttpResponse:
        provider = get_object_or_404(Provider, pk=object_id)
        return trial_page(request=request, model_admin=self, provider=provider, known=self.known_for_trial(provider))

    def known_for_trial(self, provider: Provider) -> Known:
        """Return what a trial may ask about. The pages of orders, which know ids, override it."""
        return Known()

    @action(description="Test connection", icon="network_check", permissions=["change"])
    def test_connection(self, request: HttpRequest, object_id: str) -> HttpResponse:
        provider = get_object_or_404(Provider, pk=object_id)

        def act(data: dict[str, Any]) -> str:
            try:
                currency = check_balance(provider=provider)
            except (UpstreamError, ProviderUnusable) as error:
                raise ActionRefused(f"It does not work. {explain(error)}") from error
            provider.refresh_from_db()
            if currency and not is_same_currency(currency, provider.currency):
                return (
                    f"It answers, but it bills in {currency} and is set up with {provider.currency}. "
                    "Set its currency and exchange rate right before you sell."
                )
            return f"It works. The balance there is {shown_money(provider.balance, provider.currency)}."

        return confirm_and_act(
            request=request,
            model_admin=self,
            obj=provider,
            form_class=ConfirmForm,
            title=f"Test the connection to {provider}",
            explanation="Asks the provider for our balance. Nothing is ordered.",
            button="Ask for the balance",
            act=act,
            is_routine=True,
        )


def runway_in_words(provider: Provider) -> str:
    """Return a text such as "about 12 days"."""
    days = runway_days(provider)
    if days is None:
        return "not known yet"
    if days < 1:
        return "less than a day"
    if days > _LONG:
        return "more than a year"
    return "about 1 day" if days == 1 else f"about {days} days"


def describe_run(run: SyncRun) -> str:
    """Return the counts of an import in words."""
    return (
        f"{run.listed:,} services listed: {run.added:,} new, {run.changed:,} changed, "
        f"{run.vanished:,} gone, {run.returned:,} returned, {run.skipped_count:,} skipped."
    )


def _about(provider: Provider, *, is_stopped: bool) -> dict[str, Any]:
    """Return the context of the panel above the form."""
    run = last_import(provider=provider)
    return {
        "provider": provider,
        "state": _badge(provider_state(provider=provider, is_stopped=is_stopped)),
        "balance": shown_money(provider.balance, provider.currency),
        "runway": runway_in_words(provider),
        "run": run,
        "run_state": _run_badge(run.outcome) if run else "",
        "run_counts": describe_run(run) if run and run.outcome == SyncRun.Outcome.APPLIED else "",
        "facts": provider_facts(provider=provider, last_run=run, is_stopped=is_stopped),
    }


def _run_badge(outcome: str) -> str:
    return admin_badge(*OUTCOME_BADGES[SyncRun.Outcome(outcome)], str(SyncRun.Outcome(outcome).label))


def _badge(fact: Fact) -> str:
    return admin_badge(fact.colour, fact.icon, fact.text)
