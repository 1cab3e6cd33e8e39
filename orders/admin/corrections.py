"""The forms by which staff correct an order: what was ordered, while it was never sent, and the start count."""

from __future__ import annotations

from hashlib import sha256
from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.admin import ModelAdmin
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from unfold.widgets import (
    UnfoldAdminIntegerFieldWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
)

from catalog.service_types import SPECS, Kind, Param
from orders.admin.review import order_or_404, refusals
from orders.models import Order
from orders.review.corrections import (
    MAX_START,
    ContentRefused,
    check_content,
    correct_content,
    correct_start_count,
    why_not_corrected,
)
from orders.review.decisions import review_state_of
from panel.accounts.signed_in import user_of
from panel.lib.admin.actions import confirm_and_act

_PREFIX = "param-"


class ContentForm(forms.Form):
    """The link, and each parameter of the order's type, as the order has them."""

    link = forms.CharField(label="Link", strip=False, widget=UnfoldAdminTextInputWidget(attrs={"autocomplete": "off"}))

    def __init__(self, *args: Any, order: Order, **kwargs: Any) -> None:
        stored = {f"{_PREFIX}{name}": value for name, value in order.params.items()}
        kwargs["initial"] = {"link": order.link, **stored}
        super().__init__(*args, **kwargs)
        self._order = order
        for param in SPECS[order.service_type].params:
            self.fields[f"{_PREFIX}{param.name}"] = _field(param)

    def clean(self) -> dict[str, Any]:
        data: dict[str, Any] = super().clean() or {}
        params = {name.removeprefix(_PREFIX): data[name] for name in data if name.startswith(_PREFIX)}
        try:
            link, params = check_content(order=self._order, link=data.get("link", ""), params=params)
        except ContentRefused as error:
            for refusal in error.refusals:
                name = refusal.field if refusal.field == "link" else f"{_PREFIX}{refusal.field}"
                if name not in self.errors:
                    self.add_error(name if name in self.fields else None, refusal.message)
            return data
        return {"link": link, "params": params}


def _field(param: Param) -> forms.Field:
    if param.choices:
        choices = [("", "—"), *param.choices]
        return forms.ChoiceField(label=param.label, choices=choices, required=False, widget=UnfoldAdminSelectWidget)
    widget = UnfoldAdminTextareaWidget(attrs={"rows": 8}) if param.kind is Kind.LINES else UnfoldAdminTextInputWidget
    text = "As many lines as were paid for." if param.kind is Kind.LINES else ""
    return forms.CharField(label=param.label, required=False, strip=False, widget=widget, help_text=text)


class StartForm(forms.Form):
    start_count = forms.IntegerField(
        label="Start count", min_value=0, max_value=MAX_START, widget=UnfoldAdminIntegerFieldWidget
    )
    note = forms.CharField(
        label="How you know it",
        max_length=300,
        widget=UnfoldAdminTextInputWidget,
        help_text="For staff. The customer does not see it.",
    )


def content_page(*, request: HttpRequest, model_admin: ModelAdmin, object_id: str) -> HttpResponse:
    """Show the form, and correct what was ordered. Lead back to the order if that cannot be."""
    order = order_or_404(object_id)
    if why_not := why_not_corrected(order):
        messages.error(request, f"What was ordered cannot be corrected: {why_not}. Nothing was changed.")
        return redirect("admin:orders_order_change", order.pk)

    def act(data: dict[str, Any]) -> str:
        with refusals():
            correct_content(order=order, actor=user_of(request), **data)
        return "Corrected. The customer sees in the order's timeline what changed."

    of_drip = " It is a run of a drip-feed, whose other runs stay as they are." if order.drip_feed_id else ""
    return confirm_and_act(
        request=request,
        model_admin=model_admin,
        obj=order,
        form_class=lambda *args, **kwargs: ContentForm(*args, order=order, **kwargs),
        title=f"Correct order {order.pk}",
        explanation=(
            f"It was never sent: {order.provider.name} gets it as it is written here. Quantity and charge stay, and "
            f"the customer reads what was corrected.{of_drip}"
        ),
        button="Correct it",
        act=act,
        seen=f"{review_state_of(order)}:{_content_key(order)}",
        is_routine=True,
    )


def start_page(*, request: HttpRequest, model_admin: ModelAdmin, object_id: str) -> HttpResponse:
    """Show the form, and correct the start count."""
    order = order_or_404(object_id)

    def act(data: dict[str, Any]) -> str:
        with refusals():
            correct_start_count(order=order, actor=user_of(request), **data)
        return "The start count is corrected, and stays as it is now."

    there = order.provider.name
    now = "none is known" if order.start_count is None else f"{there} counted {order.start_count:,}"
    if order.start_corrected_at:
        now = f"it was corrected to {order.start_count:,} before"
    return confirm_and_act(
        request=request,
        model_admin=model_admin,
        obj=order,
        form_class=StartForm,
        title=f"Correct the start count: order {order.pk}",
        explanation=(
            f"How many there were before anything was delivered; {now}. Once corrected it stays: no later answer of "
            f"{there} changes it. No money moves."
        ),
        button="Correct it",
        act=act,
        seen=f"{order.start_count}",
        is_routine=True,
    )


def _content_key(order: Order) -> str:
    return sha256(repr((order.link, sorted(order.params.items()))).encode()).hexdigest()[:16]
