"""The page on which staff decide about an order that is unsettled: what is known of it, and the choices.

Opening it asks the provider nothing and changes nothing; each choice is a form of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from django import forms
from django.conf import settings
from django.contrib import messages
from django.contrib.admin import ModelAdmin
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from unfold.widgets import UnfoldAdminTextareaWidget, UnfoldAdminTextInputWidget, UnfoldBooleanWidget

from orders import evidence, looking, probing, reviewing
from orders.models import Order, PlacementAttempt
from orders.placing import loss_note
from orders.settling import OrderMoved
from orders.states import Placement, ReviewReason
from panel.admin_actions import ActionRefused, act_once
from panel.admin_base import shown_money

MOVED = "The order changed while you looked at it. Nothing was done; please look again."


class BindForm(forms.Form):
    upstream_id = forms.CharField(
        label="The provider's order id", max_length=64, widget=UnfoldAdminTextInputWidget(attrs={"autocomplete": "off"})
    )


class SendAgainForm(forms.Form):
    """The tick is asked for anew each time: what staff were sure of was the state that they saw."""

    sure = forms.BooleanField(
        widget=UnfoldBooleanWidget(check_test=lambda value: False), error_messages={"required": "Tick this first."}
    )


class RefundForm(forms.Form):
    note = forms.CharField(
        label="Reason",
        max_length=300,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 4}),
        help_text="The customer reads it.",
    )


class LookForm(forms.Form):
    """Nothing to fill in."""


@dataclass(frozen=True, slots=True)
class Choice:
    """One thing that staff can do, in words, and its form. `act` returns what to tell them when it is done."""

    name: str
    title: str
    text: str
    button: str
    variant: str
    form: forms.Form
    act: Callable[[dict[str, Any]], str]
    warning: str = ""
    fields: tuple[str, ...] = field(default=())


def is_unsettled(order: Order) -> bool:
    """Whether a decision about the order can be taken on this page."""
    return order.placement == Placement.IN_DOUBT or (order.placement == Placement.QUEUED and bool(order.review_reason))


def state_of(order: Order) -> str:
    """What a decision was made on: another sending, review or refund is another matter."""
    return f"{order.placement}:{order.claim_token}:{order.attempts}:{order.review_reason}:{order.refunded}"


def page_of(order: Order) -> str:
    """Where the order is decided about, or looked at when there is nothing to decide."""
    return reverse(f"admin:orders_order_{'decide' if is_unsettled(order) else 'change'}", args=[order.pk])
