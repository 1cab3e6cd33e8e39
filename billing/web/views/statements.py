"""Documents to keep and to print: monthly statements, and receipts of deposits."""

from __future__ import annotations

from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from billing.models import Deposit, Wallet
from billing.statements import Month, entries_between, months_of, statement_of
from billing.wallets import wallet_of
from billing.web.entry_lines import ENTRY_HEADER, cause_of, entry_rows
from billing.web.kind_names import KIND_NAMES
from panel.accounts.signed_in import user_of
from panel.lib.csv_files import as_csv, csv_response
from panel.lib.keyset_pagination import each_row
from panel.site import business_settings as business
from panel.site import registry as site


@login_required
@require_safe
def wallet_statements(request: HttpRequest) -> HttpResponse:
    """Show the months that there are statements of."""
    months = months_of(wallet=wallet_of(customer=user_of(request)))
    return render(request, "billing/statements.html", {"months": months, "current": months[0] if months else None})


@login_required
@never_cache
@require_safe
def wallet_statement(request: HttpRequest, year: int, number: int) -> HttpResponse:
    """Show the statement of one month, ready to print."""
    wallet, months, month = _found(request, year, number)
    statement = statement_of(wallet=wallet, month=month)
    lines = [] if statement.is_long else entries_between(wallet=wallet, first=statement.first, last=statement.last)
    context = {
        **_letterhead(request),
        "statement": statement,
        "kinds": [(KIND_NAMES[one.kind], one) for one in statement.kinds],
        "lines": [(entry, cause_of(entry)[0]) for entry in lines],
        "wallet": wallet,
        "is_current": month == months[0],
        "previous": month.previous if month.previous in months else None,
        "next": month.next if month.next in months else None,
    }
    # Its days are the panel's, so its times are too.
    with timezone.override(timezone.get_default_timezone()):
        return render(request, "billing/statement.html", context)


@login_required
@require_safe
def wallet_statement_export(request: HttpRequest, year: int, number: int) -> HttpResponseBase:
    """Return the entries of one month as a CSV file."""
    wallet, _, month = _found(request, year, number)
    statement = statement_of(wallet=wallet, month=month)
    entries = entries_between(wallet=wallet, first=statement.first, last=statement.last)
    with timezone.override(timezone.get_default_timezone()):
        rows = entry_rows(each_row(entries, key="seq", is_unique=True, descending=False))
    return csv_response(name=f"statement-{year}-{number:02d}", lines=as_csv(ENTRY_HEADER, rows))


@login_required
@never_cache
@require_safe
def deposit_slip(request: HttpRequest, pk: int) -> HttpResponse:
    """Show the receipt that we give for a deposit, ready to print; 404 while nothing came in."""
    deposits = Deposit.objects.select_related("method").filter(customer_id=request.user.pk)
    deposit = get_object_or_404(deposits, pk=pk, state=Deposit.State.APPROVED)
    context = {**_letterhead(request), "deposit": deposit}
    with timezone.override(timezone.get_default_timezone()):
        return render(request, "billing/slip.html", context)


def _found(request: HttpRequest, year: int, number: int) -> tuple[Wallet, list[Month], Month]:
    """Return the wallet, its months, and the one of the address; raise Http404 if it is none of them."""
    wallet = wallet_of(customer=user_of(request))
    months = months_of(wallet=wallet)
    month = Month(year, number)
    if month not in months:
        raise Http404
    return wallet, months, month


def _letterhead(request: HttpRequest) -> dict[str, object]:
    """Return who issues a document, and to whom."""
    return {
        "issuer": business.BUSINESS_NAME.value or site.PANEL_NAME.value,
        "issuer_address": business.BUSINESS_ADDRESS.value,
        "issuer_tax_number": business.BUSINESS_TAX_NUMBER.value,
        "site_url": settings.SITE_URL,
        "customer": user_of(request),
        "made_at": timezone.now(),
    }
