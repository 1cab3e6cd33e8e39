"""Drip-feeds for staff: the list, each with its runs, and stopping one."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.html import format_html
from unfold.decorators import action, display

from orders.checkout.drip_feeds import NothingToStop, stop_drip_feed
from orders.models import DripFeed
from orders.second_looks import asked_stop
from orders.states import DRIP_WORDS, PAUSED, DripState
from panel.accounts.signed_in import user_of
from panel.lib.admin.actions import ActionRefused, confirm_and_act
from panel.lib.admin.base import ReadOnlyAdmin, shown_money
from panel.staff.forms import WhyForm, take_why
from panel.staff.kinds import Kind
from panel.staff.limits import limit_sentence
from panel.staff.looks import act_or_ask


@admin.register(DripFeed)
class DripFeedAdmin(ReadOnlyAdmin):
    list_display = (
        "number",
        "customer",
        "shown_service",
        "shown_state",
        "shown_runs",
        "shown_charge",
        "shown_refunded",
        "next_run_at",
        "created_at",
    )
    list_filter = ("state",)
    search_fields = ("=pk", "^customer__email", "link")
    search_help_text = "Number, start of an address, part of a link"
    list_select_related = ("customer",)
    actions_detail = ("stop",)
    fieldsets = (
        (
            None,
            {
                "fields": (
                    "shown_state",
                    "shown_runs",
                    "next_run_at",
                    "paused_at",
                    "shown_charge",
                    "shown_refunded",
                    "customer",
                )
            },
        ),
        (
            "Order",
            {
                "fields": (
                    "service",
                    "link",
                    "quantity",
                    "params",
                    "interval",
                    "shown_run_charge",
                    "orders_of_runs",
                    "created_at",
                    "ended_at",
                )
            },
        ),
    )

    @display(description="Drip-feed", ordering="pk")
    def number(self, drip: DripFeed) -> int:
        return drip.pk

    @display(description="Service", ordering="service_name")
    def shown_service(self, drip: DripFeed) -> str:
        name = drip.service_name
        return name if len(name) <= 60 else f"{name[:59]}…"

    @display(
        description="Status",
        ordering="state",
        label={DripState.RUNNING.label: "info", DripState.COMPLETED.label: "success", DRIP_WORDS[PAUSED]: "warning"},
    )
    def shown_state(self, drip: DripFeed) -> str:
        return DRIP_WORDS[drip.shown_state]

    @display(description="Runs begun")
    def shown_runs(self, drip: DripFeed) -> str:
        return f"{drip.begun:,} of {drip.runs:,}"

    @display(description="Charge", ordering="charge")
    def shown_charge(self, drip: DripFeed) -> str:
        return shown_money(drip.charge)

    @display(description="Charge of a run")
    def shown_run_charge(self, drip: DripFeed) -> str:
        return shown_money(drip.run_charge)

    @display(description="Given back for runs not begun", ordering="refunded")
    def shown_refunded(self, drip: DripFeed) -> str:
        return shown_money(drip.refunded)

    @display(description="Orders")
    def orders_of_runs(self, drip: DripFeed) -> str:
        address = reverse("admin:orders_order_changelist")
        return format_html(
            '<a class="font-medium text-important underline" href="{}?drip_feed__id__exact={}">See its {} orders</a>',
            address,
            drip.pk,
            drip.begun,
        )

    def has_stop_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        if not request.user.has_perm("orders.change_dripfeed"):
            return False
        drip = _find(object_id)
        return drip is not None and drip.is_running

    @action(description="Stop and refund", icon="stop_circle", permissions=["stop"])
    def stop(self, request: HttpRequest, object_id: str) -> HttpResponse:
        drip = _find(object_id)
        if drip is None:
            raise Http404
        user = user_of(request)

        def act(data: dict[str, Any]) -> str:
            why = take_why(data)

            def stop() -> str:
                try:
                    back = stop_drip_feed(drip=drip, actor=user, why=why)
                except NothingToStop as error:
                    raise ActionRefused(str(error)) from error
                return f"Stopped; {shown_money(back)} refunded."

            return act_or_ask(act=stop, asked=asked_stop(drip=drip), actor=user, why=why)

        left = "1 run has" if drip.runs_left == 1 else f"{drip.runs_left:,} runs have"
        return confirm_and_act(
            request=request,
            model_admin=self,
            obj=drip,
            form_class=WhyForm,
            title=f"Stop drip-feed {drip.pk}",
            explanation=(
                f"{left} not begun and never will: {shown_money(drip.refund_of_stop)} are refunded. "
                "Runs that began go on, and are canceled one by one. "
                f"{limit_sentence(user=user, kind=Kind.REFUND)}"
            ),
            button="Stop and refund",
            act=act,
            seen=f"{drip.state}:{drip.begun}",
            is_routine=True,
        )


def _find(object_id: str | None) -> DripFeed | None:
    """Return the drip-feed of an admin page, None if the address names none."""
    try:
        return DripFeed.objects.filter(pk=object_id or 0).first()
    except ValueError:
        return None
