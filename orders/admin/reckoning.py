"""The staff's page of the money at providers: by day, what is unexplained, and the entries of staff."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import uuid4

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from catalog.models import Provider
from orders.admin.profit import PERIODS, PERMISSION
from orders.models import MoneyDay, MoneyEntry, ProviderMoney
from orders.reckoning.entries import EntryRefused, confirm_top_up, record_entry
from panel.accounts.signed_in import user_of
from panel.lib.admin.base import ReadOnlyAdmin
from panel.lib.admin.fields import AmountField
from panel.lib.csv_files import as_csv, csv_response
from panel.lib.digits import whole_number
from panel.lib.formats import day_text
from panel.lib.money import format_money, format_plain
from panel.lib.panel_days import panel_day

RECORD_PERMISSION = "catalog.change_provider"
MAX_ENTRIES = 20
HEADER = (
    "day",
    "provider",
    "currency",
    "opening",
    "topped_up",
    "other_spending",
    "spent",
    "expected",
    "doubts",
    "unexplained",
    "closing",
)
_AMOUNTS = ("opening", "topped_up", "other", "spent", "expected", "doubts", "unexplained", "closing")


class EntryForm(forms.Form):
    """A top-up or other spending. `key` makes a form that is sent twice one entry."""

    kind = forms.ChoiceField(choices=MoneyEntry.Kind.choices, widget=UnfoldAdminSelectWidget)
    amount = AmountField(help_text="In the provider's currency.")
    note = forms.CharField(
        max_length=300,
        widget=UnfoldAdminTextInputWidget,
        help_text="What it was, such as the number of the payment, or what was ordered there without this panel.",
    )
    key = forms.CharField(max_length=64, widget=forms.HiddenInput)


@dataclass(frozen=True, slots=True)
class Card:
    """The last reading of one provider, in words. `rise` is what staff may confirm as a top-up, in micro-units."""

    provider: Provider
    money: ProviderMoney
    balance: str
    explained: str
    difference: str
    is_missing: bool
    rise: int


@dataclass(frozen=True, slots=True)
class Row:
    """One day of one provider, in words."""

    day: str
    provider: Provider
    opening: str
    topped_up: str
    other: str
    spent: str
    expected: str
    doubts: str
    unexplained: str
    closing: str
    is_missing: bool


@admin.register(MoneyDay)
class MoneyDayAdmin(ReadOnlyAdmin):
    def has_view_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return request.user.has_perm(PERMISSION)

    def has_module_permission(self, request: HttpRequest) -> bool:
        return self.has_view_permission(request)

    def get_urls(self) -> list[URLPattern]:
        name = f"{self.opts.app_label}_{self.opts.model_name}"
        return [
            path("", self.admin_site.admin_view(self.money_page), name=f"{name}_changelist"),
            path("export/", self.admin_site.admin_view(self.export), name=f"{name}_export"),
        ]

    def money_page(self, request: HttpRequest) -> HttpResponse:
        """Show the money by day; record an entry that was posted."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        provider, days = _chosen(request), _period(request)
        form = _entry_form(provider)
        if request.method == "POST":
            if provider is None or not request.user.has_perm(RECORD_PERMISSION):
                raise PermissionDenied
            form = EntryForm(request.POST)
            if self._record(request, provider, form):
                return redirect(f"{reverse('admin:orders_moneyday_changelist')}?provider={provider.pk}&days={days}")
        known = ProviderMoney.objects.select_related("provider").order_by("provider__name")
        entries = MoneyEntry.objects.filter(provider=provider).select_related("actor")[:MAX_ENTRIES] if provider else []
        context: dict[str, Any] = {
            **self.admin_site.each_context(request),
            "title": "Providers' money",
            "days": days,
            "periods": PERIODS,
            "chosen": provider,
            "providers": [one.provider for one in known],
            "cards": [_card(one) for one in known if provider in (None, one.provider)],
            "rows": [_row(one) for one in _days(provider, days)],
            "entries": [(one, format_money(one.amount, one.currency, exact=True)) for one in entries],
            "form": form,
            "may_record": provider is not None and request.user.has_perm(RECORD_PERMISSION),
        }
        return TemplateResponse(request, "admin/orders/money.html", context)

    def export(self, request: HttpRequest) -> StreamingHttpResponse:
        """Send what the page shows as a CSV file, with exact amounts in each provider's own currency."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        lines = as_csv(HEADER, _csv_rows(_days(_chosen(request), _period(request))))
        return csv_response(name="providers-money", lines=lines)

    def _record(self, request: HttpRequest, provider: Provider, form: EntryForm) -> bool:
        """Record the posted entry. Return False if it was refused; the form, or a message, has the reason."""
        try:
            if "rise" in request.POST:
                rise = whole_number(request.POST["rise"]) or 0
                entry = confirm_top_up(provider=provider, amount=rise, actor=user_of(request))
            elif form.is_valid():
                data = form.cleaned_data
                entry = record_entry(
                    provider=provider,
                    kind=MoneyEntry.Kind(data["kind"]),
                    amount=data["amount"],
                    note=data["note"],
                    key=data["key"],
                    actor=user_of(request),
                )
            else:
                return False
        except EntryRefused as error:
            messages.error(request, str(error))
            return "rise" in request.POST
        done = f"{entry.get_kind_display()} of {format_money(entry.amount, entry.currency, exact=True)} recorded."
        self.log_change(request, provider, done)
        messages.success(request, done)
        return True


def _chosen(request: HttpRequest) -> Provider | None:
    pk = whole_number(request.GET.get("provider", ""))
    return None if pk is None else get_object_or_404(Provider, pk=pk)


def _period(request: HttpRequest) -> int:
    return next((days for days in PERIODS if request.GET.get("days") == str(days)), PERIODS[0])


def _days(provider: Provider | None, days: int) -> QuerySet[MoneyDay]:
    since = panel_day() - timedelta(days=days - 1)
    found = MoneyDay.objects.filter(day__gte=since).select_related("provider").order_by("-day", "provider__name")
    return found if provider is None else found.filter(provider=provider)


def _entry_form(provider: Provider | None) -> EntryForm:
    """Return an empty form; with what is missing filled in, if money is missing."""
    money = ProviderMoney.objects.filter(pk=provider.pk).first() if provider else None
    initial: dict[str, object] = {"key": uuid4().hex, "kind": MoneyEntry.Kind.TOP_UP}
    if money and money.unexplained < 0:
        initial |= {"kind": MoneyEntry.Kind.SPENDING, "amount": -money.unexplained}
    return EntryForm(initial=initial)


def _card(money: ProviderMoney) -> Card:
    def shown(micros: int) -> str:
        return format_money(micros, money.currency, exact=True)

    explained = shown(money.highest)
    if money.lowest != money.highest:
        explained = f"{shown(money.lowest)} to {explained}"
    difference = "None"
    if money.unexplained:
        difference = f"{shown(abs(money.unexplained))} {'missing' if money.unexplained < 0 else 'too much'}"
    return Card(
        provider=money.provider,
        money=money,
        balance=shown(money.balance),
        explained=explained,
        difference=difference,
        is_missing=money.unexplained < 0,
        rise=max(0, money.unexplained),
    )


def _row(day: MoneyDay) -> Row:
    amounts = {name: format_money(getattr(day, name), day.currency, exact=True) for name in _AMOUNTS}
    return Row(day=day_text(day.day), provider=day.provider, is_missing=day.unexplained < 0, **amounts)


def _csv_rows(days: QuerySet[MoneyDay]) -> Iterator[tuple[str, ...]]:
    for day in days:
        amounts = (format_plain(getattr(day, name)) for name in _AMOUNTS)
        yield (day.day.isoformat(), day.provider.name, day.currency, *amounts)
