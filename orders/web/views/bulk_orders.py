"""Many orders at once: lines, a preview, and one click. The views parse and choose a page."""

from __future__ import annotations

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.cache import cache_control
from django.views.decorators.http import require_http_methods

from orders.checkout.bulk_orders import BulkQuote, CreatedBulk, PreviewChanged, create_bulk, quote_bulk
from orders.checkout.bulk_text import MAX_TEXT
from orders.checkout.create import NotEnoughFunds
from orders.checkout.validation import OrderRefused
from orders.web.bulk_form import BulkForm
from orders.web.views.drafts import drop, keep, kept, owner_of
from orders.web.views.messages import add_message_once
from panel.accounts.signed_in import user_of
from panel.lib.money import format_money, format_money_up

DRAFT = "mass_order_draft"


@cache_control(private=True, no_cache=True)
@require_http_methods(["GET", "HEAD", "POST"])
def mass_order(request: HttpRequest) -> HttpResponse:
    """Show the lines and their preview, or create the orders. Lines posted after the session ended are kept."""
    if not request.user.is_authenticated:
        return _sign_in_first(request)
    if request.method != "POST":
        return _page(request, BulkForm(initial={"lines": kept(request, DRAFT) or ""}))
    drop(request, DRAFT)
    form = BulkForm(request.POST, request.FILES)
    if not form.is_valid():
        return _page(request, form)
    data = form.cleaned_data
    if request.POST.get("do") != "order" or not data["request_key"]:
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
        text = _(
            "Your balance does not cover these orders: %(missing)s is missing. Nothing was charged. Add funds first."
        )
        return _preview(request, form, text % {"missing": missing})
    except OrderRefused as refusal:
        return _preview(request, form, f"{refusal.message} {_('Nothing was charged.')}")
    _tell(request, created)
    return redirect("order_list")


def _preview(request: HttpRequest, form: BulkForm, refusal: str = "") -> HttpResponse:
    quote = quote_bulk(customer=user_of(request), text=form.text)
    return _page(request, form.previewed(seal=quote.seal), quote, refusal)


def _page(request: HttpRequest, form: BulkForm, quote: BulkQuote | None = None, refusal: str = "") -> HttpResponse:
    context = {"form": form, "owner": owner_of(request), "quote": quote, "refusal": refusal}
    return render(request, "orders/mass.html", context)


def _tell(request: HttpRequest, created: CreatedBulk) -> None:
    """Report what was ordered; keep the other lines for the page."""
    paid = format_money(created.charge, settings.PANEL_CURRENCY)
    text = ngettext(
        "%(count)s order was received: %(paid)s.", "%(count)s orders were received: %(paid)s.", created.orders
    ) % {"count": f"{created.orders:,}", "paid": paid}
    if created.left:
        keep(request, DRAFT, "\n".join(line.text for line in created.left))
        left = ngettext(
            "The other line waits under “Mass order”.",
            "The other %(count)s lines wait under “Mass order”.",
            len(created.left),
        ) % {"count": f"{len(created.left):,}"}
        text = f"{text} {left}"
    add_message_once(request, messages.SUCCESS, text)


def _sign_in_first(request: HttpRequest) -> HttpResponse:
    """Keep the posted lines in the anonymous session, which signing in preserves."""
    if request.method == "POST":
        form = BulkForm(request.POST, request.FILES)
        text = form.text if form.is_valid() else request.POST.get("lines", "")
        if text.strip() and keep(request, DRAFT, text[:MAX_TEXT]):
            add_message_once(request, messages.INFO, _("Please sign in again. Your lines are kept."))
    return redirect_to_login(reverse("mass_order"))
