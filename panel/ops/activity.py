"""The page "Activity": who did what, from where, before and after. Owners filter and export it; nobody changes it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.conf import settings
from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.contrib.auth import get_user_model
from django.contrib.contenttypes.models import ContentType
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, StreamingHttpResponse
from django.urls import URLPattern, path
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from unfold.decorators import display

from panel.accounts.roles import OUR_APPS
from panel.activity.models import Act, ActivityDetail
from panel.lib.admin.base import ReadOnlyAdmin
from panel.lib.admin.fields import ExchangeRateField
from panel.lib.csv_files import as_csv, csv_response
from panel.lib.formats import moment_text, percent_text
from panel.lib.money import format_money

COLUMNS = ("when", "who", "from", "program", "what", "kind", "number", "object", "message", "changes")
# Entries in one read of an export.
CHUNK = 500
# Changes of an entry that the list shows; its page shows all.
MAX_LISTED = 3

# How columns are stored, so that people can read their values.
_MONEY = (
    *("amount", "balance", "balance_after", "bonus", "charge", "cost", "credit_limit", "credited", "daily_limit"),
    *("expected_cost", "fee", "fee_fixed", "margin_fixed", "maximum", "minimum", "price", "price_step", "refunded"),
    "spent",
)
_RATES = ("exchange_rate", "confirmed_exchange_rate")


class StaffFilter(admin.SimpleListFilter):
    """Filter by person, listing staff only, not all customers."""

    title = "who"
    parameter_name = "who"

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin) -> list[tuple[str, str]]:
        staff = get_user_model()._default_manager.filter(is_staff=True).order_by("email")[:100]
        return [(str(user.pk), str(user)) for user in staff]

    def queryset(self, request: HttpRequest, queryset: QuerySet[LogEntry]) -> QuerySet[LogEntry]:
        known = [int(key) for key, _ in self.lookup_choices if key == self.value()]
        return queryset.filter(user__in=known) if known else queryset


class KindFilter(admin.SimpleListFilter):
    """Filter by what the object is."""

    title = "kind"
    parameter_name = "kind"

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin) -> list[tuple[str, str]]:
        kinds = ContentType.objects.filter(app_label__in=OUR_APPS)
        named = [(str(kind.pk), str(kind.name).capitalize()) for kind in kinds if kind.model_class()]
        return sorted(named, key=lambda kind: kind[1])

    def queryset(self, request: HttpRequest, queryset: QuerySet[LogEntry]) -> QuerySet[LogEntry]:
        known = [int(key) for key, _ in self.lookup_choices if key == self.value()]
        return queryset.filter(content_type__in=known) if known else queryset


@admin.register(Act)
class ActivityAdmin(ReadOnlyAdmin):
    list_display = ("shown_time", "user", "shown_address", "shown_action", "kind", "shown_object", "message")
    list_display_links = ("shown_time",)
    list_filter = (StaffFilter, KindFilter, "action_flag", ("action_time", admin.DateFieldListFilter))
    list_select_related = ("user", "content_type", "detail")
    list_fullwidth = True
    change_list_template = "admin/activity.html"
    search_fields = ("^user__email", "=object_id", "object_repr", "change_message")
    search_help_text = "Person's address, object's number, or words"
    # By id, which follows time.
    ordering = ("-pk",)
    sortable_by = ()
    fields = (
        "shown_time",
        "user",
        "shown_address",
        "shown_agent",
        "shown_action",
        "kind",
        "shown_object",
        "said",
        "shown_changes",
    )
    readonly_fields = fields

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.export_view)
        return [path("export/", view, name="activity_act_export"), *super().get_urls()]

    def export_view(self, request: HttpRequest) -> StreamingHttpResponse:
        """Stream what the list shows with these filters, the latest first."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        entries = self.get_changelist_instance(request).get_queryset(request)
        return csv_response(name="activity", lines=as_csv(COLUMNS, _rows(entries)))

    # -- columns ---------------------------------------------------------------------------------------

    @display(description="When")
    def shown_time(self, entry: LogEntry) -> str:
        return format_html('<span class="whitespace-nowrap">{}</span>', moment_text(entry.action_time))

    @display(description="From")
    def shown_address(self, entry: LogEntry) -> str:
        detail = _detail(entry)
        return (detail and detail.address) or "—"

    @display(description="Program")
    def shown_agent(self, entry: LogEntry) -> str:
        detail = _detail(entry)
        return (detail and detail.agent) or "—"

    @display(description="What", label={"Added": "success", "Changed": "info", "Deleted": "danger"})
    def shown_action(self, entry: LogEntry) -> str:
        return _action(entry)

    @display(description="Kind")
    def kind(self, entry: LogEntry) -> str:
        return _kind(entry) or "—"

    @display(description="Object")
    def shown_object(self, entry: LogEntry) -> str:
        """Return the object's name, as a link if it still has a page."""
        name = entry.object_repr if len(entry.object_repr) <= 80 else f"{entry.object_repr[:79]}…"
        address = None if entry.is_deletion() else entry.get_admin_url()
        if address is None:
            return name
        return format_html('<a class="text-primary-600 dark:text-primary-400" href="{}">{}</a>', address, name)

    @display(description="Message")
    def message(self, entry: LogEntry) -> SafeString:
        """Return the words of the entry, and the first of its changes."""
        changes = _changes(entry)
        lines = [_line(change) for change in changes[:MAX_LISTED]]
        if len(changes) > MAX_LISTED:
            lines.append(f"and {len(changes) - MAX_LISTED:,} more")
        shown = format_html_join("", '<span class="block text-xs">{}</span>', ((line[:200],) for line in lines))
        return format_html('<span class="tall" style="overflow-wrap: anywhere">{}{}</span>', _words(entry), shown)

    @display(description="Message")
    def said(self, entry: LogEntry) -> SafeString:
        return format_html('<span style="overflow-wrap: anywhere">{}</span>', _words(entry))

    @display(description="Before and after")
    def shown_changes(self, entry: LogEntry) -> SafeString | str:
        changes = _changes(entry)
        if not changes:
            return "—"
        cell = '<td class="py-2 pr-4 align-top break-words" style="white-space: pre-wrap">{}</td>'
        head = '<th scope="row" class="py-2 pr-4 text-left align-top font-medium">{}</th>'
        row = f'<tr class="border-t border-base-200 dark:border-base-800">{head}{cell}{cell}</tr>'
        rows = format_html_join("", row, ((_label(one), _before(one), _after(one)) for one in changes))
        return format_html(
            '<table class="w-full"><thead><tr><th scope="col" class="pr-4 text-left">What</th><th scope="col" '
            'class="pr-4 text-left">Before</th><th scope="col" class="text-left">After</th></tr></thead>'
            "<tbody>{}</tbody></table>",
            rows,
        )


