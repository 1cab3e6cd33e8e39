"""Adding funds: ways to pay, the amount, and what the customer gets. `billing/deposits.py` decides."""

from __future__ import annotations

import re
from http import HTTPStatus
from typing import Any
from uuid import uuid4

from csp.constants import SELF
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import cache_control, never_cache
from django.views.decorators.http import require_http_methods, require_safe

from billing.deposits import AlreadyRequested, DepositRefused, request_deposit, waiting_deposits
from billing.forms import DepositForm
from billing.methods import MethodFailed, is_by_hand, method_of, offered_methods
from billing.models import Deposit, PaymentMethod
from billing.promotions.coupons import CouponRefused, check_coupon
from billing.usual_waits import usual_wait, wait_words
from billing.web.amount_chips import amount_chips
from billing.web.request_stages import with_money
from panel.accounts.signed_in import user_of
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
        # A change of the way keeps what is typed; a link may ask for less than a way takes.
        first = _kept_fields(request) if getattr(request, "htmx", False) else _asked_amount(request, chosen)
        return _funds_page(request, offered, _form(chosen, initial=first) if chosen else None)
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


def _kept_fields(request: HttpRequest) -> dict[str, str]:
    return {name: request.GET.get(name, "") for name in ("amount", "coupon")}


def _asked_amount(request: HttpRequest, method: PaymentMethod | None) -> dict[str, str]:
    """Return the amount of the address as the form's first value, at least the smallest that the method takes."""
    amount = _asked(request)
    if method is None or amount is None:
        return {}
    return {"amount": request.GET["amount"] if amount >= method.minimum else format_plain(method.minimum)}


def _asked(request: HttpRequest) -> int | None:
    """Return the amount (micro-units) of the address, None if it has none."""
    try:
        amount = parse_money(request.GET.get("amount", ""))
    except MoneyError:
        return None
    return amount if amount > 0 else None


def _typed(request: HttpRequest) -> dict[str, str]:
    return {name: value for name, value in request.POST.dict().items() if name != "request_key"}


def _with_fresh_key(request: HttpRequest, chosen: PaymentMethod) -> DepositForm:
    data = request.POST.copy()
    data["request_key"] = uuid4().hex
    form = _form(chosen, data, request.FILES)
    form.is_valid()
    return form


def _funds_page(request: HttpRequest, offered: list[PaymentMethod], form: DepositForm | None) -> HttpResponse:
    deposits = with_money(Deposit.objects.filter(customer_id=request.user.pk))
    waiting = waiting_deposits(customer_id=user_of(request).pk)
    context: dict[str, Any] = {
        "ways": [(one, wait_words(usual_wait(one), is_by_hand=is_by_hand(one))) for one in offered],
        "waiting": with_money(waiting),
        "form": form,
        "button": _(method_of(form.method).button) if form else "",
        "chips": amount_chips(form.method, asked=_asked(request)) if form else (),
        "page": page_of(deposits.exclude(pk__in=waiting.values("pk")), params=request.GET.dict(), size=_SHOWN),
        "customer_email": request.user.get_username(),
    }
    if form:
        # The field already shows what is wrong with the amount.
        amount = "" if "amount" in form.errors else form["amount"].value() or ""
        context |= _preview(request, form.method, amount, form["coupon"].value() or "")
        context["readings"] = context["readings"] or form.amount_readings
        _focus_first_error(form)
    response = render(request, "billing/add_funds.html", context)
    origins = {origin for one in offered for origin in method_of(one).origins_of(one)}
    if origins:
        # The CSP of the page with the form limits where its submission may redirect, whatever is chosen.
        response._csp_update = {"form-action": [SELF, *sorted(origins)]}  # type: ignore[attr-defined]
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
