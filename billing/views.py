"""The customer's wallet."""

from __future__ import annotations

from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from billing.tables import EntryTable
from billing.wallets import wallet_of


@login_required
@require_safe
def wallet(request: HttpRequest) -> HttpResponse:
    """The balance and every entry behind it, newest first."""
    own = wallet_of(customer=request.user)
    table = EntryTable(own.entries.order_by("-seq"))
    table.show_page(request)
    return render(request, "billing/wallet.html", {"wallet": own, "table": table})


@login_required
@require_safe
def add_funds(request: HttpRequest) -> HttpResponse:
    """How to pay, in the owner's words."""
    context = {"instructions": settings.PAYMENT_INSTRUCTIONS, "customer_email": request.user.get_username()}
    return render(request, "billing/add_funds.html", context)
