"""What the panel's admin classes share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.conf import settings
from django.core.exceptions import FieldDoesNotExist
from django.db.models import Model
from django.http import HttpRequest
from unfold import admin as unfold

from panel.lib.money import format_money

# Columns that no filter in the address of a list may look into.
SECRETS = {"password", "secret", "data", "digest", "api_key_encrypted", "session_data"}


class ModelAdmin(unfold.ModelAdmin):
    """What every list of the admin is made of."""

    def lookup_allowed(self, lookup: str, value: object, request: HttpRequest) -> bool:
        """Refuse what would find a hash or a secret out letter by letter: `?password__startswith=a` lists who has it.

        Django takes what follows a "pk" for a part of that key alone. Where the key is a relation, it led to the
        customer and to all that hangs on them.
        """
        parts = lookup.split("__")
        return not SECRETS & set(parts) and super().lookup_allowed(_named(self.model, parts), value, request)


def _named(model: Any, parts: Sequence[str]) -> str:
    """Return the path with each "pk" by the name of its column."""
    named = []
    for part in parts:
        if model is not None and part == "pk":
            part = model._meta.pk.name
        named.append(part)
        try:
            model = model._meta.get_field(part).related_model if model is not None else None
        except FieldDoesNotExist:
            model = None  # From here on it is a transform or a comparison.
    return "__".join(named)


class ReadOnlyAdmin(ModelAdmin):
    """For rows that only the panel itself writes: staff look, and act through its services."""

    def has_add_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


def shown_money(micros: int | None, currency: str | None = None) -> str:
    """Exact money text of micro-units for a list, or a dash."""
    if micros is None:
        return "—"
    return format_money(micros, currency or settings.PANEL_CURRENCY, exact=True)
