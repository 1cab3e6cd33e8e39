"""Alerts, and the log of what staff did, in the admin."""

from __future__ import annotations

from django.contrib import admin
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.auth import get_user_model
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.html import format_html
from unfold.decorators import display

from panel.alerts.models import Alert
from panel.lib.admin.base import ReadOnlyAdmin
from panel.lib.formats import moment_text


@admin.register(Alert)
class AlertAdmin(ReadOnlyAdmin):
    list_display = ("text", "level", "count", "created_at", "last_seen_at", "resolved_at")
    list_filter = ("level", ("resolved_at", admin.EmptyFieldListFilter))
    actions = ("resolve",)

    def has_resolve_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("ops.change_alert")

    @admin.action(description="Mark as resolved", permissions=["resolve"])
    def resolve(self, request: HttpRequest, queryset: QuerySet[Alert]) -> None:
        waiting = list(queryset.filter(resolved_at=None))
        closed = queryset.filter(resolved_at=None).update(resolved_at=timezone.now())
        LogEntry.objects.log_actions(str(request.user.pk), waiting, CHANGE, "Marked as resolved.")
        self.message_user(request, f"{closed} alerts resolved.")


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


@admin.register(LogEntry)
class ActivityAdmin(ReadOnlyAdmin):
    """Who changed what. The admin writes it; owners read it."""

    list_display = ("shown_time", "user", "shown_action", "shown_object", "message")
    list_display_links = ("shown_time",)
    list_filter = (StaffFilter, "action_flag")
    list_select_related = ("user", "content_type")
    list_per_page = 50
    search_fields = ("user__email", "object_repr", "change_message")
    show_full_result_count = False
    # By id, which follows time: the time column has no index.
    ordering = ("-pk",)
    fields = ("shown_time", "user", "shown_action", "kind", "shown_object", "message")
    readonly_fields = fields

    @display(description="When")
    def shown_time(self, entry: LogEntry) -> str:
        return format_html('<span class="whitespace-nowrap">{}</span>', moment_text(entry.action_time))

    @display(description="What", label={"Added": "success", "Changed": "info", "Deleted": "danger"})
    def shown_action(self, entry: LogEntry) -> str:
        return "Added" if entry.is_addition() else "Deleted" if entry.is_deletion() else "Changed"

    @display(description="Kind")
    def kind(self, entry: LogEntry) -> str:
        return str(entry.content_type.name) if entry.content_type else "—"

    @display(description="Object")
    def shown_object(self, entry: LogEntry) -> str:
        """Return the object's name, as a link if it still has a page."""
        name = entry.object_repr if len(entry.object_repr) <= 80 else f"{entry.object_repr[:79]}…"
        address = None if entry.is_deletion() else entry.get_admin_url()
        if address is None:
            return name
        return format_html('<a class="text-primary-600 dark:text-primary-400" href="{}">{}</a>', address, name)

    @display(description="Message")
    def message(self, entry: LogEntry) -> str:
        return format_html('<span style="overflow-wrap: anywhere">{}</span>', entry.get_change_message() or "—")
