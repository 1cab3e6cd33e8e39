"""The customer's last orders, beside the form of the next one."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from orders.selectors import orders_of
from orders.web.live_updates import write_shown
from panel.accounts.models import User
from panel.accounts.signed_in import user_of

SHOWN = 3
_COLUMNS = (
    *("customer", "service_name", "service_type", "link", "status"),
    *("quantity", "remains", "charge", "refunded", "created_at"),
)


def last_orders(*, customer: User) -> dict[str, Any]:
    """Return the context of `orders/_last_orders.html`. One query."""
    orders = list(orders_of(customer=customer).only(*_COLUMNS)[:SHOWN])
    return {"last_orders": orders, "last_shown": write_shown(orders)}


@login_required
@never_cache
@require_safe
def orders_last(request: HttpRequest) -> HttpResponse:
    """Return the last orders; 204 if they are as the page shows them."""
    context = last_orders(customer=user_of(request))
    if context["last_shown"] == request.GET.get("shown"):
        return HttpResponse(status=HTTPStatus.NO_CONTENT)
    return render(request, "orders/_last_orders.html", context)
