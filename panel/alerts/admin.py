"""Alerts, and the log of what staff did, in the admin."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.auth import get_user_model
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.utils.html import format_html
from unfold.decorators import action, display

from panel.alerts.causes import Cause
from panel.alerts.models import Alert
from panel.alerts.running import trust_clock
from panel.alerts.seen import alerts_for
from panel.lib import clock
from panel.lib.admin.actions import ActionRefused, confirm_and_act
from panel.lib.admin.base import ReadOnlyAdmin
from panel.lib.digits import whole_number
from panel.lib.formats import exact_moment_text, moment_text

# As for what the panel stopped by itself: it belongs to owners.
TRUST = "catalog.connect_provider"


@admin.register(Alert)
class AlertAdmin(ReadOnlyAdmin):
    list_display = ("text", "level", "count", "created_at", "last_seen_at", "resolved_at")
    list_filter = ("level", ("resolved_at", admin.EmptyFieldListFilter))
    actions = ("resolve",)
    actions_detail = ("trust_clock",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Alert]:
        return alerts_for(request.user, super().get_queryset(request))

    def has_resolve_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("ops.change_alert")

    @admin.action(description="Mark as resolved", permissions=["resolve"])
    def resolve(self, request: HttpRequest, queryset: QuerySet[Alert]) -> None:
        waiting = list(queryset.filter(resolved_at=None))
        closed = queryset.filter(resolved_at=None).update(resolved_at=clock.now())
        LogEntry.objects.log_actions(str(request.user.pk), waiting, CHANGE, "Marked as resolved.")
        self.message_user(request, f"{closed} alerts resolved.")

    def has_trust_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        pk = whole_number(object_id or "")
        if pk is None or not request.user.has_perm(TRUST):
            return False
        return Alert.objects.filter(pk=pk, cause=Cause.CLOCK_JUMP, resolved_at=None).exists()

    @action(description="The clock is right", icon="schedule", permissions=["trust"])
    def trust_clock(self, request: HttpRequest, object_id: str) -> HttpResponse:
        def act(data: dict[str, Any]) -> str:
            if not trust_clock():
                raise ActionRefused("The clock is not in doubt any more.")
            return "The clock is trusted. Orders are refunded again once they have waited for too long."

        return confirm_and_act(
            request=request,
            model_admin=self,
            obj=get_object_or_404(Alert, pk=object_id),
            form_class=forms.Form,
            title="The clock is right",
            explanation=(
                f"The database's clock says {exact_moment_text(clock.now())}. Compare it with another one. Orders that "
                "have waited for too long are then refunded at once; the time of the jump itself never counts."
            ),
            button="The clock is right",
            act=act,
        )


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
