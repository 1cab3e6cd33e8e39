"""Adding funds, and the state of each request. Views parse and choose a page; `billing/deposits.py` decides."""

from __future__ import annotations

import re
from http import HTTPStatus
from typing import Any
from uuid import uuid4

from csp.constants import SELF
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import FileResponse, Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import cache_control, never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe
from django.views.decorators.vary import vary_on_headers

from billing.deposits import (
    AlreadyDecided,
    AlreadyRequested,
    DepositRefused,
    cancel_deposit,
    request_deposit,
)
from billing.forms import DepositForm
from billing.methods import MethodFailed, has_reference, method_of, offered_methods
from billing.models import Deposit, Invoice, Payment, PaymentMethod, Redemption
from billing.promotions.coupons import CouponRefused, check_coupon
from billing.receipts import type_of_stored
from panel.accounts.sign_in.second_factor import lacks_second_factor
from panel.accounts.signed_in import user_of
from panel.lib import clock
from panel.lib.keyset_pagination import page_of
from panel.lib.money import MoneyError, format_plain, parse_money

_SHOWN = 10
_GONE = gettext_lazy("This way to pay is not offered any longer. Nothing was sent. Choose another.")


@login_required
@cache_control(private=True, no_cache=True)
@require_http_methods(["GET", "HEAD", "POST"])
def add_funds(request: HttpRequest) -> HttpResponse:
    """Show the payment methods and the chosen one's form; a POST requests a deposit and redirects to pay."""
    offered = offered_methods()
    if request.method != "POST":
        chosen = _find(offered, request.GET.get("method", "")) or (offered[0] if offered else None)
        return _funds_page(request, offered, _form(chosen, initial=_asked_amount(request, chosen)) if chosen else None)
    chosen = _find(offered, request.POST.get("method", ""))
    if chosen is None:
        messages.error(request, _GONE)
        return _funds_page(request, offered, _form(offered[0], initial=_typed(request)) if offered else None)
    if "amount_is" in request.POST:
        # The answer to which amount was meant: shown in the field, to be sent from there.
        typed = {**_typed(request), "amount": request.POST["amount_is"]}
        return _funds_page(request, offered, _form(chosen, initial=typed))
    form = _form(chosen, request.POST, request.FILES)
    if not form.is_valid():
        return _funds_page(request, offered, form)
    try:
        requested = request_deposit(customer=user_of(request), method=chosen, **form.request_values())
    except DepositRefused as refusal:
        if isinstance(refusal, AlreadyRequested):
            form = _with_fresh_key(request, chosen)
        form.add_error(refusal.field if refusal.field in form.fields else None, refusal.message)
        return _funds_page(request, offered, form)
    try:
        return redirect(method_of(chosen).begin(requested.deposit))
    except MethodFailed as error:
        messages.error(request, str(error))
        return redirect("deposit_detail", requested.deposit.pk)


def _find(offered: list[PaymentMethod], chosen: str) -> PaymentMethod | None:
    number = int(chosen) if re.fullmatch(r"[0-9]{1,18}", chosen) else None
    return next((method for method in offered if method.pk == number), None)


def _form(chosen: PaymentMethod, *args: Any, **kwargs: Any) -> DepositForm:
    return method_of(chosen).form(*args, method=chosen, **kwargs)


def _asked_amount(request: HttpRequest, method: PaymentMethod) -> dict[str, str]:
    """Return the amount of the address as the form's first value, at least the smallest that the method takes."""
    text = request.GET.get("amount", "")
    try:
        amount = parse_money(text)
    except MoneyError:
        return {}
    if amount <= 0:
        return {}
    return {"amount": text if amount >= method.minimum else format_plain(method.minimum)}


def _typed(request: HttpRequest) -> dict[str, str]:
    return {name: value for name, value in request.POST.dict().items() if name != "request_key"}


def _with_fresh_key(request: HttpRequest, chosen: PaymentMethod) -> DepositForm:
    data = request.POST.copy()
    data["request_key"] = uuid4().hex
    form = _form(chosen, data, request.FILES)
    form.is_valid()
    return form


