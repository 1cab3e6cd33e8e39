"""Base classes of the panel's admin."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django import forms
from django.conf import settings
from django.contrib.admin import ShowFacets
from django.contrib.admin.models import LogEntry
from django.core.exceptions import FieldDoesNotExist
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse
from unfold import admin as unfold
from unfold.views import ChangeList

from panel.activity.record import ADDITION, CHANGE, DELETION, differences, record
from panel.lib.admin.changes import form_changes, keep_changes, kept_changes
from panel.lib.admin.deletions import deleted_objects
from panel.lib.admin.lists import ROWS, LongChangeList
from panel.lib.admin.pages import DeepPaginator
from panel.lib.admin.searches import found_rows
from panel.lib.admin.shown_rows import ShownForm
from panel.lib.bulk_sql import in_chunks
from panel.lib.money import format_money
from panel.lib.recent_sign_in import require_recent_sign_in

# Columns that no filter in a list's address may use.
SECRETS = {"password", "secret", "data", "digest", "api_key_encrypted", "session_data", "session_key"}


class ModelAdmin(unfold.ModelAdmin):
    """The base class of every list in the admin.

    A list is long unless it `is_short`: it has pages by key, is sorted by the columns of `sortable_by` alone, each of
    which has an index with the primary key after it, and is searched by whole values: see `found_rows`.
    """

    is_short = False
    paginator = DeepPaginator
    list_per_page = ROWS
    show_full_result_count = False
    # Counting every choice of every filter takes seconds.
    show_facets = ShowFacets.NEVER

    # -- two people at once ------------------------------------------------------------------------------

    change_form_before_template = "admin/_shown_row.html"

    def get_form(self, request: HttpRequest, obj: Model | None = None, **kwargs: Any) -> type[forms.ModelForm]:
        """Return a form that is saved only over what it showed."""
        base = kwargs.pop("form", self.form)
        form = type(base.__name__, (ShownForm, base), {})
        return super().get_form(request, obj, form=form, **kwargs)

    # -- the activity ----------------------------------------------------------------------------------

    def construct_change_message(
        self, request: HttpRequest, form: forms.ModelForm, formsets: Any, add: bool = False
    ) -> Any:
        keep_changes(request, form_changes(form))
        return super().construct_change_message(request, form, formsets, add)

    def log_addition(self, request: HttpRequest, obj: Model, message: Any) -> Any:
        return self.write_entry(request, obj, ADDITION, message)

    def log_change(self, request: HttpRequest, obj: Model, message: Any) -> Any:
        return self.write_entry(request, obj, CHANGE, message)

    def log_deletions(self, request: HttpRequest, queryset: Any) -> Any:
        for chunk in in_chunks(queryset):
            rows = type(chunk[0])._base_manager.filter(pk__in=[obj.pk for obj in chunk]).values()
            lost = {row[chunk[0]._meta.pk.attname]: differences(row, {}) for row in rows}
            record(
                actor_id=request.user.pk,
                objects=chunk,
                flag=DELETION,
                changes=lambda obj, lost=lost: lost.get(obj.pk, []),  # type: ignore[misc]
            )

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        """Return what the page before a deletion lists; where there is more than MAX_LISTED, how much there is."""
        return deleted_objects(objs, admin_site=self.admin_site, request=request) or super().get_deleted_objects(
            objs, request
        )

    def write_entry(self, request: HttpRequest, obj: Model, flag: int, message: Any) -> LogEntry:
        changes = kept_changes(request)
        return record(actor_id=request.user.pk, objects=[obj], flag=flag, message=message, changes=changes)[0]

    # -- lists -----------------------------------------------------------------------------------------

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return ChangeList if self.is_short else LongChangeList

    def get_sortable_by(self, request: HttpRequest) -> Sequence[str]:
        if self.is_short:
            columns: Sequence[str] = super().get_sortable_by(request)
            return columns
        return tuple(self.sortable_by or ())

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        if self.is_short:
            found: tuple[QuerySet[Any], bool] = super().get_search_results(request, queryset, search_term)
            return found
        if not search_term.strip():
            return queryset, False
        return found_rows(queryset, fields=self.get_search_fields(request), term=search_term), False

    def lookup_allowed(self, lookup: str, value: object, request: HttpRequest) -> bool:
        """Refuse lookups that reveal a hash or a secret letter by letter: `?password__startswith=a` lists who matches.

        Django treats what follows a "pk" as part of that key. If the key is a relation, this would reach the
        customer and everything related to them.
        """
        parts = lookup.split("__")
        return not SECRETS & set(parts) and super().lookup_allowed(_named(self.model, parts), value, request)


class AsksAgain:
    """Mixin for forms about money, keys or roles: whoever signed in long ago confirms that it is them first."""

    def asks_again(self, request: HttpRequest) -> bool:
        """Return True if this person may change with the form what matters."""
        return bool(self.has_change_permission(request) or self.has_add_permission(request))  # type: ignore[attr-defined]

    def changeform_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if self.asks_again(request):
            require_recent_sign_in(request)
        response: HttpResponse = super().changeform_view(request, *args, **kwargs)  # type: ignore[misc]
        return response

    def changelist_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if request.POST.get("action") == "delete_selected":
            require_recent_sign_in(request)
        response: HttpResponse = super().changelist_view(request, *args, **kwargs)  # type: ignore[misc]
        return response

    def delete_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        require_recent_sign_in(request)
        response: HttpResponse = super().delete_view(request, *args, **kwargs)  # type: ignore[misc]
        return response


def _named(model: Any, parts: Sequence[str]) -> str:
    """Return the path with each "pk" replaced by the name of its column."""
    named = []
    for part in parts:
        if model is not None and part == "pk":
            part = model._meta.pk.name
        named.append(part)
        try:
            model = model._meta.get_field(part).related_model if model is not None else None
        except FieldDoesNotExist:
            model = None  # What follows is a transform or a comparison.
    return "__".join(named)


class ReadOnlyAdmin(ModelAdmin):
    """Admin of rows that only the panel writes: staff read them, and act through services."""

    def has_add_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


def shown_money(micros: int | None, currency: str | None = None) -> str:
    """Return the exact money text of micro-units for a list, or a dash."""
    if micros is None:
        return "—"
    return format_money(micros, currency or settings.PANEL_CURRENCY, exact=True)
