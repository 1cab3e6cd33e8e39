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
from unfold.decorators import action, display
from unfold.enums import ActionVariant

from orders.admin.bulk_pages import BulkAdmin
from orders.admin.cancel import CancelAdmin
from orders.admin.corrections import content_page, start_page
from orders.admin.manual_close import end_page
from orders.admin.many_orders import CANCEL_PAGE, SEND_AGAIN_PAGE
from orders.admin.order_forms import DismissForm, PartForm
from orders.admin.order_page import page_context
from orders.admin.order_search import SearchAdmin
from orders.admin.profit import profit_page
from orders.admin.refill import RefillOneAdmin, is_refill_offered
from orders.admin.review import (
    awaits_decision,
    decide_page,
    order_of_page,
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
from orders.states import Submission
from panel.accounts.signed_in import user_of
from panel.lib.admin.actions import confirm_and_act
from panel.lib.admin.base import shown_money
from panel.lib.formats import moment_text
from panel.staff.forms import take_why
from panel.staff.kinds import Kind
from panel.staff.limits import limit_sentence
from panel.staff.looks import act_or_ask


class OrderPages(SearchAdmin, CancelAdmin, RefillOneAdmin):
    """The page of an order, with the actions on it."""

    list_select_related: tuple[str, ...] = ("customer",)
    actions_detail: tuple[str, ...] = (
        *("decide", "cancel_one", "refill_one", "give_back", "end", "dismiss"),
        *("correct", "start_count"),
    )
    change_form_template = "admin/orders/order.html"
    fieldsets = ((None, {"fields": ()}),)  # The page has its own template.

    def get_list_display(self, request: HttpRequest) -> tuple[str, ...]:
        return columns_for(request, super().get_list_display(request))

    def lookup_allowed(self, lookup: str, value: object, request: HttpRequest) -> bool:
        return (sees_costs(request) or may_filter(lookup)) and super().lookup_allowed(lookup, value, request)

    @display(description="Review note")
    def note_without_costs(self, order: Order) -> str:
        return note_without_costs(order.review_reason, order.review_note) or "—"

    @display(description="Order", ordering="pk")
    def number(self, order: Order) -> int:
        return order.pk

    @display(description="Charge", ordering="charge")
    def shown_charge(self, order: Order) -> str:
        return shown_money(order.charge)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return with_profit(super().get_queryset(request))

    def get_urls(self) -> list[URLPattern]:
        name = f"{self.opts.app_label}_{self.opts.model_name}_profit"
        return [path("profit/", self.admin_site.admin_view(self.profit), name=name), *super().get_urls()]

    def profit(self, request: HttpRequest) -> HttpResponse:
        return profit_page(request=request, model_admin=self)

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, obj: Any = None, **kwargs: Any
    ) -> HttpResponse:
        """Show the order's own page, which has its actions in its head."""
        actions = context.pop("actions_detail", ())
        context |= {"title": f"Order {obj.pk}", "subtitle": None}
        context |= page_context(request=request, pk=obj.pk, actions=actions)
        return super().render_change_form(request, context, *args, obj=obj, **kwargs)

    # -- the actions; each is offered only where it fits -------------------------------------------------

    def get_actions_detail(self, request: HttpRequest, object_id: str) -> list[Any]:
        """Hide what would only say that it cannot be done now."""
        order = self.get_object(request, object_id)
        hidden = set()
        if order is None or not awaits_decision(order):
            hidden.add("decide")
        if order is None or not is_refill_offered(order):
            hidden.add("refill_one")
        return [one for one in super().get_actions_detail(request, object_id) if one.path not in hidden]

    def has_give_back_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        return self._offered(
            request, object_id, lambda order: order.submission == Submission.ACCEPTED and order.net_charge > 0
        )

    def has_end_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        return self._offered(request, object_id, may_end)

    def has_dismiss_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        return self._offered(request, object_id, lambda order: bool(order.review_reason) and not awaits_decision(order))

    def has_correct_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        """Allow it for any order: the page says why one cannot be corrected."""
        return self._offered(request, object_id, lambda order: True)

    def has_start_count_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        return self._offered(request, object_id, lambda order: True)

    def _offered(self, request: HttpRequest, object_id: str | None, fits: Callable[[Order], bool]) -> bool:
        if not request.user.has_perm("orders.change_order"):
            return False
        order = order_of_page(request, object_id)
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

    @action(description="Correct what was ordered", icon="edit", permissions=["correct"])
    def correct(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return content_page(request=request, model_admin=self, object_id=object_id)

    @action(description="Correct the start count", icon="edit", permissions=["start_count"])
    def start_count(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return start_page(request=request, model_admin=self, object_id=object_id)

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