def _funds_page(request: HttpRequest, offered: list[PaymentMethod], form: DepositForm | None) -> HttpResponse:
    deposits = Deposit.objects.filter(customer_id=request.user.pk).select_related("method")
    context: dict[str, Any] = {
        "methods": offered,
        "form": form,
        "button": _(method_of(form.method).button) if form else "",
        "pays_first": bool(form and form.method.instructions and not has_reference(form.method)),
        "page": page_of(deposits, params=request.GET.dict(), size=_SHOWN),
        "customer_email": request.user.get_username(),
        "asked_amount": request.GET.get("amount", "")[:20],
    }
    if form:
        # The field already shows what is wrong with the amount.
        amount = "" if "amount" in form.errors else form["amount"].value() or ""
        context |= _preview(request, form.method, amount, form["coupon"].value() or "")
        context["readings"] = context["readings"] or form.amount_readings
        _focus_first_error(form)
    response = render(request, "billing/add_funds.html", context)
    if form and (origins := method_of(form.method).origins_of(form.method)):
        # The CSP of the page with the form limits where its submission may redirect.
        response._csp_update = {"form-action": [SELF, *origins]}  # type: ignore[attr-defined]
    return response


@login_required
@never_cache
@require_safe
def add_funds_preview(request: HttpRequest) -> HttpResponse:
    """Return the sums for the amount typed so far."""
    chosen = _find(offered_methods(), request.GET.get("method", ""))
    if chosen is None:
        return HttpResponse(status=HTTPStatus.NO_CONTENT)
    amount, code = (request.GET.get(name, "") for name in ("amount", "coupon"))
    return render(request, "billing/_preview.html", _preview(request, chosen, amount, code))


def _focus_first_error(form: DepositForm) -> None:
    wrong = next((field for field in form.visible_fields() if field.errors), None)
    if wrong:
        wrong.field.widget.attrs["autofocus"] = True


def _preview(request: HttpRequest, method: PaymentMethod, text: str, code: str) -> dict[str, Any]:
    """Return the context of the preview: the sums, or why there are none yet."""
    form = DepositForm({"amount": text}, method=method)
    form.is_valid()
    amount = form.cleaned_data.get("amount")
    if amount is None:
        why_not = " ".join(str(error) for error in form.errors["amount"]) if text.strip() else ""
        return {"method": method, "amount": None, "why_not": why_not, "readings": form.amount_readings}
    bonus, extra, coupon_problem = method.bonus_terms.bonus_of(amount), 0, ""
    if code.strip():
        try:
            coupon = check_coupon(code=code, customer_id=user_of(request).pk, method=method, amount=amount)
            extra = coupon.bonus_of(amount)
        except CouponRefused as refusal:
            coupon_problem = str(refusal)
    return {
        "method": method,
        "amount": amount,
        "bonus": bonus,
        "percent": method.bonus_terms.bp_of(amount),
        "extra": extra,
        "coupon_problem": coupon_problem,
        "fee": method.fee_terms.fee_on(amount),
        "to_pay": method.fee_terms.to_pay(amount),
        "sum": amount + bonus + extra,
        "why_not": "",
        "readings": (),
    }


def _own(request: HttpRequest, pk: int) -> Deposit:
    """Return the customer's deposit; raise Http404 for another's."""
    return get_object_or_404(Deposit.objects.select_related("method"), pk=pk, customer_id=request.user.pk)


@login_required
@cache_control(private=True, no_cache=True)
@vary_on_headers("HX-Request")
@require_safe
def deposit_detail(request: HttpRequest, pk: int) -> HttpResponse:
    """Show the state of a request. The page's own polls get 204 until the state changes."""
    deposit = _own(request, pk)
    if getattr(request, "htmx", False) and request.GET.get("state") == deposit.state:
        return HttpResponse(status=HTTPStatus.NO_CONTENT)
    redemption = Redemption.objects.select_related("coupon").filter(deposit=deposit).first()
    promised = deposit.bonus_terms.bonus_of(deposit.amount)
    if redemption:
        promised += redemption.bonus_of(deposit.amount)
    invoice = Invoice.objects.filter(deposit=deposit).first()
    context = {
        "deposit": deposit,
        "invoice": invoice,
        "seen": Payment.objects.filter(deposit=deposit, state=Payment.State.SEEN).exists() if invoice else False,
        "promised": promised,
        "redemption": redemption,
        "code": deposit.code if has_reference(deposit.method) else "",
        "is_expired": deposit.expires_at is not None and deposit.expires_at <= clock.now(),
        "expected": deposit.amount + promised,
        "fee": deposit.fee_terms.fee_on(deposit.amount),
        "sum": deposit.added,
        "customer_email": request.user.get_username(),
        "focus_messages": True,
    }
    return render(request, "billing/deposit.html", context)


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
    return redirect("deposit_detail", pk)


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
