"""The customer's wallet: its entries, and what was spent. Views parse and choose a page."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.http import urlencode
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_safe

from billing.deposits import waiting_deposits
from billing.models import Entry
from billing.wallets import wallet_of
from billing.web.filters import EntryFilter
from billing.web.spending import spending_of
from billing.web.tables import EntryTable
from panel.accounts.signed_in import user_of
from panel.lib.csv_files import as_csv, csv_response
from panel.lib.keyset_pagination import each_row, name_the_few, page_of
from panel.lib.money import format_plain

_HEADER = ("number", "time", "what", "amount", "balance_after", "order", "drip_feed", "note")
_CHIPS = {
    "": _("All"),
    Entry.Kind.DEPOSIT: _("Deposits"),
    Entry.Kind.BONUS: _("Bonuses"),
    Entry.Kind.ORDER: _("Orders"),
    Entry.Kind.DRIP_FEED: _("Drip-feeds"),
    Entry.Kind.REFUND: _("Refunds"),
    Entry.Kind.ADJUSTMENT: _("Adjustments"),
}


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
        "waiting": waiting.select_related("method"),
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
    return csv_response(name="wallet", lines=as_csv(_HEADER, _rows(entries)))


def _rows(entries: Iterable[Entry]) -> Iterator[tuple[str, ...]]:
    for entry in entries:
        yield (
            str(entry.seq),
            timezone.localtime(entry.created_at).isoformat(timespec="seconds"),
            entry.get_kind_display(),
            format_plain(entry.amount),
            format_plain(entry.balance_after),
            str(entry.order_ref or ""),
            str(entry.drip_ref or ""),
            entry.memo,
        )


@login_required
@require_safe
def wallet_spending(request: HttpRequest) -> HttpResponse:
    """Show what was spent in the last twelve months, by month and by service."""
    own = wallet_of(customer=user_of(request))
    return render(request, "billing/spending.html", {"spending": spending_of(wallet=own)})
