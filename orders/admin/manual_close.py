"""The page on which staff close an accepted order manually."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib.admin import ModelAdmin
from django.http import HttpRequest, HttpResponse
from unfold.widgets import UnfoldAdminIntegerFieldWidget, UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from orders.admin.review import order_or_404, refusals
from orders.models import Order
from orders.review.decisions import ReviewError, review_state_of
from orders.review.manual_close import close_accepted, refund_at_end
from orders.second_looks import asked_close
from orders.states import Status
from panel.accounts.signed_in import user_of
from panel.lib.admin.actions import confirm_and_act
from panel.lib.admin.base import shown_money
from panel.staff.forms import WhyForm, take_why
from panel.staff.kinds import Kind
from panel.staff.limits import limit_sentence
from panel.staff.looks import act_or_ask


class EndForm(WhyForm):
    status = forms.ChoiceField(
        label="It ended as",
        choices=[(one.value, one.label) for one in (Status.CANCELED, Status.PARTIAL, Status.COMPLETED)],
        widget=UnfoldAdminSelectWidget,
        help_text="Canceled gives everything back, Completed nothing, Partial what was not delivered.",
    )
    delivered = forms.IntegerField(
        label="Delivered",
        required=False,
        min_value=1,
        widget=UnfoldAdminIntegerFieldWidget,
        help_text="For Partial: how many the customer got.",
    )
    note = forms.CharField(
        label="Reason", max_length=300, widget=UnfoldAdminTextInputWidget, help_text="The customer reads it."
    )

    field_order = ("status", "delivered", "note", "why", "why_note")

    def __init__(self, *args: Any, order: Order, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._order = order

    def clean(self) -> dict[str, Any]:
        data: dict[str, Any] = super().clean() or {}
        if "status" in data and "delivered" in data:
            try:
                refund_at_end(self._order, status=data["status"], delivered=data["delivered"])
            except ReviewError as error:
                self.add_error("delivered", str(error))
        return data


def end_page(*, request: HttpRequest, model_admin: ModelAdmin, object_id: str) -> HttpResponse:
    """Show the form, and close the order as it says."""
    order = order_or_404(object_id)

    user = user_of(request)

    def act(data: dict[str, Any]) -> str:
        why = take_why(data)

        def close() -> str:
            amount = close_accepted(order=order, actor=user, why=why, **data)
            return f"Ended as {Status(data['status']).label}; {shown_money(amount)} refunded."

        with refusals():
            return act_or_ask(act=close, asked=asked_close(order=order, **data), actor=user, why=why)

    return confirm_and_act(
        request=request,
        model_admin=model_admin,
        obj=order,
        form_class=lambda *args, **kwargs: EndForm(*args, order=order, **kwargs),
        title=f"End order {order.pk} by hand",
        explanation=(
            f"For an order whose end {order.provider.name} does not report. Ask there first: what is refunded is never "
            f"taken back, and nothing stops the delivery. The customer paid {shown_money(order.charge)} and has "
            f"{shown_money(order.refunded)} back so far. {limit_sentence(user=user, kind=Kind.CLOSE)}"
        ),
        button="End the order",
        act=act,
        seen=review_state_of(order),
    )
