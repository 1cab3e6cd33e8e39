"""The pages of customers in the admin: the list, and one page for each tab of a customer."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.views.decorators.http import require_GET, require_http_methods
from unfold.widgets import UnfoldAdminTextareaWidget

from panel.accounts.customer_notes import NoteRefused, write_note
from panel.accounts.models import User
from panel.accounts.signed_in import user_of
from panel.ops.customers import rights
from panel.ops.customers.actions import actions_for
from panel.ops.customers.count import counted_at
from panel.ops.customers.head import head_of
from panel.ops.customers.list_controls import choices_of, columns_of
from panel.ops.customers.listing import customers_page, read_query
from panel.ops.customers.price_views import may_change_prices
from panel.ops.customers.tabs import TABS, TABS_BY_KEY, Tab


class NoteForm(forms.Form):
    text = forms.CharField(
        label="New note",
        max_length=2_000,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 3}),
        help_text="For staff alone. Nobody can change or delete it.",
    )
    request_key = forms.RegexField(r"\A[0-9a-f]{32}\Z", widget=forms.HiddenInput)


@require_GET
def customers(request: HttpRequest) -> HttpResponse:
    """Show the customers in the chosen order: all, or those that the filters let through."""
    _require(request, rights.VIEW_CUSTOMERS)
    may_see = {
        "money": request.user.has_perm(rights.VIEW_MONEY),
        "orders": request.user.has_perm(rights.VIEW_ORDERS),
        "groups": request.user.has_perm(rights.VIEW_GROUPS),
    }
    params = request.GET.dict()
    rights_of = {f"with_{part}": may for part, may in may_see.items()}
    query = read_query(params, **rights_of)
    page = customers_page(query=query, params=params, with_money=may_see["money"], with_orders=may_see["orders"])
    context = {
        "title": "Customers",
        "page": page,
        "query": query,
        "may_see": may_see,
        "columns": columns_of(query, params, **rights_of),
        "choices": choices_of(query, **rights_of),
        "counted_at": counted_at(),
    }
    return _page(request, "admin/customers/list.html", context)


@require_GET
def customer(request: HttpRequest, pk: int) -> HttpResponse:
    """Show the customer with the first tab that this person may open."""
    _require(request, rights.VIEW_CUSTOMERS)
    tab = next((tab for tab in TABS if request.user.has_perm(tab.permission)), None)
    return _customer_page(request, _customer(pk), tab)


@require_GET
def customer_tab(request: HttpRequest, pk: int, tab: str) -> HttpResponse:
    found = TABS_BY_KEY[tab]
    _require(request, rights.VIEW_CUSTOMERS, found.permission)
    return _customer_page(request, _customer(pk), found)


@require_http_methods(["GET", "HEAD", "POST"])
def customer_notes(request: HttpRequest, pk: int) -> HttpResponse:
    """Show the notes, and write one."""
    tab = TABS_BY_KEY["notes"]
    _require(request, rights.VIEW_CUSTOMERS, tab.permission)
    found = _customer(pk)
    if request.method != "POST":
        return _customer_page(request, found, tab)
    _require(request, rights.WRITE_NOTES)
    form = NoteForm(request.POST)
    if form.is_valid():
        try:
            write_note(customer=found, author=user_of(request), **form.cleaned_data)
        except NoteRefused as error:
            form.add_error(None, str(error))
        else:
            messages.success(request, "The note was written.")
            return redirect(tab.url_name, pk)
    return _customer_page(request, found, tab, form)


def _customer_page(request: HttpRequest, customer: User, tab: Tab | None, form: NoteForm | None = None) -> HttpResponse:
    may_note = request.user.has_perm(rights.WRITE_NOTES) and not customer.closed_at
    if form is None and may_note and tab is TABS_BY_KEY["notes"]:
        form = NoteForm(initial={"request_key": uuid4().hex})
    context = {
        "title": "Customer",
        "customer": customer,
        "head": head_of(request, customer),
        "actions": list(actions_for(request, customer)),
        "tabs": [one for one in TABS if request.user.has_perm(one.permission)],
        "tab": tab,
        "page": tab.rows(customer, request.GET.dict()) if tab else None,
        "form": form,
        "may_change_prices": not customer.closed_at and may_change_prices(request, customer),
    }
    return _page(request, "admin/customers/customer.html", context)


def _customer(pk: int) -> User:
    return get_object_or_404(User.objects.select_related("price_group__group"), pk=pk)


def _require(request: HttpRequest, *permissions: str) -> None:
    if not request.user.has_perms(permissions):
        raise PermissionDenied


def _page(request: HttpRequest, template: str, context: dict[str, Any]) -> HttpResponse:
    return TemplateResponse(request, template, {**admin.site.each_context(request), **context})
