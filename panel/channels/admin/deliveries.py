"""Deliveries in the admin: what was told through which channel, each attempt, and sending one again."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.utils.dateparse import parse_datetime
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from unfold.decorators import action, display

from panel.channels.deliveries import send_again
from panel.channels.models import Delivery
from panel.lib.admin.actions import ActionRefused, confirm_and_act
from panel.lib.admin.base import ReadOnlyAdmin
from panel.lib.digits import whole_number
from panel.lib.formats import exact_moment_text

_COLOURS = {
    Delivery.State.WAITING: "warning",
    Delivery.State.DELIVERED: "success",
    Delivery.State.UNKNOWN: "warning",
    Delivery.State.FAILED: "danger",
}


@admin.register(Delivery)
class DeliveryAdmin(ReadOnlyAdmin):
    list_display = ("created_at", "shown_subject", "channel", "shown_state", "attempts", "shown_answer")
    list_filter = ("state", "channel", "kind")
    list_select_related = ("channel",)
    fields = ("subject", "shown_text", "channel", "kind", "state", "created_at", "due_at", "ended_at", "uid")
    readonly_fields = ("shown_text", "shown_log")
    actions_detail = ("send_again",)

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        return (None, {"fields": self.fields}), ("Attempts", {"fields": ("shown_log",)})

    @display(description="Subject", ordering="subject")
    def shown_subject(self, delivery: Delivery) -> SafeString:
        return format_html('<bdi class="tall">{}</bdi>', delivery.subject)

    @display(description="State", ordering="state", label=_COLOURS)
    def shown_state(self, delivery: Delivery) -> tuple[str, str]:
        return delivery.state, delivery.get_state_display()

    @display(description="Last answer")
    def shown_answer(self, delivery: Delivery) -> SafeString | str:
        return format_html('<bdi class="tall">{}</bdi>', delivery.log[-1]["text"][:80]) if delivery.log else "—"

    @display(description="Text")
    def shown_text(self, delivery: Delivery) -> SafeString:
        return format_html('<span class="message-text">{}</span>', delivery.text)

    @display(description="Attempts")
    def shown_log(self, delivery: Delivery) -> SafeString | str:
        if not delivery.log:
            return "None yet."
        rows = ((_moment(one["at"]), one["result"], one["text"], f"{one['ms'] / 1_000:.1f} s") for one in delivery.log)
        body = format_html_join("", "<li>{}: {}, <bdi>{}</bdi>, {}</li>", rows)
        return format_html('<ol class="attempts">{}</ol>', body)

    def has_again_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        if not request.user.has_perm("channels.change_delivery"):
            return False
        rows = Delivery.objects.filter(pk=whole_number(str(object_id or "")) or 0)
        return rows.exclude(state=Delivery.State.WAITING).exists()

    @action(description="Send again", icon="replay", permissions=["again"])
    def send_again(self, request: HttpRequest, object_id: str) -> HttpResponse:
        delivery = get_object_or_404(Delivery.objects.select_related("channel"), pk=whole_number(object_id) or 0)

        def act(data: dict[str, Any]) -> str:
            if not send_again(delivery):
                raise ActionRefused("It waits to be sent already.")
            return "It is sent again within seconds."

        return confirm_and_act(
            request=request,
            model_admin=self,
            obj=delivery,
            form_class=forms.Form,
            title="Send again",
            explanation=f"Sends the same message once more through “{delivery.channel}”, as it was written then.",
            button="Send again",
            act=act,
            seen=f"{delivery.state} {delivery.ended_at}",
        )


def _moment(text: str) -> str:
    moment = parse_datetime(text)
    return exact_moment_text(moment) if moment else text
