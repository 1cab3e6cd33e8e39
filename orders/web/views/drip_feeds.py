"""The customer's drip-feeds and their runs. Views parse and choose a page; pausing and stopping are services."""

from __future__ import annotations

from datetime import timedelta
from http import HTTPStatus
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe
from django.views.decorators.vary import vary_on_headers

from catalog.selectors import times_of
from orders.checkout.drip_feeds import (
    CannotPause,
    NothingToStop,
    pause_drip_feed,
    resume_drip_feed,
    stop_drip_feed,
)
from orders.models import DripFeed
from orders.states import DripState
from orders.web.drip_feed_selectors import delivered_of, drip_feed_version, drips_of, pace_of, runs_of
from orders.web.drip_feed_tables import DripTable, RunTable
from orders.web.views.messages import add_message_once, tag_of
from panel.accounts.signed_in import user_of
from panel.lib.keyset_pagination import page_of
from panel.lib.money import format_money


@login_required
@require_safe
def drip_list(request: HttpRequest) -> HttpResponse:
    """Show the customer's drip-feeds, newest first."""
    page = page_of(drips_of(customer=user_of(request)), params=request.GET)
    return render(request, "orders/drip_list.html", {"page": page, "table": DripTable(page.rows)})


@login_required
@require_safe
def drip_detail(request: HttpRequest, pk: int) -> HttpResponse:
    """Show one drip-feed with its runs; 404 for another customer's."""
    return render(request, "orders/drip_detail.html", _context(request, _found(request, pk)))


@login_required
@never_cache
@vary_on_headers("HX-Request")
@require_safe
def drip_live(request: HttpRequest, pk: int) -> HttpResponse:
    """Return the live part of the page; 204 if it is as the page shows it."""
    context = _context(request, _found(request, pk))
    if context["version"] == request.GET.get("version"):
        return HttpResponse(status=HTTPStatus.NO_CONTENT)
    return render(request, "orders/_drip_live.html", context)


@login_required
@require_POST
def drip_stop(request: HttpRequest, pk: int) -> HttpResponse:
    """Stop the drip-feed and refund the runs that have not begun."""
    drip = _found(request, pk)
    try:
        stop_drip_feed(drip=drip, actor=user_of(request))
    except NothingToStop as error:
        drip.refresh_from_db()
        if drip.state != DripState.STOPPED:
            add_message_once(request, messages.WARNING, str(error))
            return redirect("drip_detail", drip.pk)
        # The second half of a double click shows the same message as the first.
    back = format_money(drip.refunded, settings.PANEL_CURRENCY)
    add_message_once(
        request,
        messages.SUCCESS,
        _("Drip-feed %(number)s was stopped. %(amount)s is back in your wallet.") % {"number": drip.pk, "amount": back},
    )
    return redirect("drip_detail", drip.pk)


@login_required
@require_POST
def drip_pause(request: HttpRequest, pk: int) -> HttpResponse:
    """Begin no further run of the drip-feed until it is resumed."""
    drip = _found(request, pk)
    try:
        pause_drip_feed(drip=drip)
    except CannotPause as error:
        add_message_once(request, messages.WARNING, str(error))
    else:
        text = _("Drip-feed %(number)s is paused. No run begins until you resume it.") % {"number": drip.pk}
        add_message_once(request, messages.SUCCESS, text, while_open=drip)
    return redirect("drip_detail", drip.pk)


@login_required
@require_POST
def drip_resume(request: HttpRequest, pk: int) -> HttpResponse:
    """Begin runs of a paused drip-feed again."""
    drip = _found(request, pk)
    try:
        resume_drip_feed(drip=drip)
    except CannotPause as error:
        add_message_once(request, messages.WARNING, str(error))
    else:
        text = _("Drip-feed %(number)s goes on.") % {"number": drip.pk}
        add_message_once(request, messages.SUCCESS, text, while_open=drip)
    return redirect("drip_detail", drip.pk)


def _found(request: HttpRequest, pk: int) -> DripFeed:
    drips = drips_of(customer=user_of(request)).select_related("service__upstream", "service__figures")
    return get_object_or_404(drips, pk=pk)


def _context(request: HttpRequest, drip: DripFeed) -> dict[str, Any]:
    page = page_of(runs_of(drip=drip), params=request.GET)
    delivered = delivered_of(drip=drip)
    times = times_of(drip.service)
    expected_end = None
    if drip.last_run_at and times and times.typical_seconds is not None:
        expected_end = drip.last_run_at + timedelta(seconds=times.typical_seconds)
    return {
        "drip": drip,
        "delivered": delivered,
        "expected_end": expected_end,
        "page": page,
        "table": RunTable(page.rows),
        "version": drip_feed_version(drip=drip, runs=page.rows, delivered=delivered),
        "pace": pace_of(drip=drip, runs=page.rows),
        "over": "" if drip.is_running else tag_of(drip),
        "focus_messages": True,
    }
