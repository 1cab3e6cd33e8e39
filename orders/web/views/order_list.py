"""The customer's list of orders, the views saved of it, its CSV export, and its live updates."""

from __future__ import annotations

from collections.abc import Collection
from http import HTTPStatus

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, QueryDict
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from orders.models import Order, SavedView
from orders.web import selectors
from orders.web.chips import Chip, address_of, filter_chips, status_chips, view_chips
from orders.web.csv_export import export_lines
from orders.web.filters import OrderFilterForm, OrderFilters, Sort, filters_in, list_orders
from orders.web.live_updates import Shown, read_shown, write_shown
from orders.web.order_search import LOOKED_THROUGH, MAX_FOUND
from orders.web.row_menus import RowMenu, menus_of
from orders.web.saved_views import ViewNameForm, ViewRefused, delete_view, save_view, views_of
from orders.web.tables import OrderTable
from orders.web.views.messages import add_message_once
from panel.accounts.signed_in import user_of
from panel.lib.csv_files import csv_response
from panel.lib.keyset_pagination import page_of

# Services in the filter's list; with more, the customer types a number.
MAX_SERVICES = 300
PAGES = {Sort.NEWEST: ("Newer", "Older"), Sort.OLDEST: ("Older", "Newer")}


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def order_list(request: HttpRequest) -> HttpResponse:
    """Show the customer's orders that match the filters; POST saves the filters as a view."""
    query = filters_in(request.GET).urlencode()
    name_form = ViewNameForm(request.POST if request.method == "POST" else None)
    if name_form.is_valid():
        try:
            view = save_view(customer=user_of(request), name=name_form.cleaned_data["name"], query=query)
        except ViewRefused as error:
            name_form.add_error("name", str(error))
        else:
            add_message_once(request, messages.SUCCESS, _("View “%(name)s” was saved.") % {"name": view.name})
            return redirect(address_of(request.GET))
    return render(request, "orders/list.html", _list_context(request, query=query, name_form=name_form))


def _list_context(request: HttpRequest, *, query: str, name_form: ViewNameForm) -> dict[str, object]:
    customer = user_of(request)
    counts = selectors.count_by_status(customer=customer)
    form, services = _filters(request)
    wanted = form.wanted()
    listing = list_orders(customer=customer, wanted=wanted, services=services)
    rows = selectors.with_services(listing.rows)
    page = page_of(rows, params=request.GET.dict(), key=listing.key, descending=listing.descending)
    views = views_of(customer=customer)
    chips = status_chips(request.GET, counts, wanted)
    back, on = PAGES.get(wanted.sort, ("Previous", "Next"))
    return {
        "table": OrderTable(page.rows, menus=menus_of(page.rows)),
        "page": page,
        "back": back,
        "on": on,
        "form": form,
        "wanted": wanted,
        "sort": Sort(wanted.sort).label,
        "found": listing.found,
        "total": 0 if wanted.is_narrowed or wanted.status else sum(counts.values()),
        "looked_through": LOOKED_THROUGH,
        "max_found": MAX_FOUND,
        "chips": chips,
        "views": view_chips(views, query),
        "view": next((view for view in views if view.query == query), None),
        "name_form": name_form,
        "taken": filter_chips(request.GET, wanted, service=form.label_of_service(wanted.service)),
        "all_off": address_of(request.GET, q="", service="", since="", until=""),
        "query": query,
        "shown": write_shown(page.rows),
        "counted": "" if wanted.is_narrowed else ".".join(chip.key for chip in chips),
        "is_empty": not counts,
    }


@login_required
@require_POST
def view_delete(request: HttpRequest, pk: int) -> HttpResponse:
    """Delete one of the customer's views, and show the orders by its filters still."""
    view = get_object_or_404(SavedView, pk=pk, customer=user_of(request))
    delete_view(view=view)
    add_message_once(request, messages.SUCCESS, _("View “%(name)s” was deleted.") % {"name": view.name})
    return redirect(f"{reverse('order_list')}?{view.query}")


@login_required
@require_safe
def order_export(request: HttpRequest) -> HttpResponseBase:
    """Return all pages of the filtered list as a CSV file."""
    form, services = _filters(request)
    if not form.is_valid():
        # A file that ignores an invalid filter would look right, so let the list show the error.
        return redirect(f"{reverse('order_list')}?{filters_in(request.GET).urlencode()}")
    listing = list_orders(customer=user_of(request), wanted=form.wanted(), services=services)
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
    counted = request.GET.get("counted", "")
    context = {
        "cells": OrderTable(changed).live_cells(),
        "menus": _menus(request, moved),
        "shown": shown,
        "moved": moved,
        "counted": counted,
        "chips": _counted_again(request, counted.split(".")) if moved and counted else [],
        "paid_changed": any(Shown.of(order).paid != seen[order.pk].paid for order in changed),
    }
    return render(request, "orders/_list_live.html", context)


def _menus(request: HttpRequest, moved: Collection[Order]) -> list[RowMenu]:
    """Return the menus of orders whose status changed, and with it what can be done with them."""
    if not moved:
        return []
    orders = selectors.menu_rows(customer=user_of(request), pks=[order.pk for order in moved])
    return list(menus_of(orders).values())


def _counted_again(request: HttpRequest, keys: Collection[str]) -> list[Chip]:
    """Return the chips that the page has, as counted now: a chip more would move the others."""
    counts = selectors.count_by_status(customer=user_of(request))
    return [chip for chip in status_chips(QueryDict(), counts, OrderFilters(), keep=keys) if chip.key in keys]


def _filters(request: HttpRequest) -> tuple[OrderFilterForm, list[int] | None]:
    """Return the form of the filters, and the services that the customer ordered; None if too many."""
    services = selectors.services_ordered(customer=user_of(request), most=MAX_SERVICES)
    form = OrderFilterForm(request.GET, services=services)
    return form, None if services is None else [pk for pk, _name in services]
