"""Asking for a refill of one order in the admin, after a page that says what will happen."""

from __future__ import annotations

from typing import Any

from django import forms
from django.http import HttpRequest, HttpResponse
from unfold.decorators import action

from orders.admin.review import order_of_page, order_or_404
from orders.common.bulk_results import FAILED
from orders.many.actions import carry_out, plan_for
from orders.many.refill import REFILL
from orders.models import Order
from orders.review.decisions import review_state_of
from panel.accounts.signed_in import user_of
from panel.lib.admin.actions import ActionRefused, confirm_and_act
from panel.lib.admin.base import ReadOnlyAdmin

PERMISSION = "orders.change_order"


def is_refill_offered(order: Order) -> bool:
    """Return True if a refill of the order can be requested now."""
    return bool(plan_for(REFILL, orders=[order], actor=None).able)


class RefillOneAdmin(ReadOnlyAdmin):
    """The detail action that asks for a refill, by the same rules as for many and for customers."""

    def has_refill_one_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        """Allow it for any order: the page says why one cannot be refilled, and its button is only where one can."""
        if not object_id or not request.user.has_perm(PERMISSION):
            return False
        return order_of_page(request, object_id) is not None

    @action(description="Refill", icon="sync", permissions=["refill_one"])
    def refill_one(self, request: HttpRequest, object_id: str) -> HttpResponse:
        order = order_or_404(object_id)

        def act(data: dict[str, Any]) -> str:
            [result] = carry_out(REFILL, orders=[order], actor=user_of(request), is_logged=False).results
            if result.reason == FAILED:
                raise ActionRefused(FAILED)
            if result.reason:
                raise ActionRefused(f"Nothing was asked for: the order is {result.reason}.")
            return f"{order.provider.name} is asked to refill it."

        return confirm_and_act(
            request=request,
            model_admin=self,
            obj=order,
            form_class=forms.Form,
            title=f"Refill order {order.pk}",
            explanation=(
                f"{order.provider.name} is asked to deliver again what has dropped. It moves no money, and the "
                "customer reads on the order's page how it goes."
            ),
            button="Ask for a refill",
            act=act,
            seen=review_state_of(order),
            is_routine=True,
        )
