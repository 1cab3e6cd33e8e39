"""The page of each request to add funds: what to do now, how it stands, and what customers do about it."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import FileResponse, Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import cache_control, never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe
from django.views.decorators.vary import vary_on_headers

from billing.deposits import AlreadyDecided, cancel_deposit
from billing.methods import has_reference, is_by_hand
from billing.methods.transfer import SaidPaidForm
from billing.models import Deposit, Redemption
from billing.receipts import type_of_stored
from billing.said_paid import say_paid
from billing.usual_waits import usual_wait, wait_words
from billing.web.request_stages import view_of
from panel.accounts.sign_in.second_factor import lacks_second_factor
from panel.lib.money import format_plain


def _own(request: HttpRequest, pk: int) -> Deposit:
    """Return the customer's deposit; raise Http404 for another's."""
    return get_object_or_404(Deposit.objects.select_related("method"), pk=pk, customer_id=request.user.pk)


@login_required
@cache_control(private=True, no_cache=True)
@vary_on_headers("HX-Request")
@require_safe
def deposit_detail(request: HttpRequest, pk: int) -> HttpResponse:
    """Show the state of a request. The page's own polls get 204 until something changes."""
    return _request_page(request, _own(request, pk), SaidPaidForm())


def _request_page(request: HttpRequest, deposit: Deposit, form: SaidPaidForm) -> HttpResponse:
    shown = view_of(deposit)
    if getattr(request, "htmx", False) and request.GET.get("state") == shown.mark:
        return HttpResponse(status=204)
    by_hand = is_by_hand(deposit.method)
    redemption = Redemption.objects.select_related("coupon").filter(deposit=deposit).first()
    promised = deposit.bonus_terms.bonus_of(deposit.amount)
    if redemption:
        promised += redemption.bonus_of(deposit.amount)
    context: dict[str, Any] = {
        "deposit": deposit,
        "shown": shown,
        "invoice": shown.invoice,
        "form": form,
        "is_by_hand": by_hand,
        "promised": promised,
        "redemption": redemption,
        "code": deposit.code if has_reference(deposit.method) else "",
        "plain_amount": format_plain(deposit.to_pay),
        "plain_typed": format_plain(deposit.amount - deposit.raised),
        "expected": deposit.amount + promised,
        "fee": deposit.fee_terms.fee_on(deposit.amount),
        "sum": deposit.added,
        "usual_wait": wait_words(usual_wait(deposit.method), is_by_hand=by_hand) if shown.is_waiting else "",
        "customer_email": request.user.get_username(),
        "focus_messages": True,
    }
    return render(request, "billing/deposit.html", context)


@login_required
@cache_control(private=True, no_cache=True)
@require_http_methods(["GET", "HEAD", "POST"])
def deposit_paid(request: HttpRequest, pk: int) -> HttpResponse:
    """Take that the customer has paid, with what it can be found by."""
    deposit = _own(request, pk)
    if not is_by_hand(deposit.method):
        raise Http404
    if request.method != "POST":
        # The session had ended, and the sign-in leads back here.
        return redirect("deposit_detail", pk)
    form = SaidPaidForm(request.POST, request.FILES)
    if not form.is_valid():
        return _request_page(request, deposit, form)
    try:
        say_paid(deposit_id=deposit.pk, **form.cleaned_data)
    except AlreadyDecided:
        messages.warning(request, _("It was decided a moment before, so nothing was sent."))
    else:
        messages.success(request, _("Thank you. We look for your payment now."))
    return redirect("deposit_detail", pk)


@login_required
@require_POST
def deposit_cancel(request: HttpRequest, pk: int) -> HttpResponse:
    """Cancel a pending request."""
    deposit = _own(request, pk)
    try:
        cancel_deposit(deposit=deposit)
    except AlreadyDecided as error:
        if error.deposit.state != Deposit.State.CANCELED:  # Else the second half of a double click.
            messages.warning(request, _("It was decided a moment before, so it was not canceled."))
    else:
        messages.success(request, _("Your request was canceled."))
    return redirect("add_funds") if "from_list" in request.POST else redirect("deposit_detail", pk)


@login_required
@never_cache
@require_safe
def deposit_receipt(request: HttpRequest, pk: int) -> HttpResponseBase:
    """Return the receipt to its customer and to staff who may see deposits; 404 for others."""
    deposits = Deposit.objects.exclude(receipt="")
    user = request.user
    if not (user.is_staff and user.has_perm("billing.view_deposit") and not lacks_second_factor(user)):
        deposits = deposits.filter(customer_id=user.pk)
    deposit = get_object_or_404(deposits, pk=pk)
    found = type_of_stored(deposit.receipt.name or "")
    if found is None:
        raise Http404
    try:
        file = deposit.receipt.open("rb")
    except FileNotFoundError:
        raise Http404 from None
    # Under a name of our own: a picture that the customer named .html would run as a page.
    response = FileResponse(
        file,
        as_attachment=not found.is_image,
        filename=f"receipt-{deposit.pk}{found.suffix}",
        content_type=found.content_type,
    )
    response["X-Content-Type-Options"] = "nosniff"
    response["Content-Security-Policy"] = "default-src 'none'; sandbox"
    response["Cross-Origin-Resource-Policy"] = "same-origin"
    return response
