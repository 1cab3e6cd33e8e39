"""The customer's list of orders, its CSV export, and its live updates."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, QueryDict
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from orders.states import Status
from orders.web import selectors
from orders.web.csv_export import export_lines
from orders.web.filters import LOOKED_THROUGH, MAX_FOUND, OrderFilterForm, OrderFilters, Sort, filters_in, list_orders
from orders.web.live_updates import Shown, read_shown, write_shown
from orders.web.tables import OrderTable
from panel.accounts.signed_in import user_of
from panel.lib.csv_files import csv_response
from panel.lib.formats import day_text
from panel.lib.keyset_pagination import page_of

# Services in the filter's list; with more, the customer types a number.
MAX_SERVICES = 300
PAGES = {Sort.NEWEST: ("Newer", "Older"), Sort.OLDEST: ("Older", "Newer")}


@login_required
@require_safe
def order_list(request: HttpRequest) -> HttpResponse:
    """Show the customer's orders that match the filters."""
    counts = selectors.count_by_status(customer=user_of(request))
    form = _filters(request)
    wanted = form.wanted()
    listing = list_orders(customer=user_of(request), wanted=wanted)
    page = page_of(listing.rows, params=request.GET.dict(), key=listing.key, descending=listing.descending)
    back, on = PAGES.get(wanted.sort, ("Previous", "Next"))
    context = {
        "table": OrderTable(page.rows),
        "page": page,
        "back": back,
        "on": on,
        "form": form,
        "wanted": wanted,
        "listing": listing,
        "looked_through": LOOKED_THROUGH,
        "max_found": MAX_FOUND,
        "chips": _status_chips(request.GET, counts, wanted),
        "taken": _filter_chips(request.GET, form, wanted),
        "all_off": _address(request.GET, q="", service="", since="", until=""),
        "query": filters_in(request.GET).urlencode(),
        "shown": write_shown(page.rows),
        "counted": not wanted.is_narrowed,
        "is_empty": not counts,
    }
    return render(request, "orders/list.html", context)


@login_required
@require_safe
def order_export(request: HttpRequest) -> HttpResponseBase:
    """Return all pages of the filtered list as a CSV file."""
    form = _filters(request)
    if not form.is_valid():
        # A file that ignores an invalid filter would look right, so let the list show the error.
        return redirect(f"{reverse('order_list')}?{filters_in(request.GET).urlencode()}")
    listing = list_orders(customer=user_of(request), wanted=form.wanted())
    return csv_response(name="orders", lines=export_lines(listing))


@login_required
@never_cache
@require_safe
def orders_live(request: HttpRequest) -> HttpResponse:
    """Return the cells of the list that changed since the page showed them; 204 if none did."""
    seen = read_shown(request.GET.get("shown", ""))
    orders = selectors.list_rows(customer=user_of(request), pks=seen) if seen else []
    changed = [order for order in orders if Shown.of(order) != seen[order.pk]]
    shown = write_shown(orders)
    if shown and not changed:
        return HttpResponse(status=HTTPStatus.NO_CONTENT)
    moved = [order for order in changed if order.status != seen[order.pk].status]
    counted = "counted" in request.GET
    counts = selectors.count_by_status(customer=user_of(request)) if moved and counted else {}
    context = {
        "cells": OrderTable(changed).live_cells(),
        "shown": shown,
        "moved": moved,
        "counted": counted,
        "chips": _status_chips(QueryDict(), counts, OrderFilters()) if counts else [],
        "paid_changed": any(Shown.of(order).paid != seen[order.pk].paid for order in changed),
    }
    return render(request, "orders/_list_live.html", context)


def _filters(request: HttpRequest) -> OrderFilterForm:
    services = selectors.services_ordered(customer=user_of(request), most=MAX_SERVICES)
    return OrderFilterForm(request.GET, services=services)


# -- chips -------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Chip:
    """A filter as a link. `count` is "" if other filters are set, as it counts without them."""

    key: str
    label: str
    url: str
    is_active: bool = False
    count: str = ""


def _status_chips(query: QueryDict, counts: Mapping[str, int], wanted: OrderFilters) -> list[Chip]:
    """Return a chip for every status, even empty ones, so that chips do not move."""

    def chip(key: str, label: str, count: int) -> Chip:
        status = "" if key == "all" else key
        words = "" if wanted.is_narrowed else _counted(count)
        return Chip(key, label, _address(query, status=status), is_active=status == wanted.status, count=words)

    return [
        chip("all", _("All"), sum(counts.values())),
        *(chip(status.value, _(status.label), counts.get(status.value, 0)) for status in Status),
    ]


def _counted(count: int) -> str:
    return f"{selectors.COUNTED:,}+" if count > selectors.COUNTED else f"{count:,}"


def _filter_chips(query: QueryDict, form: OrderFilterForm, wanted: OrderFilters) -> list[Chip]:
    """Return a chip for each filter but the status; each links to the list without it."""
    labels = {
        "q": f"“{wanted.text}”" if wanted.text else "",
        "service": form.label_of_service(wanted.service),
        "since": _("From %(day)s") % {"day": day_text(wanted.since)} if wanted.since else "",
        "until": _("To %(day)s") % {"day": day_text(wanted.until)} if wanted.until else "",
    }
    return [Chip(name, label, _address(query, **{name: ""})) for name, label in labels.items() if label]


def _address(query: QueryDict, **changes: str) -> str:
    """Return the address of the list's first page with other filters."""
    changed = filters_in(query)
    for name, value in changes.items():
        changed.pop(name, None)
        if value:
            changed[name] = value
    text = changed.urlencode()
    return f"{reverse('order_list')}?{text}" if text else reverse("order_list")
