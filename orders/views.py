"""The customer's orders. Views parse and choose a page; placing, cancelling and refilling are services."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any, cast
from uuid import uuid4

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.contrib.messages.storage.base import BaseStorage
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe
from django.views.decorators.vary import vary_on_headers

from catalog.customer_prices import Offer, offer_of
from catalog.selectors import services_on_sale
from orders import selectors
from orders.cancelling import CancelOutcome, TooLate, cancel_order, may_cancel, may_withdraw
from orders.forms import OrderForm, read_seen_charge
from orders.inputs import OrderRefused
from orders.live import Shown, order_pace, read_shown, write_shown
from orders.placing import AlreadyOrdered, PlacedOrder, Quote, place_order, quote_order
from orders.refilling import RefillRefused, may_refill, request_refill
from orders.states import Placement, Status
from orders.tables import OrderTable
from panel.money import format_money

MOST_REFILLS = 10
"""Shown on the page of an order: the timeline tells of the others."""


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def order_new(request: HttpRequest) -> HttpResponse:
    """The order form; posting it places the order, or shows what is wrong and keeps what was typed."""
    if request.method != "POST":
        form = OrderForm(chosen=request.GET.get("service", ""))
        return _order_page(request, form)
    if "preview" in request.POST:
        return _order_page(request, _unsent_form(request))
    form = OrderForm(request.POST)
    seen = read_seen_charge(request.POST)
    if not form.is_valid():
        return _order_page(request, form)
    if seen is None:
        # Without scripts the charge has not been shown yet: show it, and ask once more.
        messages.info(request, "Please check the charge and confirm your order.")
        return _order_page(request, form)
    try:
        placed = _place(request, form, seen)
    except AlreadyOrdered as error:
        form = _with_fresh_key(request)
        form.add_error(None, error.message)
        return _order_page(request, form)
    except OrderRefused as error:
        form.add_error(error.field if error.field in form.fields else None, error.message)
        return _order_page(request, form)
    if placed.created:
        messages.success(request, f"Order {placed.order.pk} was received.")
    return redirect("order_detail", placed.order.pk)


def _place(request: HttpRequest, form: OrderForm, seen: int) -> PlacedOrder:
    data = form.cleaned_data
    return place_order(
        customer=request.user,
        service_id=data["service"],
        link=data["link"],
        quantity=data.get("quantity"),
        comments=data.get("comments", ""),
        request_key=data["request_key"],
        seen_charge=seen,
    )


def _with_fresh_key(request: HttpRequest) -> OrderForm:
    data = request.POST.copy()
    data["request_key"] = uuid4().hex
    form = OrderForm(data)
    form.is_valid()
    return form


@login_required
@require_POST
def order_quote(request: HttpRequest) -> HttpResponse:
    """The summary for what is typed so far."""
    return render(request, "orders/_summary.html", _order_context(request, OrderForm(request.POST)))


@login_required
@require_POST
def order_fields(request: HttpRequest) -> HttpResponse:
    """The fields of the service just chosen, with what was typed before, and its summary."""
    context = {**_order_context(request, _unsent_form(request)), "oob": True}
    return render(request, "orders/_fields.html", context)


def _unsent_form(request: HttpRequest) -> OrderForm:
    """What was typed so far, not judged yet."""
    return OrderForm(chosen=request.POST.get("service", ""), initial=request.POST.dict())


def _order_page(request: HttpRequest, form: OrderForm) -> HttpResponse:
    return render(request, "orders/new.html", _order_context(request, form))


def _order_context(request: HttpRequest, form: OrderForm) -> dict[str, Any]:
    offer = offer_of(customer=request.user, service=form.chosen) if form.chosen else None
    quote, quote_error = _quote(request, form, offer)
    return {
        "form": form,
        "service": form.chosen,
        "offer": offer,
        "quote": quote,
        "quote_error": quote_error,
        "has_services": form.chosen is not None or services_on_sale().exists(),
    }


def _quote(request: HttpRequest, form: OrderForm, offer: Offer | None) -> tuple[Quote | None, str]:
    quantity = form.typed_quantity()
    if offer is None or quantity is None:
        return None, ""
    try:
        return quote_order(customer=request.user, offer=offer, quantity=quantity), ""
    except OrderRefused as error:
        return None, error.message


@login_required
@require_safe
def order_list(request: HttpRequest) -> HttpResponse:
    """The customer's orders, by status."""
    counts = selectors.count_by_status(customer=request.user)
    chosen = request.GET.get("status", "")
    orders = selectors.orders_of(customer=request.user)
    if chosen in Status.values:
        orders = orders.filter(status=chosen)
    table = OrderTable(orders)
    table.show_page(request)
    context = {
        "table": table,
        "chips": _chips(counts, chosen),
        "shown": write_shown(row.record for row in table.paginated_rows),
        "is_empty": not counts,
    }
    return render(request, "orders/list.html", context)


