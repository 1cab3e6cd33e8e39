"""The staff's page of money that came in, by day and payment method, and its export."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from django import forms
from django.contrib.admin import ModelAdmin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.template.response import TemplateResponse
from unfold.widgets import UnfoldAdminTextInputWidget

from billing.money_in import BY_STAFF, MoneyIn, Sums, money_in
from panel.lib.admin.base import shown_money
from panel.lib.csv_files import as_csv, csv_response
from panel.lib.date_fields import DayField, check_days
from panel.lib.formats import day_text
from panel.lib.money import format_plain
from panel.lib.panel_days import panel_day

PERIODS = (7, 30, 90)
MAX_DAYS = 366
HEADER = ("day", "method", "count", "credited", "bonus", "fee")
BY_STAFF_WORDS = "Posted by staff"


class DaysForm(forms.Form):
    """A period by its first and last day. One that is left out is a week from the other, or today."""

    since = DayField(label="From", widget=UnfoldAdminTextInputWidget(attrs={"type": "date"}))
    until = DayField(label="To", widget=UnfoldAdminTextInputWidget(attrs={"type": "date"}))

    def clean(self) -> dict[str, Any]:
        data: dict[str, Any] = super().clean() or {}
        check_days(self, data)
        since, until = period_of(data)
        if not self.errors and (until - since).days >= MAX_DAYS:
            self.add_error("until", f"Choose {MAX_DAYS} days at most.")
        return data


@dataclass(frozen=True, slots=True)
class Cell:
    """The sums of a day and a method, in words. `method` labels it where the table has no columns."""

    method: str
    credited: str
    count: int
    bonus: str
    fee: str


@dataclass(frozen=True, slots=True)
class Row:
    name: str
    cells: list[Cell]


def period_of(data: dict[str, Any]) -> tuple[date, date]:
    """Return the first and the last day of what the form says."""
    until = data.get("until") or max(data.get("since") or panel_day(), panel_day())
    return data.get("since") or until - timedelta(days=PERIODS[0] - 1), until


def money_in_page(*, request: HttpRequest, model_admin: ModelAdmin) -> HttpResponse:
    """Show the sums of a period: the last 7, 30 or 90 days, or from one day to another."""
    form, since, until = _period(request, model_admin)
    found = money_in(since=since, until=until)
    days = (until - since).days + 1 if until == panel_day() else 0
    context = {
        **model_admin.admin_site.each_context(request),
        "title": "Money in",
        "form": form,
        "query": f"since={since.isoformat()}&until={until.isoformat()}",
        "periods": [
            (period, f"since={(panel_day() - timedelta(days=period - 1)).isoformat()}&until={panel_day().isoformat()}")
            for period in PERIODS
        ],
        "days": days,
        "methods": [_name(method) for method in found.methods],
        "rows": [_row(day_text(day), found, day) for day in found.days],
        "total": _total(found),
    }
    return TemplateResponse(request, "admin/billing/money_in.html", context)


def money_in_export(*, request: HttpRequest, model_admin: ModelAdmin) -> StreamingHttpResponse:
    """Send the sums as a CSV file, a line for each day and method."""
    _, since, until = _period(request, model_admin)
    return csv_response(name="money-in", lines=as_csv(HEADER, _csv_rows(money_in(since=since, until=until))))


def _period(request: HttpRequest, model_admin: ModelAdmin) -> tuple[DaysForm, date, date]:
    if not model_admin.has_view_permission(request):
        raise PermissionDenied
    is_sent = bool({"since", "until"} & request.GET.keys())
    since, until = period_of({})
    form = DaysForm(request.GET if is_sent else None, initial={"since": since, "until": until})
    return (form, *period_of(form.cleaned_data)) if form.is_valid() else (form, since, until)


def _row(name: str, found: MoneyIn, day: date) -> Row:
    cells = [_cell(_name(method), found.cells.get((day, method), Sums())) for method in found.methods]
    return Row(name, [*cells, _cell("Total", found.of_day(day))])


def _total(found: MoneyIn) -> Row:
    cells = [_cell(_name(method), found.of_method(method)) for method in found.methods]
    return Row("Total", [*cells, _cell("Total", found.total)])


def _cell(method: str, sums: Sums) -> Cell:
    bonus, fee = (shown_money(amount) if amount else "" for amount in (sums.bonus, sums.fee))
    return Cell(method, shown_money(sums.credited), sums.count, bonus, fee)


def _name(method: str) -> str:
    return BY_STAFF_WORDS if method == BY_STAFF else method


def _csv_rows(found: MoneyIn) -> Iterator[tuple[str, ...]]:
    for day in found.days:
        for method in found.methods:
            if sums := found.cells.get((day, method)):
                amounts = (format_plain(amount) for amount in (sums.credited, sums.bonus, sums.fee))
                yield (day.isoformat(), _name(method), str(sums.count), *amounts)
