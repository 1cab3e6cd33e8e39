"""Asking a provider at once how one order stands, with one click: it changes nothing but when it is asked."""

from __future__ import annotations

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.shortcuts import redirect
from django.urls import URLPattern, path

from orders.admin.review import order_or_404
from orders.many.actions import carry_out, plan_for
from orders.many.ask import ASK
from orders.models import Order
from panel.accounts.signed_in import user_of
from panel.lib.admin.base import ReadOnlyAdmin

PERMISSION = "orders.change_order"


def may_ask(order: Order) -> bool:
    """Return True if its provider can be asked: it was accepted and has not ended."""
    return bool(plan_for(ASK, orders=[order], actor=None).able)


class AskOneAdmin(ReadOnlyAdmin):
    """The button on the page of an order."""

    def get_urls(self) -> list[URLPattern]:
        name = f"{self.opts.app_label}_{self.opts.model_name}_ask"
        return [path("<path:object_id>/ask/", self.admin_site.admin_view(self.ask), name=name), *super().get_urls()]

    def ask(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Ask, and lead back to the order."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        if not request.user.has_perm(PERMISSION):
            raise PermissionDenied
        order = order_or_404(object_id)
        [result] = carry_out(ASK, orders=[order], actor=user_of(request)).results
        if result.reason:
            messages.warning(request, f"Nothing was sent: the order is {result.reason}.")
        else:
            messages.success(request, f"{order.provider} is asked in the next seconds. Load this page again then.")
        return redirect("admin:orders_order_change", order.pk)
