"""The page of an order. Views parse and choose a page; cancels and refills are services."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe
from django.views.decorators.vary import vary_on_headers

from catalog.selectors import times_of
from orders.common.link_waits import waits_for
from orders.common.reorder_offers import is_offer_open
from orders.models import Order, OrderEvent
from orders.requests.bulk import plan_cancels
from orders.requests.cancel import CancelOutcome, TooLate, cancel_order, may_cancel, may_withdraw
from orders.requests.refill import RefillRefused, may_refill, request_refill
from orders.selectors import api_key_of, orders_of
from orders.states import OPEN, Status, Submission, is_end_undecided, is_looked_at
from orders.web import selectors
from orders.web.help import chat_link, facts_of, reasons_of
from orders.web.live_updates import order_pace
from orders.web.missing import missing_of
from orders.web.order_details import details_of
from orders.web.order_title import icon_of, title_of
from orders.web.progress import expected_end, pace_of, pace_text, progress_of
from orders.web.views.messages import add_message_once, tag_of
from panel.accounts.signed_in import user_of
from panel.lib import clock
from panel.lib.money import format_money
from panel.site import registry

# Refills on the page of an order; older ones are in the timeline alone.
MAX_REFILLS = 10


@login_required
@require_safe
def order_detail(request: HttpRequest, pk: int) -> HttpResponse:
    """Show one order with its timeline; 404 for another customer's."""
    return _order_part(request, "orders/detail.html", pk, version=_version(request, pk))


@login_required
@never_cache
@vary_on_headers("HX-Request")
@require_safe
def order_live(request: HttpRequest, pk: int) -> HttpResponse:
    """Return the live part of the page; 204 if it is as the page shows it."""
    version = _version(request, pk)
    if version == request.GET.get("version"):
        return HttpResponse(status=HTTPStatus.NO_CONTENT)
    return _order_part(request, "orders/_order_live.html", pk, version=version)


def _version(request: HttpRequest, pk: int) -> str:
    version = selectors.order_version(customer=user_of(request), pk=pk)
    if version is None:
        raise Http404
    return version