@login_required
@never_cache
@require_safe
def orders_live(request: HttpRequest) -> HttpResponse:
    """The cells of the list that changed since the page showed them; nothing at all when none did."""
    seen = read_shown(request.GET.get("shown", ""))
    orders = selectors.rows_of(customer=request.user, pks=seen) if seen else []
    changed = [order for order in orders if Shown.of(order) != seen[order.pk]]
    shown = write_shown(orders)
    if shown and not changed:
        return HttpResponse(status=HTTPStatus.NO_CONTENT)
    moved = [order for order in changed if order.status != seen[order.pk].status]
    context = {
        "cells": OrderTable(changed).live_cells(),
        "shown": shown,
        "moved": moved,
        "chips": _chips(selectors.count_by_status(customer=request.user)) if moved else [],
        "paid_changed": any(Shown.of(order).paid != seen[order.pk].paid for order in changed),
    }
    return render(request, "orders/_list_live.html", context)


def _chips(counts: dict[str, int], chosen: str = "") -> list[dict[str, Any]]:
    """All of them, always: one that came or went would push the others aside."""
    url = reverse("order_list")
    everything = {
        "key": "all",
        "label": "All",
        "url": url,
        "active": chosen not in Status.values,
        "count": sum(counts.values()),
    }
    return [everything] + [
        {
            "key": status.value,
            "label": status.label,
            "url": f"{url}?status={status.value}",
            "active": status == chosen,
            "count": counts.get(status.value, 0),
        }
        for status in Status
    ]


@login_required
@require_safe
def order_detail(request: HttpRequest, pk: int) -> HttpResponse:
    """One order with its timeline. Another customer's is not found."""
    return _order_part(request, "orders/detail.html", pk, version=_version(request, pk))


@login_required
@never_cache
@vary_on_headers("HX-Request")
@require_safe
def order_live(request: HttpRequest, pk: int) -> HttpResponse:
    """The part of the order page that changes by itself; nothing while it is as the page shows it."""
    version = _version(request, pk)
    if version == request.GET.get("version"):
        return HttpResponse(status=HTTPStatus.NO_CONTENT)
    return _order_part(request, "orders/_order_live.html", pk, version=version)


def _version(request: HttpRequest, pk: int) -> str:
    version = selectors.version_of(customer=request.user, pk=pk)
    if version is None:
        raise Http404
    return version


def _order_part(request: HttpRequest, template: str, pk: int, *, version: str) -> HttpResponse:
    orders = selectors.orders_of(customer=request.user).select_related("service__upstream")
    order = get_object_or_404(orders, pk=pk)
    cancel = order.cancel_requests.first()
    refills = list(order.refills.all()[:MOST_REFILLS])
    context = {
        "order": order,
        "undelivered": None if order.delivered is None else order.quantity - order.delivered,
        "version": version,
        "events": selectors.timeline_of(order=order),
        "cancel": cancel,
        "refills": refills,
        "can_withdraw": may_withdraw(order),
        "can_cancel": may_cancel(order),
        "can_refill": may_refill(order),
        "pace": order_pace(
            status=order.status,
            cancel_state=cancel.state if cancel else None,
            refill_state=refills[0].state if refills else None,
        ),
        "focus_messages": True,
    }
    return render(request, template, context)


@login_required
@require_POST
def order_cancel(request: HttpRequest, pk: int) -> HttpResponse:
    """Cancels the customer's order: at once before it was sent, else its provider is asked."""
    order = get_object_or_404(selectors.orders_of(customer=request.user), pk=pk)
    try:
        outcome = cancel_order(order=order, actor=request.user)
    except TooLate as error:
        order.refresh_from_db()
        if order.placement != Placement.WITHDRAWN:
            _say_once(request, messages.WARNING, f"Order {order.pk} was not canceled. {error}")
            return redirect("order_detail", order.pk)
        outcome = CancelOutcome.WITHDRAWN  # The second half of a double click.
    if outcome is CancelOutcome.WITHDRAWN:
        back = format_money(order.charge, settings.PANEL_CURRENCY, exact=True)
        _say_once(request, messages.SUCCESS, f"Order {order.pk} was canceled. {back} is back in your wallet.")
    else:
        text = f"You asked to cancel order {order.pk}. This page shows what comes of it."
        _say_once(request, messages.INFO, text)
    return redirect("order_detail", order.pk)


@login_required
@require_POST
def order_refill(request: HttpRequest, pk: int) -> HttpResponse:
    """Asks for a refill of the customer's order."""
    order = get_object_or_404(selectors.orders_of(customer=request.user), pk=pk)
    try:
        request_refill(order=order, actor=request.user)
    except RefillRefused as error:
        _say_once(request, messages.WARNING, str(error))
    else:
        _say_once(request, messages.SUCCESS, f"You asked for a refill of order {order.pk}.")
    return redirect("order_detail", order.pk)


def _say_once(request: HttpRequest, level: int, text: str) -> None:
    """Shown on the next page; the two halves of a double click say it once."""
    waiting = cast(BaseStorage, messages.get_messages(request))
    said = {str(message) for message in waiting}
    waiting.used = False  # Looked at, not shown.
    if text not in said:
        messages.add_message(request, level, text)
