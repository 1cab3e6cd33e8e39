"""The first page that visitors see."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_safe

from orders.web.start_page import read_start_page
from panel.site import registry as site


@require_safe
def home(request: HttpRequest) -> HttpResponse:
    """Show visitors the start page, with the shop if it is public. Send customers to the order form."""
    if request.user.is_authenticated:
        return redirect("order_new")
    return render(request, "home.html", {"start": read_start_page() if site.PUBLIC_SHOP.value else None})