# -- in words ----------------------------------------------------------------------------------------


def _rows(entries: QuerySet[LogEntry]) -> Iterator[tuple[str, ...]]:
    """Yield the cells of each entry, read in chunks by key: none is lost or twice, whatever is added meanwhile."""
    before: int | None = None
    ordered = entries.order_by("-pk")
    while chunk := list((ordered if before is None else ordered.filter(pk__lt=before))[:CHUNK]):
        for entry in chunk:
            detail = _detail(entry)
            yield (
                entry.action_time.isoformat(timespec="seconds"),
                str(entry.user),
                (detail and detail.address) or "",
                detail.agent if detail else "",
                _action(entry),
                _kind(entry),
                str(entry.object_id or ""),
                entry.object_repr,
                _words(entry),
                "\n".join(_line(change) for change in _changes(entry)),
            )
        before = chunk[-1].pk


def _detail(entry: LogEntry) -> ActivityDetail | None:
    """Return the detail; None for entries from before there were any."""
    return getattr(entry, "detail", None)


def _changes(entry: LogEntry) -> list[dict[str, Any]]:
    detail = _detail(entry)
    return detail.changes if detail else []


def _action(entry: LogEntry) -> str:
    return "Added" if entry.is_addition() else "Deleted" if entry.is_deletion() else "Changed"


def _kind(entry: LogEntry) -> str:
    return str(entry.content_type.name) if entry.content_type else ""


def _words(entry: LogEntry) -> str:
    return entry.get_change_message() or "—"


def _line(change: dict[str, Any]) -> str:
    return f"{_label(change)}: {_before(change)} → {_after(change)}"


def _label(change: dict[str, Any]) -> str:
    return str(change["column"]).removesuffix("_id").removesuffix("_bp").replace("_", " ")


def _before(change: dict[str, Any]) -> str:
    return shown_value(change["column"], change["before"])


def _after(change: dict[str, Any]) -> str:
    return shown_value(change["column"], change["after"])


def shown_value(column: str, value: Any) -> str:
    """Return a stored value of a column in words."""
    if value is None or value in ("", [], {}):
        return "—"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        if column in _MONEY:
            return format_money(value, settings.PANEL_CURRENCY, exact=True)
        if column in _RATES:
            return ExchangeRateField().show(value)
        return percent_text(value) if column.endswith("_bp") else str(value)
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
