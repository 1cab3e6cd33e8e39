"""What the panel's admin classes share."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.http import HttpRequest
from unfold.admin import ModelAdmin

from panel.money import format_money


class ReadOnlyAdmin(ModelAdmin):
    """For rows that only the panel itself writes: staff look, and act through its services."""

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


def shown_money(micros: int | None, currency: str | None = None) -> str:
    """Exact money text of micro-units for a list, or a dash."""
    if micros is None:
        return "—"
    return format_money(micros, currency or settings.PANEL_CURRENCY, exact=True)
