"""Begin and leave the visit of a customer's pages."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST

from billing.wallets import wallet_of
from catalog.prices.storage import price_policy
from panel.accounts.models import User, Visit
from panel.accounts.signed_in import user_of
from panel.accounts.view_as.grant import NEEDED, VisitRefused, address_of, begin_visit, check_visit
from panel.accounts.visits import end_visit
from panel.lib.recent_sign_in import require_recent_sign_in

EXPLANATION = (
    "You see their orders, wallet, services and news as they see them, with their own prices and coupon codes, for 15 "
    "minutes. You can change nothing there; keys, sessions and the account are left out. It is logged with your name "
    "when you begin and when you leave."
)


@require_http_methods(["GET", "HEAD", "POST"])
def view_as(request: HttpRequest, pk: int) -> HttpResponse:
    """Ask whether to view the customer's pages; a POST opens their orders."""
    if not request.user.has_perms(NEEDED):
        raise PermissionDenied
    require_recent_sign_in(request)
    customer = get_object_or_404(User, pk=pk)
    form = forms.Form(request.POST if request.method == "POST" else None)
    if form.is_valid():
        staff = user_of(request)
        try:
            check_visit(staff=staff, customer=customer)
            # What the first look at a page would create, which a view cannot.
            wallet_of(customer=customer)
            price_policy()
            begin_visit(request=request, staff=staff, customer=customer)
        except VisitRefused as refused:
            form.add_error(None, str(refused))
        else:
            return redirect(address_of(customer.pk, "orders/"))
    context = {
        **admin.site.each_context(request),
        "title": f"View as customer: {customer.email}",
        "explanation": EXPLANATION,
        "button": "View for 15 minutes",
        "form": form,
        "back": reverse("customer", args=[pk]),
    }
    return TemplateResponse(request, "admin/confirm_and_act.html", context)


@require_POST
def leave(request: HttpRequest, pk: int) -> HttpResponse:
    """End the visit and go back to the customer's page."""
    end_visit(request, how=Visit.End.LEFT)
    messages.success(request, "You left the customer's pages.")
    return redirect("customer", pk)


def leaving_visits(sign_out: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """Return Django's own sign-out of the admin so that it ends and logs the visit of a customer's pages first."""

    @wraps(sign_out)
    def leaving(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if request.method == "POST":
            end_visit(request, how=Visit.End.SIGNED_OUT)
        return sign_out(request, *args, **kwargs)

    return leaving
