"""The customer's orders. Views parse and choose a page; placing and cancelling are services."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST, require_safe
from django_tables2 import RequestConfig

from catalog.selectors import services_on_sale
from orders import selectors
from orders.cancelling import TooLate, may_withdraw, withdraw_order
from orders.forms import OrderForm, read_seen_charge
from orders.inputs import OrderRefused
from orders.placing import AlreadyOrdered, PlacedOrder, Quote, place_order, quote_order
from orders.states import Status
from orders.tables import OrderTable


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
    quote, quote_error = _quote(request, form)
    return {
        "form": form,
        "service": form.chosen,
        "quote": quote,
        "quote_error": quote_error,
        "has_services": form.chosen is not None or services_on_sale().exists(),
    }


def _quote(request: HttpRequest, form: OrderForm) -> tuple[Quote | None, str]:
    quantity = form.typed_quantity()
    if form.chosen is None or quantity is None:
        return None, ""
    try:
        return quote_order(customer=request.user, service=form.chosen, quantity=quantity), ""
    except OrderRefused as error:
        return None, error.message


@login_required
@require_safe
def order_list(request: HttpRequest) -> HttpResponse:
    """The customer's orders, by status; the table alone for the live refresh."""
    counts = selectors.count_by_status(customer=request.user)
    chosen = request.GET.get("status", "")
    orders = selectors.orders_of(customer=request.user)
    if chosen in Status.values:
        orders = orders.filter(status=chosen)
    table = OrderTable(orders)
    RequestConfig(request, paginate={"per_page": 25}).configure(table)
    context = {
        "table": table,
        "chips": _chips(counts, chosen),
        "open_count": sum(counts.get(status, 0) for status in selectors.open_statuses()),
        "is_empty": not counts,
    }
    template = "orders/_table.html" if request.htmx else "orders/list.html"  # type: ignore[attr-defined]
    return render(request, template, context)


def _chips(counts: dict[str, int], chosen: str) -> list[dict[str, Any]]:
    url = reverse("order_list")
    chips = [{"label": "All", "url": url, "active": chosen not in Status.values, "count": sum(counts.values())}]
    chips += [
        {
            "label": Status(value).label,
            "url": f"{url}?status={value}",
            "active": value == chosen,
            "count": counts.get(value, 0),
        }
        for value in Status.values
        if counts.get(value) or value == chosen
    ]
    return chips


@login_required
@require_safe
def order_detail(request: HttpRequest, pk: int) -> HttpResponse:
    """One order with its timeline. Another customer's is not found."""
    return render(request, "orders/detail.html", _detail_context(request, pk))


@login_required
@require_safe
def order_live(request: HttpRequest, pk: int) -> HttpResponse:
    """The part of the order page that changes by itself."""
    return render(request, "orders/_live.html", {**_detail_context(request, pk), "oob": True})


def _detail_context(request: HttpRequest, pk: int) -> dict[str, Any]:
    order = get_object_or_404(selectors.orders_of(customer=request.user).select_related("service"), pk=pk)
    return {
        "order": order,
        "events": selectors.timeline_of(order=order),
        "live": not order.is_final,
        "can_cancel": may_withdraw(order),
    }


@login_required
@require_POST
def order_cancel(request: HttpRequest, pk: int) -> HttpResponse:
    """Cancels an order that was not sent yet."""
    order = get_object_or_404(selectors.orders_of(customer=request.user), pk=pk)
    try:
        withdraw_order(order=order, actor=request.user)
    except TooLate as error:
        messages.error(request, str(error))
    else:
        messages.success(request, f"Order {order.pk} was canceled and refunded in full.")
    return redirect("order_detail", order.pk)