def _order_part(request: HttpRequest, template: str, pk: int, *, version: str) -> HttpResponse:
    orders = orders_of(customer=user_of(request))
    orders = orders.select_related("customer", "service__upstream", "service__figures", "provider", "drip_feed", "poll")
    order = get_object_or_404(orders, pk=pk)
    cancel = order.cancel_requests.first()
    refills = list(order.refills.all()[:MAX_REFILLS])
    events = selectors.timeline_of(order=order)
    context = {
        "order": order,
        **_standing(request, order, events),
        **_help(order),
        "undelivered": None if order.delivered is None else order.quantity - order.delivered,
        "version": version,
        "events": events,
        "refunds": selectors.refunds_of(order=order) if order.refunded else [],
        "details": details_of(order),
        "api_key": api_key_of(order=order),
        "cancel": cancel,
        "refills": refills,
        "can_withdraw": may_withdraw(order),
        "waits_for": waits_for(order=order),
        "is_held_up": order.submission == Submission.QUEUED and order.provider.pause_count > 0,
        "is_looked_at": is_looked_at(order.submission, order.review_reason),
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


def _standing(request: HttpRequest, order: Order, events: Sequence[OrderEvent]) -> dict[str, Any]:
    """Return how the order stands: its title, how fast it is delivered and until when, or how it ended."""
    times = times_of(order.service)
    progress = progress_of(order, events)
    pace = pace_of(progress)
    shown = request.GET.get("status", "")
    end = None
    if not order.is_final and not is_looked_at(order.submission, order.review_reason):
        end = expected_end(
            now=clock.now(),
            ordered_at=order.created_at,
            progress=progress,
            typical_seconds=times.typical_seconds if times else None,
        )
    return {
        "page_title": title_of(order),
        "icon_file": icon_of(order),
        "has_just_ended": order.is_final and shown in OPEN,
        "times": times,
        "pace_text": pace_text(pace) if pace else "",
        "expected_end": end,
        "lasted": int((order.finished_at - order.created_at).total_seconds()) if order.finished_at else None,
        "is_end_undecided": is_end_undecided(order.status, order.review_reason),
        "missing": missing_of(order=order, is_offered=is_offer_open(order, events)),
        "refill_until": _refill_until(order),
        # A message that was true while the order was open.
        "over": tag_of(order) if order.is_final else "",
    }


def _refill_until(order: Order) -> datetime | None:
    """Return until when the completed order can be refilled; None if there is no end, or no refill."""
    days = order.service.refill_limit
    if order.status != Status.COMPLETED or not order.finished_at or not order.service.has_refill or days is None:
        return None
    return order.finished_at + timedelta(days=days)


def _help(order: Order) -> dict[str, Any]:
    email, chat, now = registry.SUPPORT_EMAIL.value, registry.SUPPORT_URL.value, clock.now()
    is_to_paste = chat and chat_link(chat, "text") == chat
    reasons = reasons_of(order=order, email=email, chat=chat, now=now)
    return {
        "reasons": reasons,
        # Unfolded where something surely went wrong.
        "asks_for_help": bool(reasons) and order.status in (Status.PARTIAL, Status.CANCELED),
        "help_facts": facts_of(order, now=now) if is_to_paste else "",
    }


@login_required
@vary_on_headers("HX-Request")
@require_http_methods(["GET", "HEAD", "POST"])
def order_cancel(request: HttpRequest, pk: int) -> HttpResponse:
    """Ask whether to cancel the customer's order, and what comes back; POST cancels it.

    It is canceled at once if it was not sent, else the provider gets a request. The list asks in its menu, so it gets
    the question alone.
    """
    if request.method != "POST":
        return _ask_before_cancel(request, pk)
    order = get_object_or_404(orders_of(customer=user_of(request)), pk=pk)
    try:
        outcome = cancel_order(order=order, actor=user_of(request))
    except TooLate as error:
        order.refresh_from_db()
        if order.submission != Submission.WITHDRAWN:
            text = _("Order %(number)s was not canceled. %(reason)s") % {"number": order.pk, "reason": error}
            add_message_once(request, messages.WARNING, text)
            return redirect("order_detail", order.pk)
        outcome = CancelOutcome.WITHDRAWN  # The second half of a double click.
    if outcome is CancelOutcome.WITHDRAWN:
        back = format_money(order.charge, settings.PANEL_CURRENCY)
        text = _("Order %(number)s was canceled. %(amount)s is back in your wallet.") % {
            "number": order.pk,
            "amount": back,
        }
        add_message_once(request, messages.SUCCESS, text)
    else:
        text = _("You asked to cancel order %(number)s. This page shows what comes of it.") % {"number": order.pk}
        add_message_once(request, messages.INFO, text, while_open=order)
    return redirect("order_detail", order.pk)


def _ask_before_cancel(request: HttpRequest, pk: int) -> HttpResponse:
    order = get_object_or_404(selectors.with_services(orders_of(customer=user_of(request))), pk=pk)
    reason = plan_cancels(orders=[order]).results[0].reason
    if not reason and not may_cancel(order):
        reason = _("You asked to cancel it already.")
    context = {"order": order, "reason": reason, "can_withdraw": may_withdraw(order)}
    is_part = bool(request.headers.get("HX-Request"))
    return render(request, "orders/_cancel_question.html" if is_part else "orders/cancel_one.html", context)


@login_required
@require_POST
def order_refill(request: HttpRequest, pk: int) -> HttpResponse:
    """Request a refill of the customer's order."""
    order = get_object_or_404(orders_of(customer=user_of(request)), pk=pk)
    try:
        request_refill(order=order, actor=user_of(request))
    except RefillRefused as error:
        add_message_once(request, messages.WARNING, str(error))
    else:
        add_message_once(
            request, messages.SUCCESS, _("You asked for a refill of order %(number)s.") % {"number": order.pk}
        )
    return redirect("order_detail", order.pk)
