"""Cancels and refills of the orders selected in the list. A cancel is previewed first."""

from __future__ import annotations

from http import HTTPStatus

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_POST

from orders.common.bulk_results import BulkResult, TooMany
from orders.models import Order
from orders.requests.bulk import MAX_ORDERS, cancel_orders, plan_cancels, refill_orders
from orders.selectors import orders_of
from orders.web.filters import filters_in
from orders.web.views.messages import add_message_once
from panel.accounts.signed_in import user_of
from panel.lib.digits import whole_number
from panel.lib.money import format_money

MAX_LATE_ID = 20


@login_required
@require_POST
def order_bulk(request: HttpRequest) -> HttpResponse:
    """Cancel the selected orders once confirmed, or request refills of them. Other customers' orders are ignored.

    A script of the list, which waited so that the customer could undo it, gets the words alone. A page that is being
    left ("late", with a random id) gets nothing but a cookie named after the id, which says that this came here: its
    words wait for the next page.
    """
    level, words = messages.WARNING, _("Choose at least one order first.")
    wish, is_confirmed = request.POST.get("wish"), "confirmed" in request.POST
    try:
        orders = _chosen(request)
        if orders and wish == "cancel" and not is_confirmed:
            return _confirm(request, orders)
        if orders and wish == "cancel":
            level, words = _cancel(request, orders)
        elif orders and wish == "refill":
            level, words = _refill(request, orders)
        elif orders:
            return redirect(_back(request))
    except TooMany as error:
        words = str(error)
    if request.headers.get("HX-Request"):
        return HttpResponse(words, content_type="text/plain; charset=utf-8")
    add_message_once(request, level, words)
    return _say_received(request.POST["late"]) if "late" in request.POST else redirect(_back(request))


def _say_received(late_id: str) -> HttpResponse:
    response = HttpResponse(status=HTTPStatus.NO_CONTENT)
    if late_id.isascii() and late_id.isalnum() and len(late_id) <= MAX_LATE_ID:
        response.set_cookie(
            f"order_wish_{late_id}", "1", max_age=3600, secure=settings.SESSION_COOKIE_SECURE, samesite="Lax"
        )
    return response


def _cancel(request: HttpRequest, orders: list[Order]) -> tuple[int, str]:
    result = cancel_orders(orders=orders, actor=user_of(request))
    asked = ngettext(
        "Cancellation requested for %(count)s order.",
        "Cancellation requested for %(count)s orders.",
        result.asked,
    )
    return _words(result, asked=asked)


def _refill(request: HttpRequest, orders: list[Order]) -> tuple[int, str]:
    result = refill_orders(orders=orders, actor=user_of(request))
    asked = ngettext(
        "Refill requested for %(count)s order.",
        "Refill requested for %(count)s orders.",
        result.asked,
    )
    return _words(result, asked=asked)


def _chosen(request: HttpRequest) -> list[Order]:
    """Return the customer's own among the selected orders; raise Http404 if there are none."""
    texts = set(request.POST.getlist("order"))
    pks = {pk for pk in map(whole_number, texts) if pk is not None}
    if not texts:
        return []
    own = orders_of(customer=user_of(request)).filter(pk__in=pks)
    orders = list(own.select_related("service__upstream", "customer")[: MAX_ORDERS + 1]) if pks else []
    if not orders:
        raise Http404
    return orders


def _confirm(request: HttpRequest, orders: list[Order]) -> HttpResponse:
    context = {
        "plan": plan_cancels(orders=orders),
        "query": request.POST.get("query", ""),
        "address": _back(request),
    }
    return render(request, "orders/cancel_many.html", context)


def _words(result: BulkResult, *, asked: str) -> tuple[int, str]:
    """Return the level of one message and its words: "3 canceled, $1.20 is back; requested for 4; 2 left: …"."""
    parts = []
    if result.withdrawn:
        text = ngettext(
            "%(count)s order was canceled. %(amount)s is back in your wallet.",
            "%(count)s orders were canceled. %(amount)s is back in your wallet.",
            result.withdrawn,
        )
        back = format_money(result.refunded, settings.PANEL_CURRENCY)
        parts.append(text % {"count": result.withdrawn, "amount": back})
    if result.asked:
        parts.append(asked % {"count": result.asked})
    if result.already:
        text = ngettext(
            "%(count)s order was canceled already.", "%(count)s orders were canceled already.", result.already
        )
        parts.append(text % {"count": result.already})
    for reason, count in result.left.items():
        text = ngettext(
            "%(count)s order was not changed: %(reason)s", "%(count)s orders were not changed: %(reason)s", count
        )
        parts.append(text % {"count": count, "reason": _(reason)})
    level = messages.SUCCESS if result.withdrawn or result.asked or result.already else messages.WARNING
    return level, " ".join(parts)


def _back(request: HttpRequest) -> str:
    """Return the address of the list with its filters: only the query comes from the form, never the path."""
    query = filters_in(QueryDict(request.POST.get("query", "")[:4_000])).urlencode()
    return f"{reverse('order_list')}?{query}" if query else reverse("order_list")
