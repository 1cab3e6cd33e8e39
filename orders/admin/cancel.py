"""Canceling one order in the admin, after a page that says what will happen."""

from __future__ import annotations

from typing import Any

from django import forms
from django.http import HttpRequest, HttpResponse
from unfold.decorators import action

from orders.admin.review import order_of_page, order_or_404
from orders.common.bulk_results import FAILED
from orders.many.actions import StaffReason, carry_out, plan_for
from orders.many.cancel import CANCEL
from orders.review.decisions import review_state_of
from orders.second_looks import WITHDRAW, ask_for_orders
from panel.accounts.signed_in import user_of
from panel.lib.admin.actions import ActionRefused, confirm_and_act
from panel.lib.admin.base import ReadOnlyAdmin, shown_money
from panel.staff.deeds import UNSTATED
from panel.staff.forms import WhyForm, take_why
from panel.staff.kinds import Kind
from panel.staff.limits import limit_sentence

PERMISSION = "orders.change_order"


class CancelAdmin(ReadOnlyAdmin):
    """The detail action that cancels an order, by the same rules as many."""

    def has_cancel_one_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        if not object_id or not request.user.has_perm(PERMISSION):
            return False
        order = order_of_page(request, object_id)
        return order is not None and plan_for(CANCEL, orders=[order], actor=None).able != []

    @action(description="Cancel", icon="cancel", permissions=["cancel_one"])
    def cancel_one(self, request: HttpRequest, object_id: str) -> HttpResponse:
        order = order_or_404(object_id)
        user = user_of(request)
        is_unsent = plan_for(CANCEL, orders=[order], actor=None).withdrawn > 0

        def act(data: dict[str, Any]) -> str:
            why = take_why(data) if is_unsent else UNSTATED
            done = carry_out(CANCEL, orders=[order], actor=user, data={"why": why}, is_logged=False)
            [result] = done.results
            if result.reason == StaffReason.ABOVE_LIMIT:
                return ask_for_orders(act=WITHDRAW, orders=[order], actor=user, why=why)
            if result.reason == FAILED:
                raise ActionRefused(FAILED)
            if result.reason:
                raise ActionRefused(f"Nothing was done: it is {result.reason}.")
            if result.back:
                return f"Canceled; {shown_money(result.back)} refunded."
            return f"{order.provider.name} is asked to cancel it."

        return confirm_and_act(
            request=request,
            model_admin=self,
            obj=order,
            form_class=WhyForm if is_unsent else forms.Form,
            title=f"Cancel order {order.pk}",
            explanation=(
                f"It was not sent yet: it is canceled at once, and {shown_money(order.net_charge)} are refunded. "
                f"{limit_sentence(user=user, kind=Kind.REFUND)}"
                if is_unsent
                else f"{order.provider.name} is asked to cancel it. What comes back follows its answer."
            ),
            button="Cancel the order",
            act=act,
            seen=review_state_of(order),
            is_routine=True,
        )
