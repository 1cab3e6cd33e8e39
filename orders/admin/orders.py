"""The page of an order for staff, with the actions on it, and the list of those in review or in doubt."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import Q, QuerySet
from django.db.models.functions import Coalesce
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import mark_safe
from unfold.decorators import action, display
from unfold.enums import ActionVariant

from catalog.service_types import SPECS
from orders.admin.bulk_pages import BulkAdmin
from orders.admin.cancel import CancelAdmin
from orders.admin.manual_close import end_page
from orders.admin.many_orders import CANCEL_PAGE, SEND_AGAIN_PAGE
from orders.admin.order_forms import DismissForm, PartForm
from orders.admin.order_inlines import AttemptInline, CancelInline, EventInline, RefillInline
from orders.admin.order_search import SearchAdmin
from orders.admin.profit import profit_page
from orders.admin.review import (
    awaits_decision,
    decide_page,
    find_order,
    order_or_404,
    refusals,
    review_page_of,
)
from orders.common.hidden_costs import columns_for, may_filter, note_without_costs, sees_costs
from orders.models import Order, OrderInReview
from orders.reports.profit import with_profit
from orders.review import decisions
from orders.review.decisions import review_state_of
from orders.review.manual_close import may_end
from orders.second_looks import asked_part
from orders.selectors import api_key_of
from orders.states import Status, Submission
from panel.accounts.signed_in import user_of
from panel.lib.admin.actions import confirm_and_act
from panel.lib.admin.base import shown_money
from panel.lib.formats import moment_text
from panel.staff.forms import take_why
from panel.staff.kinds import Kind
from panel.staff.limits import limit_sentence
from panel.staff.looks import act_or_ask


class OrderPages(SearchAdmin, CancelAdmin):
    """The page of an order, with the actions on it."""

    list_select_related: tuple[str, ...] = ("customer",)
    actions_detail: tuple[str, ...] = ("decide", "cancel_one", "give_back", "end", "dismiss")
    fieldsets = (
        (
            None,
            {
                "fields": (
                    "shown_status",
                    "status_note",
                    "shown_delivered",
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
                    "shown_params",
                    "start_count",
                    "shown_api_key",
                    "created_at",
                    "finished_at",
                )
            },
        ),
        (
            "Provider",
            {
                "fields": (
                    "provider",
                    "upstream_service_id",
                    "upstream_id",
                    "submission",
                    "accepted_at",
                    "shown_checked_at",
                    "shown_next_check",
                    "shown_expected_cost",
                    "shown_cost",
                    "shown_profit",
                )
            },
        ),
    )

    def get_inlines(self, request: HttpRequest, obj: Order | None = None) -> Any:
        """Show cancel requests and refills only where the order has any."""
        inlines = (CancelInline, RefillInline)
        used = [inline for inline in inlines if obj and inline.model._default_manager.filter(order=obj).exists()]
        return (AttemptInline, *used, EventInline)

    def get_list_display(self, request: HttpRequest) -> tuple[str, ...]:
        return columns_for(request, super().get_list_display(request))

    def get_fieldsets(self, request: HttpRequest, obj: Order | None = None) -> Any:
        """Put the review first if there is one."""
        sets = [(title, {"fields": columns_for(request, about["fields"])}) for title, about in self.fieldsets]
        if obj is not None and obj.is_end_held:
            [title, about] = sets[-1]
            sets[-1] = (title, {"fields": ("shown_held_end", *about["fields"])})
        if obj is not None and obj.has_unknown_word:
            [title, about] = sets[-1]
            sets[-1] = (title, {"fields": ("shown_unknown_word", *about["fields"])})
        if obj is None or not obj.review_reason:
            return sets
        fields = ("review_reason", "review_note", "review_since", *(("decision",) if awaits_decision(obj) else ()))
        return [("In review", {"fields": columns_for(request, fields)}), *sets]

    def lookup_allowed(self, lookup: str, value: object, request: HttpRequest) -> bool:
        return (sees_costs(request) or may_filter(lookup)) and super().lookup_allowed(lookup, value, request)

    @display(description="Review note")
    def note_without_costs(self, order: Order) -> str:
        return note_without_costs(order.review_reason, order.review_note) or "—"

    @display(description="Decision")
    def decision(self, order: Order) -> str:
        return format_html(
            '<a class="font-medium text-important underline" href="{}">Decide</a>', review_page_of(order)
        )

    @display(description="Order", ordering="pk")
    def number(self, order: Order) -> int:
        return order.pk

    @display(
        description="Status",
        ordering="status",
        label={
            Status.COMPLETED.label: "success",
            Status.PARTIAL.label: "warning",
            Status.CANCELED.label: "danger",
            Status.IN_PROGRESS.label: "info",
            Status.PROCESSING.label: "info",
        },
    )
    def shown_status(self, order: Order) -> str:
        return str(Status(order.status).label)

    @display(description="Checked at")
    def shown_checked_at(self, order: Order) -> str:
        return moment_text(order.last_checked_at) if order.last_checked_at else "—"

    @display(description="Next check at")
    def shown_next_check(self, order: Order) -> str:
        return moment_text(order.next_check_at) if order.next_check_at else "—"

    @display(description="Held end")
    def shown_held_end(self, order: Order) -> str:
        poll = order.poll
        assert poll.held_since is not None
        refund = shown_money((poll.held_refund or 0) - order.refunded)
        return (
            f"{order.provider} reports it as {Status(poll.held_status).label} since {moment_text(poll.held_since)}, "
            f"among many others. {refund} is refunded once it says so again."
        )

    @display(description="Unknown status")
    def shown_unknown_word(self, order: Order) -> str:
        poll = order.poll
        assert poll.unknown_since is not None
        return (
            f"{order.provider} gives it the status “{poll.unknown_word}” since {moment_text(poll.unknown_since)}. "
            "That word is not known here, and nothing was changed."
        )

    @display(description="Details")
    def shown_params(self, order: Order) -> str:
        spec = SPECS.get(order.service_type)
        labels = {param.name: param.label for param in spec.params} if spec else {}
        lines = [(labels.get(name, name), value) for name, value in order.params.items() if value not in ("", None)]
        return format_html_join(mark_safe("<br>"), "{}: {}", lines) or "—"

    @display(description="Delivered")
    def shown_delivered(self, order: Order) -> str:
        delivered = "—" if order.delivered is None else f"{order.delivered:,}"
        return f"{delivered} of {order.quantity:,}"

    @display(description="Charge", ordering="charge")
    def shown_charge(self, order: Order) -> str:
        return shown_money(order.charge)

    @display(description="Refunded", ordering="refunded")
    def shown_refunded(self, order: Order) -> str:
        return shown_money(order.refunded)

    @display(description="Ordered with")
    def shown_api_key(self, order: Order) -> str:
        key = api_key_of(order=order)
        if key is None:
            return "The browser" if order.api_key_ref is None else f"API key {order.api_key_ref}"
        page = reverse("admin:accounts_apikey_change", args=[key.pk])
        return format_html('<a class="font-medium underline" href="{}">The API key {}</a>', page, key.name)

    @display(description="Expected cost")
    def shown_expected_cost(self, order: Order) -> str:
        return shown_money(order.expected_cost)

    @display(description="Cost returned by the provider")
    def shown_cost(self, order: Order) -> str:
        return shown_money(order.upstream_charge)

    @display(description="Profit")
    def shown_profit(self, order: Any) -> str:
        """Show the profit that `with_profit` annotated."""
        about = "about " if order.is_estimated else ""
        return format_html('<span class="whitespace-nowrap">{}{}</span>', about, shown_money(order.profit))

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return with_profit(super().get_queryset(request))

    def get_urls(self) -> list[URLPattern]:
        name = f"{self.opts.app_label}_{self.opts.model_name}_profit"
        return [path("profit/", self.admin_site.admin_view(self.profit), name=name), *super().get_urls()]

    def profit(self, request: HttpRequest) -> HttpResponse:
        return profit_page(request=request, model_admin=self)

    # -- the actions; each is offered only where it fits -------------------------------------------------

    def get_actions_detail(self, request: HttpRequest, object_id: str) -> list[Any]:
        """Hide "Decide" if there is nothing to decide: its page would only say so."""
        order = self.get_object(request, object_id)
        undecided = order is not None and awaits_decision(order)
        return [one for one in super().get_actions_detail(request, object_id) if undecided or one.path != "decide"]

    def has_give_back_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        return self._offered(
            request, object_id, lambda order: order.submission == Submission.ACCEPTED and order.net_charge > 0
        )

    def has_end_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        return self._offered(request, object_id, may_end)

    def has_dismiss_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        return self._offered(request, object_id, lambda order: bool(order.review_reason) and not awaits_decision(order))

    def _offered(self, request: HttpRequest, object_id: str | None, fits: Callable[[Order], bool]) -> bool:
        if not request.user.has_perm("orders.change_order"):
            return False
        order = find_order(object_id)
        return order is not None and fits(order)

    def _confirm(
        self,
        request: HttpRequest,
        object_id: str,
        form: type[forms.Form],
        title: str,
        explanation: str,
        button: str,
        act: Callable[[Order, dict[str, Any]], str],
        *,
        is_routine: bool = False,
    ) -> HttpResponse:
        order = order_or_404(object_id)

        def guarded(data: dict[str, Any]) -> str:
            with refusals():
                return act(order, data)

        return confirm_and_act(
            request=request,
            model_admin=self,
            obj=order,
            form_class=form,
            title=f"{title}: order {order.pk}",
            explanation=explanation,
            button=button,
            act=guarded,
            seen=review_state_of(order),
            is_routine=is_routine,
        )

    @action(description="Decide", icon="gavel", variant=ActionVariant.PRIMARY)
    def decide(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return decide_page(request=request, model_admin=self, object_id=object_id)

    @action(description="Give back a part", icon="payments", permissions=["give_back"])
    def give_back(self, request: HttpRequest, object_id: str) -> HttpResponse:
        user = user_of(request)

        def act(order: Order, data: dict[str, Any]) -> str:
            why = take_why(data)

            def refund() -> str:
                decisions.refund_part(order=order, actor=user, why=why, **data)
                return f"{shown_money(data['amount'])} refunded."

            return act_or_ask(act=refund, asked=asked_part(order=order, **data), actor=user, why=why)

        return self._confirm(
            request,
            object_id,
            PartForm,
            "Give back a part",
            "What you give back counts towards later refunds of this order, and is never taken back. "
            f"{limit_sentence(user=user, kind=Kind.REFUND)}",
            "Refund",
            act,
        )

    @action(description="End by hand", icon="flag", permissions=["end"])
    def end(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return end_page(request=request, model_admin=self, object_id=object_id)

    @action(description="Nothing to do", icon="done", permissions=["dismiss"])
    def dismiss(self, request: HttpRequest, object_id: str) -> HttpResponse:
        def act(order: Order, data: dict[str, Any]) -> str:
            decisions.dismiss_review(order=order, note=data["note"], actor=user_of(request))
            return "The review is closed."

        return self._confirm(
            request,
            object_id,
            DismissForm,
            "Nothing to do",
            "The order stays as it is and leaves the list.",
            "Close the review",
            act,
            is_routine=True,
        )


@admin.register(OrderInReview)
class ReviewAdmin(BulkAdmin, OrderPages):
    bulk_pages = (SEND_AGAIN_PAGE, CANCEL_PAGE)
    actions = ("send_again_many", "cancel_many")
    list_display = ("number", "why", "review_note", "customer", "provider", "shown_charge", "review_since")
    list_filter = ("review_reason", "provider")
    search_help_text = "Number, upstream id, e-mail, link, many ids"
    # The longest waiting first. An order in doubt is in no review yet.
    ordering = (Coalesce("review_since", "created_at").asc(), "pk")
    list_select_related = ("customer", "provider")
    actions_detail = ()

    def get_queryset(self, request: HttpRequest) -> QuerySet[OrderInReview]:
        waiting = ~Q(review_reason="") | Q(submission=Submission.IN_DOUBT)
        return super().get_queryset(request).filter(waiting)

    @display(description="Why", ordering="review_reason")
    def why(self, order: OrderInReview) -> str:
        if order.review_reason or not order.doubt_until:
            return order.get_review_reason_display()
        return f"In doubt: the panel searches for it until {moment_text(order.doubt_until)}"

    def has_view_permission(self, request: HttpRequest, obj: Order | None = None) -> bool:
        """Allow everybody who may see orders."""
        return request.user.has_perm("orders.view_order") or request.user.has_perm("orders.change_order")

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """Redirect to the review page, or to the order's own page once there is nothing to decide."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        order = self.get_object(request, object_id)
        return redirect(review_page_of(order) if order else reverse("admin:orders_order_change", args=[object_id]))
