"""Alerts in the admin."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.decorators import action, display

from panel.activity.record import record
from panel.alerts.advice import advice_about, path_about
from panel.alerts.causes import Cause
from panel.alerts.models import Alert, ErrorReport
from panel.alerts.running import trust_clock
from panel.alerts.seen import alerts_for
from panel.alerts.services import close_alerts
from panel.lib import clock
from panel.lib.admin.actions import ActionRefused, confirm_and_act
from panel.lib.admin.base import ReadOnlyAdmin
from panel.lib.admin.questions import MAX_UNASKED, Question, asks_first
from panel.lib.digits import whole_number
from panel.lib.formats import exact_moment_text

# As for what the panel stopped by itself: it belongs to owners.
TRUST = "catalog.connect_provider"


@admin.register(ErrorReport)
class ErrorReportAdmin(ReadOnlyAdmin):
    list_display = ("number", "kind", "place", "where", "created_at")
    search_fields = ("number",)
    search_help_text = "The number that the page of the error shows."
    fields = ("number", "kind", "place", "where", "message", "created_at", "shown_trace")
    readonly_fields = ("shown_trace",)

    @display(description="Trace")
    def shown_trace(self, report: ErrorReport) -> SafeString:
        return format_html('<code class="message-text" dir="ltr">{}</code>', report.trace)


def _ask_to_resolve(model_admin: Any, request: HttpRequest, queryset: QuerySet[Alert]) -> Question:
    return Question(
        rows=queryset.filter(resolved_at=None),
        nouns=("alert", "alerts"),
        button="Mark {} as resolved",
        consequence="They leave the list.",
        undo="What the panel meets again is raised anew.",
        left=((queryset.exclude(resolved_at=None).order_by().count(), "resolved already"),),
    )


@admin.register(Alert)
class AlertAdmin(ReadOnlyAdmin):
    list_display = ("text", "level", "count", "created_at", "last_seen_at", "resolved_at")
    fields = (
        *("text", "level", "shown_panel_does", "shown_you_do", "shown_page", "count"),
        *("created_at", "last_seen_at", "resolved_at", "told_at", "cause"),
    )
    readonly_fields = ("shown_panel_does", "shown_you_do", "shown_page")
    list_filter = ("level", ("resolved_at", admin.EmptyFieldListFilter))
    actions = ("resolve",)
    actions_detail = ("resolve_one", "trust_clock")

    @display(description="What the panel does")
    def shown_panel_does(self, alert: Alert) -> str:
        advice = advice_about(alert.cause)
        return advice.panel_does if advice else "—"

    @display(description="What you do")
    def shown_you_do(self, alert: Alert) -> str:
        advice = advice_about(alert.cause)
        return advice.you_do if advice else "—"

    @display(description="Where")
    def shown_page(self, alert: Alert) -> SafeString:
        path = path_about(alert.cause)
        return format_html('<a class="font-medium underline" href="{}">Open the page about it</a>', path)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Alert]:
        return alerts_for(request.user, super().get_queryset(request))

    def has_resolve_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("ops.change_alert")

    def has_resolve_one_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        pk = whole_number(object_id or "")
        if pk is None or not self.has_resolve_permission(request):
            return False
        return alerts_for(request.user).filter(pk=pk, resolved_at=None).exists()

    @action(description="Mark as resolved", icon="check", permissions=["resolve_one"])
    def resolve_one(self, request: HttpRequest, object_id: str) -> HttpResponse:
        def act(data: dict[str, Any]) -> str:
            if not close_alerts(Alert.objects.filter(pk=object_id)):
                raise ActionRefused("It was resolved meanwhile. Nothing was done.")
            return "Marked as resolved."

        return confirm_and_act(
            request=request,
            model_admin=self,
            obj=get_object_or_404(Alert, pk=object_id),
            form_class=forms.Form,
            title="Mark as resolved",
            explanation="It leaves the list. If the panel meets the problem again, it is raised anew and told again.",
            button="Mark as resolved",
            act=act,
            is_routine=True,
        )

    @admin.action(description="Mark as resolved", permissions=["resolve"])
    @asks_first(_ask_to_resolve, above=MAX_UNASKED)
    def resolve(self, request: HttpRequest, queryset: QuerySet[Alert]) -> None:
        waiting = list(queryset.filter(resolved_at=None))
        closed = close_alerts(queryset)
        record(actor_id=request.user.pk, objects=waiting, message="Marked as resolved.")
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
