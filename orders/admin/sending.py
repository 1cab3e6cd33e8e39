"""Stops of sending in the admin: which are open and why, stopping the whole panel, and resuming.

Staff who may stop sending may also end what staff stopped. What the panel stopped by itself needs a right of its own.
After a restore nothing is resumed here: that page walks through what has to be done first.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import F, Q, QuerySet, Value
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.html import format_html
from unfold.decorators import action, display
from unfold.widgets import UnfoldAdminTextInputWidget

from orders.common.hidden_costs import sees_costs, stop_without_costs
from orders.common.stops import open_stops, resume_sending, stop_sending
from orders.models import Order, SendingStop
from orders.states import RESTORE_STOPS, StopReason, Submission
from panel.accounts.models import User
from panel.accounts.signed_in import user_of
from panel.lib import clock
from panel.lib.admin.actions import ActionRefused, act_once, confirm_and_act
from panel.lib.admin.base import ReadOnlyAdmin
from panel.lib.digits import whole_number
from panel.lib.formats import moment_text
from panel.lib.templatetags.display import ago
from panel.site import registry as site

STOP = "orders.add_sendingstop"
RESUME_STAFF = "orders.change_sendingstop"
# As on the page after a restore: it belongs to owners.
RESUME_PANEL = "catalog.connect_provider"


class ReasonForm(forms.Form):
    """Why staff stop sending."""

    text = forms.CharField(
        label="Reason",
        max_length=300,
        widget=UnfoldAdminTextInputWidget,
        help_text="Staff read it on every page while nothing is sent. Customers see nothing of it.",
    )


class FindingForm(forms.Form):
    """What staff found out about a stop before they resume."""

    note = forms.CharField(
        label="What you found", max_length=300, widget=UnfoldAdminTextInputWidget, help_text="Kept in the log."
    )


def what_waits() -> str:
    """Return what a stop means for orders, in sentences for staff."""
    hours = site.QUEUE_LIMIT_HOURS.value
    return (
        "Customers can still order; their orders wait in the queue, and are canceled and refunded after "
        f"{hours} hours there. What was sent already is still followed, canceled and refilled."
    )


def end_of(stop: SendingStop) -> datetime | None:
    """Return when the stop ended, by a person or by itself; None while it is in force."""
    if stop.ended_at is None and stop.until is not None and stop.until <= clock.now():
        return stop.until
    return stop.ended_at


def may_resume(user: User, stop: SendingStop) -> bool:
    """Return True if the user may end the stop here."""
    if end_of(stop) is not None or stop.reason in RESTORE_STOPS:
        return False
    return user.has_perm(RESUME_STAFF if stop.reason == StopReason.STAFF else RESUME_PANEL)


class InForceFilter(admin.SimpleListFilter):
    """Tells stops in force from those that ended."""

    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin) -> list[tuple[str, str]]:
        return [("open", "In force"), ("ended", "Ended")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[SendingStop]) -> QuerySet[SendingStop]:
        in_force = Q(pk__in=open_stops().order_by().values("pk"))
        if self.value() == "open":
            return queryset.filter(in_force)
        return queryset.exclude(in_force) if self.value() == "ended" else queryset


@admin.register(SendingStop)
class SendingStopAdmin(ReadOnlyAdmin):
    """Every stop of sending, those in force first."""

    change_list_template = "admin/orders/sending.html"
    is_short = True
    list_display = ("scope", "reason_text", "words", "began", "ended", "next_step")
    list_display_links = ("scope",)
    list_filter = (InForceFilter, "reason", "provider")
    list_select_related = ("provider", "created_by", "ended_by")
    ordering = (F("ended_at").desc(nulls_first=True), "-pk")
    actions_list = ("stop_panel",)
    actions_detail = ("resume",)
    fields = readonly_fields = ("scope", "reason_text", "words", "began", "until", "ended")

    def get_queryset(self, request: HttpRequest) -> QuerySet[SendingStop]:
        """Return stops with the rights of the user, for the links in the list."""
        may = request.user.has_perm
        rights = {
            "may_end_staff": Value(may(RESUME_STAFF)),
            "may_end": Value(may(RESUME_PANEL)),
            "shows_costs": Value(sees_costs(request)),
        }
        return super().get_queryset(request).annotate(**rights)

    def lookup_allowed(self, lookup: str, value: object, request: HttpRequest) -> bool:
        """Refuse to filter by a text that its list hides."""
        hidden = lookup.startswith("text") and not sees_costs(request)
        return not hidden and super().lookup_allowed(lookup, value, request)

    # -- cells -----------------------------------------------------------------------------------------

    @display(description="Nothing is sent to", ordering="provider")
    def scope(self, stop: SendingStop) -> str:
        return str(stop.provider) if stop.provider else "Any provider"

    @display(description="Why", ordering="reason")
    def reason_text(self, stop: SendingStop) -> str:
        return stop.get_reason_display()

    @display(description="Details")
    def words(self, stop: Any) -> str:
        text = stop.text if stop.shows_costs else stop_without_costs(stop.reason, stop.text)
        return format_html('<span class="whitespace-normal break-words">{}</span>', text)

    @display(description="Since", ordering="created_at")
    def began(self, stop: SendingStop) -> str:
        return format_html("{}, by {}", ago(stop.created_at), stop.created_by or "the panel")

    @display(description="Ended", ordering="ended_at")
    def ended(self, stop: SendingStop) -> str:
        ended_at = end_of(stop)
        if ended_at is None:
            return f"In force until {moment_text(stop.until)}" if stop.until else "In force"
        return f"{moment_text(ended_at)}, by {stop.ended_by or 'itself'}"

    @display(description="")
    def next_step(self, stop: Any) -> str:
        """Return a link to the page where an open stop is ended, for those who may end it."""
        is_right = stop.may_end_staff if stop.reason == StopReason.STAFF else stop.may_end
        if end_of(stop) is not None or not is_right:
            return ""
        address, label = reverse("admin:orders_sendingstop_resume", args=[stop.pk]), "Resume"
        if stop.reason in RESTORE_STOPS:
            address, label = reverse("admin:orders_after_restore"), "After the restore"
        return format_html('<a class="font-semibold underline whitespace-nowrap" href="{}">{}</a>', address, label)

    # -- stopping the whole panel ----------------------------------------------------------------------

    def has_stop_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        return request.user.has_perm(STOP)

    @action(description="Stop sending", icon="pan_tool", permissions=["stop"])
    def stop_panel(self, request: HttpRequest) -> HttpResponse:
        stop = SendingStop(reason=StopReason.STAFF)
        form = ReasonForm(request.POST if request.method == "POST" else None)
        back = reverse("admin:orders_sendingstop_changelist")

        def act(data: dict[str, Any]) -> str:
            if not stop_sending(reason=StopReason.STAFF, text=data["text"], actor=user_of(request)):
                raise ActionRefused("Staff have stopped it already.")
            # For the log.
            stop.pk = SendingStop.objects.filter(provider=None, reason=StopReason.STAFF).latest("pk").pk
            return f"Stopped sending to all providers: {data['text']}"

        title = "Stop sending to all providers"
        if act_once(
            request=request, model_admin=self, obj=stop, form=form, title=title, act=act, seen="", is_routine=True
        ):
            return redirect(back)
        context = {
            **self.admin_site.each_context(request),
            "title": title,
            "explanation": f"No order is sent until somebody resumes it. {what_waits()}",
            "button": "Stop sending",
            "form": form,
            "opts": self.opts,
            "back": back,
            "variant": "danger",
        }
        return TemplateResponse(request, "admin/confirm_and_act.html", context)

    # -- resuming --------------------------------------------------------------------------------------

    def has_resume_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        pk = whole_number(object_id or "")
        stop = SendingStop.objects.filter(pk=pk).first() if pk is not None else None
        return stop is not None and may_resume(user_of(request), stop)

    @action(description="Resume", icon="play_arrow", permissions=["resume"])
    def resume(self, request: HttpRequest, object_id: str) -> HttpResponse:
        stop = get_object_or_404(SendingStop.objects.select_related("provider"), pk=object_id)
        where = str(stop.provider) if stop.provider else "all providers"

        def act(data: dict[str, Any]) -> str:
            if not resume_sending(stop=stop, actor=user_of(request)):
                raise ActionRefused("Somebody has resumed it already.")
            found = f" Found: {data['note']}" if "note" in data else ""
            return f"Resumed sending to {where}.{found}"

        return confirm_and_act(
            request=request,
            model_admin=self,
            obj=stop,
            form_class=forms.Form if stop.reason == StopReason.STAFF else FindingForm,
            title=f"Resume sending to {where}",
            explanation=f"{stop.get_reason_display()}: {stop.text} {_what_is_sent(stop)}",
            button="Resume",
            act=act,
        )


def _what_is_sent(stop: SendingStop) -> str:
    """Return what happens once the stop has ended, as a sentence."""
    others = open_stops().exclude(pk=stop.pk).filter(Q(provider=None) | Q(provider=stop.provider_id))
    if others.exists():
        return "Another stop stays in force, so nothing is sent yet."
    waiting = Order.objects.filter(submission=Submission.QUEUED, review_reason="")
    if stop.provider_id:
        waiting = waiting.filter(provider=stop.provider_id)
    count = waiting.count()
    return f"{count:,} order{' waits' if count == 1 else 's wait'} and will be sent at once."
