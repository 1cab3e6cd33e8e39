"""The staff's page of profit, by provider and by service."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.contrib.admin import ModelAdmin
from django.core.exceptions import PermissionDenied
from django.db.models import Model
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse

from catalog.models import Provider, Service
from orders.reports.profit import Figures, profit_by_provider, profit_by_service, profit_figures, profit_in_all
from panel.lib import clock

PERMISSION = "orders.view_profit"
PERIODS = (7, 30, 90)
# The most rows with a loss, and the most with a profit, in one table.
MAX_SHOWN = 25


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a table. `url` is "" if the user may not open it."""

    name: str
    url: str
    figures: Figures


@dataclass(frozen=True, slots=True)
class Table:
    """`head` is the heading of the names; `more` is the number of rows not shown."""

    title: str
    head: str
    rows: list[Row]
    more: int


def profit_page(*, request: HttpRequest, model_admin: ModelAdmin) -> HttpResponse:
    """Show the figures of the last 7, 30 or 90 days."""
    if not (model_admin.has_view_permission(request) and request.user.has_perm(PERMISSION)):
        raise PermissionDenied
    days = next((period for period in PERIODS if request.GET.get("days") == str(period)), PERIODS[0])
    found = profit_figures(since=clock.now() - timedelta(days=days))
    tables = [
        _table(request, "By provider", "Provider", Provider, profit_by_provider(found)),
        _table(request, "By service", "Service", Service, profit_by_service(found)),
    ]
    context = {
        **model_admin.admin_site.each_context(request),
        "title": "Profit",
        "days": days,
        "periods": PERIODS,
        "total": profit_in_all(found),
        "tables": tables,
    }
    return TemplateResponse(request, "admin/orders/profit.html", context)


def _table(request: HttpRequest, title: str, head: str, model: type[Model], figures: dict[int, Figures]) -> Table:
    """Return losses first, the largest on top, then profits, the largest first."""
    ordered = sorted(figures.items(), key=lambda one: (one[1].profit, one[0]))
    losses = [one for one in ordered if one[1].profit < 0][:MAX_SHOWN]
    gains = [one for one in reversed(ordered) if one[1].profit >= 0][:MAX_SHOWN]
    shown = losses + gains
    names: Mapping[Any, Any] = model._default_manager.only("name").in_bulk([pk for pk, _ in shown])
    opts = model._meta
    may_open = request.user.has_perm(f"{opts.app_label}.view_{opts.model_name}")

    def url(pk: int) -> str:
        return reverse(f"admin:{opts.app_label}_{opts.model_name}_change", args=[pk]) if may_open else ""

    rows = [Row(names[pk].name, url(pk), one) for pk, one in shown]
    return Table(title, head, rows, more=len(figures) - len(rows))
