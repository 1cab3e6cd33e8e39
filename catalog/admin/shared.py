"""Shared by the catalog's admin pages: text for margins and settings, and names of their targets."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.safestring import SafeString

from catalog.link_kinds import LinkKind
from catalog.models import Category
from catalog.prices.edits import REFILL, Values
from catalog.refill_windows import window_text
from catalog.service_types import SPECS
from panel.lib.admin.base import shown_money
from panel.lib.admin.fields import ExchangeRateField
from panel.lib.formats import percent_text

INHERITED = "Leave empty to inherit."

# Labels of the columns that an edit may set.
LABELS: Mapping[str, str] = {
    "margin_bp": "margin",
    "margin_fixed": "fixed margin",
    "minimum_margin_bp": "minimum margin",
    "price_step": "price step",
    "exchange_rate": "exchange rate",
    "name": "name",
    "category_id": "category",
    "allow_below_minimum": "may be sold below the minimum margin",
    "is_on_sale": "on sale",
    "currency": "currency",
    "is_active": "switched on",
    "type": "type",
    "link_kind": "what its link is",
    "one_at_a_time": "a second order for a link waits",
    "refill_days": "time for refills",
    "refill_days_declined": "declined time for refills",
}


def describe_margin(margin_bp: int, margin_fixed: int) -> str:
    """Return a text such as "25%" or "25% + $0.10"."""
    parts = [percent_text(margin_bp)] if margin_bp or not margin_fixed else []
    if margin_fixed:
        parts.append(shown_money(margin_fixed))
    return " + ".join(parts)


def own_margin(margin_bp: int | None, margin_fixed: int | None) -> str:
    """Return the margin that a level sets, or "inherited"."""
    if margin_bp is None and margin_fixed is None:
        return "inherited"
    return describe_margin(margin_bp or 0, margin_fixed or 0)


def shown_setting(column: str, value: Any, categories: Mapping[int, str]) -> str:
    """Return the text of a set value. `categories` are names by primary key."""
    if column in REFILL:
        return window_text(value)
    if column == "type":
        return str(SPECS[value].label) if value in SPECS else "not sold"
    if column == "link_kind":
        return str(LinkKind(value).label) if value else "guessed"
    if value is None:
        return "inherited"
    if column in ("margin_bp", "minimum_margin_bp"):
        return percent_text(value)
    if column in ("margin_fixed", "price_step"):
        return shown_money(value)
    if column == "exchange_rate":
        return ExchangeRateField().show(value)
    if column == "category_id":
        return categories.get(value, "a category that is gone")
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)


def category_names(values: Iterable[Values]) -> dict[int, str]:
    """Return the names of the categories in these values, with at most one query."""
    pks = {row["category_id"] for row in values if "category_id" in row}
    return dict(Category.objects.filter(pk__in=pks).values_list("pk", "name")) if pks else {}


def in_words(before: Values, after: Values) -> str:
    """Return a text such as "margin 25% → 30%, exchange rate 1 → 0.9"."""
    names = category_names((before, after))
    return ", ".join(
        f"{LABELS[column]} {shown_setting(column, before[column], names)} → {shown_setting(column, value, names)}"
        for column, value in after.items()
    )


_MEANINGS: Mapping[str, str] = {
    "success": "bg-green-100 text-green-700 dark:bg-green-500/20 dark:text-green-400",
    "warning": "bg-orange-100 text-orange-700 dark:bg-orange-500/20 dark:text-orange-400",
    "danger": "bg-red-100 text-red-700 dark:bg-red-500/20 dark:text-red-400",
    "info": "bg-blue-100 text-blue-700 dark:bg-blue-500/20 dark:text-blue-400",
    "neutral": "bg-base-100 text-base-700 dark:bg-base-500/20 dark:text-base-200",
}


def admin_badge(meaning: str, icon: str, words: str) -> SafeString:
    """Return a state as color, icon and word. `meaning` is success, warning, danger, info or neutral."""
    return format_html(
        '<span class="{} inline-flex items-center gap-1 px-2 py-1 rounded-default text-xs font-semibold '
        'whitespace-nowrap"><span class="material-symbols-outlined text-sm" aria-hidden="true">{}</span>{}</span>',
        _MEANINGS[meaning],
        icon,
        words,
    )


def safe_address(request: HttpRequest, name: str) -> str:
    """Return the URL in the request's parameter `name` if it is one of ours; else ""."""
    wanted = request.POST.get(name) or request.GET.get(name) or ""
    hosts = {request.get_host()}
    safe = url_has_allowed_host_and_scheme(wanted, allowed_hosts=hosts, require_https=request.is_secure())
    return wanted if safe else ""
