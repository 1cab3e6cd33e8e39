"""The page of a week in the admin."""

from __future__ import annotations

from datetime import date, timedelta

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse

from panel.ops.weekly.report import last_monday, week_report

# As the pages of profit.
PERMISSION = "orders.view_profit"
MAX_WEEKS = 520


def week_page(request: HttpRequest) -> HttpResponse:
    """Show a week, the last one unless the address names another."""
    if not request.user.has_perm(PERMISSION):
        raise PermissionDenied
    newest = last_monday()
    monday = _monday(request.GET.get("from", ""), newest)
    context = {
        **admin.site.each_context(request),
        "title": "Weekly proof",
        "report": week_report(monday),
        "earlier": monday - timedelta(days=7),
        "later": monday + timedelta(days=7) if monday < newest else None,
    }
    return TemplateResponse(request, "admin/week.html", context)


def _monday(text: str, newest: date) -> date:
    try:
        day = date.fromisoformat(text)
    except ValueError:
        return newest
    monday = day - timedelta(days=day.weekday()) if day > date.min + timedelta(days=7) else newest
    return min(max(monday, newest - timedelta(weeks=MAX_WEEKS)), newest)
