"""Many orders at once: lines, a preview, one click, and what came of each line. The views parse and choose a page."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from itertools import zip_longest
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.views.decorators.cache import cache_control
from django.views.decorators.http import require_http_methods

from orders.checkout.bulk_columns import LinesRefused
from orders.checkout.bulk_orders import CreatedBulk, PreviewChanged, create_bulk, created_orders
from orders.checkout.bulk_quotes import BulkQuote, PricedLine, quote_bulk
from orders.checkout.bulk_text import MAX_TEXT, count_lines, joined_texts, text_of
from orders.checkout.create import NotEnoughFunds
from orders.checkout.validation import OrderRefused
from orders.web.bulk_form import BulkForm
from orders.web.views.drafts import drop, has_owner, keep, kept, owner_of
from orders.web.views.messages import add_message_once
from panel.accounts.signed_in import user_of
from panel.lib.money import CENT, ceil_div, format_money_up, format_plain

DRAFT = "mass_order_draft"
# The numbers of the lines that were ordered last, by the key of their orders.
ORDERED = "mass_order_lines"
_KEY = re.compile(r"[0-9a-f]{32}\.[0-9a-f]{16}")
# Lines that a page shows at first, of those that are wrong and of those that are ready.
SHOWN = 100


def _is_wrong(one: PricedLine) -> bool:
    return bool(one.error)


def _is_first(one: PricedLine) -> bool:
    return one.repeats is None


# Which lines stay in the box.
_STAYING: Mapping[str, Callable[[PricedLine], bool]] = {"wrong": _is_wrong, "once": _is_first}


@cache_control(private=True, no_cache=True)
@require_http_methods(["GET", "HEAD", "POST"])
def mass_order(request: HttpRequest) -> HttpResponse:
    """Show the lines and their preview, or create the orders. Lines posted after the session ended are kept."""
    if not request.user.is_authenticated:
        return _sign_in_first(request)
    if request.method != "POST":
        return _first_page(request)
    drop(request, DRAFT)
    form = BulkForm.posted(request.POST, request.FILES)
    if not form.is_valid():
        return _page(request, form)
    do, data = request.POST.get("do", ""), form.cleaned_data
    if do in _STAYING:
        return _part(request, form, _STAYING[do])
    if do == "back":
        return _put_back(request, form)
    if do != "order" or not data["request_key"]:
        return _preview(request, form)
    try:
        created = create_bulk(
            customer=user_of(request), text=form.text, request_key=data["request_key"], seal=data["seal"]
        )
    except PreviewChanged as refusal:
        return _preview(
            request, form, f"{refusal.message} {_('Nothing was charged. Check the preview and order again.')}"
        )
    except NotEnoughFunds as refusal:
        missing = format_money_up(refusal.missing, settings.PANEL_CURRENCY)
        text = _("Your balance does not cover these orders: %(missing)s is missing. Nothing was charged.")
        return _preview(request, form, text % {"missing": missing})
    except OrderRefused as refusal:
        return _preview(request, form, f"{refusal.message} {_('Nothing was charged.')}")
    _keep_rest(request, created, data["aside"])
    return redirect(f"{reverse('mass_order')}?{urlencode({'made': created.key})}")


def _first_page(request: HttpRequest) -> HttpResponse:
    """Show the draft, below the orders that were just created."""
    draft = kept(request, DRAFT) or ""
    key = request.GET.get("made", "")
    if not _KEY.fullmatch(key):
        return _page(request, BulkForm(initial={"lines": draft}))
    orders = created_orders(customer=user_of(request), key=key)
    numbers = (kept(request, ORDERED) or {}).get(key, [])
    made = orders and {
        "orders": orders,
        "charge": sum(order.charge for order in orders),
        "rows": list(zip_longest(numbers[:SHOWN], orders[:SHOWN])),
    }
    try:
        quote = quote_bulk(customer=user_of(request), text=draft)
    except LinesRefused:
        return _page(request, BulkForm(initial={"lines": draft}), made=made)
    return _page(request, BulkForm.checked(draft, seal=quote.seal), quote, made=made)


def _preview(request: HttpRequest, form: BulkForm, refusal: str = "") -> HttpResponse:
    quote = quote_bulk(customer=user_of(request), text=form.text)
    if quote.missing:
        # For the customer to come back with funds.
        keep(request, DRAFT, joined_texts(form.cleaned_data["aside"], form.text))
    shown = form.previewed(seal=quote.seal)
    return _page(request, shown, quote, refusal=refusal, is_guess=form.is_guess)


def _part(request: HttpRequest, form: BulkForm, stays: Callable[[PricedLine], bool]) -> HttpResponse:
    """Leave some of the lines in the box, and set the others aside."""
    quote = quote_bulk(customer=user_of(request), text=form.text)
    staying = text_of(quote.header, [one.line for one in quote.lines if stays(one)])
    if not staying:
        return _preview(request, form)
    going = text_of(quote.header, [one.line for one in quote.lines if not stays(one)])
    aside = joined_texts(form.cleaned_data["aside"], going)
    quote = quote_bulk(customer=user_of(request), text=staying)
    return _page(request, BulkForm.checked(staying, seal=quote.seal, aside=aside), quote)


def _put_back(request: HttpRequest, form: BulkForm) -> HttpResponse:
    """Show the lines that were set aside and the others together."""
    text = joined_texts(form.cleaned_data["aside"], form.text)
    try:
        quote = quote_bulk(customer=user_of(request), text=text)
    except LinesRefused:  # Too many together.
        return _preview(request, form)
    return _page(request, BulkForm.checked(text, seal=quote.seal), quote)


def _page(request: HttpRequest, form: BulkForm, quote: BulkQuote | None = None, **more: Any) -> HttpResponse:
    missing = ceil_div(quote.missing, CENT) * CENT if quote else 0
    context = {
        "form": form,
        "owner": owner_of(request),
        "quote": quote,
        "failed": quote.failed[:SHOWN] if quote else [],
        "ready": _shown(quote, is_all=request.POST.get("show") == "all") if quote else [],
        "missing_amount": format_plain(missing),
        "aside_count": count_lines(form["aside"].value() or ""),
        **more,
    }
    return render(request, "orders/mass.html", context)


def _shown(quote: BulkQuote, *, is_all: bool) -> list[PricedLine]:
    """Return the lines that can be ordered and are shown: those with questions, and the first others."""
    if is_all or len(quote.ready) <= SHOWN:
        return quote.ready
    others = [one for one in quote.ready if not one.warning]
    return sorted([*quote.asked, *others][:SHOWN], key=lambda one: one.line.number)


def _keep_rest(request: HttpRequest, created: CreatedBulk, aside: str) -> None:
    """Keep what was not ordered, and which lines were."""
    rest = joined_texts(aside, text_of(created.header, created.left))
    if rest:
        keep(request, DRAFT, rest)
    keep(request, ORDERED, {created.key: list(created.numbers)})


def _sign_in_first(request: HttpRequest) -> HttpResponse:
    """Keep the posted lines in the anonymous session, which signing in preserves. Files of strangers are not opened."""
    if request.method == "POST" and has_owner(request):
        form = BulkForm.posted(request.POST, request.FILES)
        text = form.text if form.is_valid() else str(form.data.get("lines", ""))
        text = joined_texts(request.POST.get("aside", ""), text)
        if text.strip() and keep(request, DRAFT, text[:MAX_TEXT]):
            add_message_once(request, messages.INFO, _("Please sign in again. Your lines are kept."))
    return redirect_to_login(reverse("mass_order"))
