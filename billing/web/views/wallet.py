"""The customer's wallet: its entries, and what was spent. Views parse and choose a page."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import urlencode
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_safe

from billing.deposits import waiting_deposits
from billing.wallets import wallet_of
from billing.web.entry_lines import ENTRY_HEADER, entry_rows
from billing.web.filters import EntryFilter
from billing.web.kind_names import KIND_NAMES
from billing.web.request_stages import with_money
from billing.web.spending import spending_of
from billing.web.tables import EntryTable
from panel.accounts.signed_in import user_of
from panel.lib.csv_files import as_csv, csv_response
from panel.lib.keyset_pagination import each_row, name_the_few, page_of

_CHIPS: dict[str, Any] = {"": _("All"), **KIND_NAMES}


@login_required
@require_safe
def wallet(request: HttpRequest) -> HttpResponse:
    """Show the balance and its entries, newest first."""
    own = wallet_of(customer=user_of(request))
    filters = EntryFilter(request.GET)
    chosen = filters.chosen()
    entries = filters.narrow(own.entries.all())
    # Sort by the index that finds the rows.
    place: dict[str, Any] = {"key": "seq", "is_unique": True}
    if {"since", "until"} & set(chosen):
        place = {"key": "created_at"}
        entries = name_the_few(entries) if "kind" in chosen else entries
    page = page_of(entries, params=request.GET.dict(), **place)
    waiting = waiting_deposits(customer_id=user_of(request).pk)
    context = {
        "wallet": own,
        "filters": filters,
        "chips": _chips(chosen),
        "is_filtered": bool(chosen),
        "query": urlencode(chosen),
        "page": page,
        "table": EntryTable(page.rows),
        "waiting": with_money(waiting),
    }
    return render(request, "billing/wallet.html", context)


def _chips(chosen: dict[str, Any]) -> list[dict[str, object]]:
    days = {name: value for name, value in chosen.items() if name != "kind"}
    return [
        {
            "label": label,
            "url": f"?{urlencode({**days, 'kind': kind} if kind else days)}",
            "is_on": kind == chosen.get("kind", ""),
        }
        for kind, label in _CHIPS.items()
    ]


@login_required
@require_safe
def wallet_export(request: HttpRequest) -> HttpResponseBase:
    """Return the filtered entries as a CSV file."""
    filters = EntryFilter(request.GET)
    if not filters.is_valid():
        return redirect(f"{reverse('wallet')}?{request.GET.urlencode()}")
    entries = each_row(filters.narrow(wallet_of(customer=user_of(request)).entries.all()), key="seq", is_unique=True)
    return csv_response(name="wallet", lines=as_csv(ENTRY_HEADER, entry_rows(entries)))


@login_required
@require_safe
def wallet_spending(request: HttpRequest) -> HttpResponse:
    """Show what was spent in the last twelve months, by month and by service."""
    own = wallet_of(customer=user_of(request))
    return render(request, "billing/spending.html", {"spending": spending_of(wallet=own)})
