"""What the panel's admin classes share."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.http import HttpRequest
from unfold import admin as unfold

from panel.money import format_money

SECRETS = {"password", "secret", "data", "digest", "api_key_encrypted", "session_data"}
"""Columns that no filter in the address of a list may look into."""


class ModelAdmin(unfold.ModelAdmin):
    """What every list of the admin is made of."""

    def lookup_allowed(self, lookup: str, value: Any, request: HttpRequest) -> bool:
        """Refuse what would find a hash or a secret out letter by letter: `?password__startswith=a` lists who has it.

        Django takes any path that starts with "pk" for a column of the model itself; where the key is a relation, that
        led to the customer and to all that hangs on them.
        """
        first, *rest = lookup.split("__")
        if SECRETS & {first, *rest}:
            return False
        real = "__".join([self.opts.pk.name if first == "pk" else first, *rest])
        return super().lookup_allowed(real, value, request)


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
