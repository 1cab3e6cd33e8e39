"""The order form. The view parses and chooses a page; creating the order is a service."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.cache import cache_control, never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from catalog.prices.customer_prices import offer_of
from catalog.selectors import services_on_sale, times_of
from orders.checkout.create import AlreadyOrdered, PriceChanged, create_order
from orders.checkout.drip_feeds import start_drip_feed
from orders.checkout.questions import split_lines
from orders.checkout.validation import OrderRefused
from orders.selectors import orders_of
from orders.web.active_link import running_for_link
from orders.web.order_form import OWN_FIELDS, TYPE_FIELDS, OrderForm, read_seen_charge, summarize, typed_again
from orders.web.service_search import find_services, is_favourite
from orders.web.views.drafts import drop, keep, kept, owner_of
from orders.web.views.messages import add_message_once
from panel.accounts.signed_in import user_of
from panel.lib.digits import whole_number

DRAFT = "typed_order"
# Characters of a draft; every field of a valid order fits.
MAX_KEPT = 120_000
NOT_TYPED = ("csrfmiddlewaretoken", "owner", "seen_charge", "answered", "preview")


@cache_control(private=True, no_cache=True)
@require_http_methods(["GET", "HEAD", "POST"])
def order_new(request: HttpRequest) -> HttpResponse:
    """Show the order form; a POST creates the order, or shows the mistakes and keeps what was typed.

    GET prefills it from `service` and any of its fields, or from `again` with an order's number.
    """
    if not request.user.is_authenticated:
        return _to_sign_in(request)
    if request.method != "POST":
        return _order_page(request, _prefilled_form(request))
    drop(request, DRAFT)
    if "preview" in request.POST:
        return _order_page(request, _unsent_form(request))
    form = OrderForm(request.POST)
    try:
        if form.is_valid():
            if not form.is_confirmed:
                return _order_page(request, form, is_asked=True)
            return _create(request, form)
    except PriceChanged as refusal:
        if refusal.seen:
            form.add_refusals(refusal)
        else:
            # Without scripts the charge was not shown yet: show it, and let the customer confirm.
            messages.info(request, _("Please check the charge and confirm your order."))
    except AlreadyOrdered as error:
        form = _with_fresh_key(request)
        form.add_refusals(error)
    except OrderRefused as refusal:
        form.add_refusals(refusal)
    return _order_page(request, form)


def _to_sign_in(request: HttpRequest) -> HttpResponse:
    if request.method != "POST":
        return redirect_to_login(request.get_full_path())
    keep(request, DRAFT, _typed(request))
    return redirect_to_login(reverse("order_new"))


def _typed(request: HttpRequest) -> dict[str, str]:
    """Return what was posted; above `MAX_KEPT` characters, drop the longest texts."""
    typed = {name: str(value) for name, value in request.POST.items() if name not in NOT_TYPED}
    while sum(map(len, (*typed, *typed.values()))) > MAX_KEPT:
        del typed[max(typed, key=lambda name: len(name) + len(typed[name]))]
    return typed


def _create(request: HttpRequest, form: OrderForm) -> HttpResponse:
    order_input = form.order_input(form.cleaned_data)
    create = start_drip_feed if order_input.is_drip else create_order
    made = create(
        customer=user_of(request),
        order_input=order_input,
        request_key=form.cleaned_data["request_key"],
        seen_charge=read_seen_charge(request.POST) or 0,
    )
    if drip := made.order.drip_feed:
        if made.created:
            text = ngettext(
                "Drip-feed %(number)s was started: %(runs)s run.",
                "Drip-feed %(number)s was started: %(runs)s runs.",
                drip.runs,
            )
            text %= {"number": drip.pk, "runs": f"{drip.runs:,}"}
            add_message_once(request, messages.SUCCESS, text, while_open=drip)
        return redirect("drip_detail", drip.pk)
    if made.created:
        text = _("Order %(number)s was received.") % {"number": made.order.pk}
        add_message_once(request, messages.SUCCESS, text, while_open=made.order)
    return redirect("order_detail", made.order.pk)


def _with_fresh_key(request: HttpRequest) -> OrderForm:
    data = request.POST.copy()
    data["request_key"] = uuid4().hex
    form = OrderForm(data)
    form.is_valid()
    return form


@login_required
@require_POST
def order_quote(request: HttpRequest) -> HttpResponse:
    """Return the summary of what is typed so far, with the order that still runs for the link."""
    return render(request, "orders/_quote.html", _order_context(request, OrderForm(request.POST)))


@login_required
@require_POST
def order_fields(request: HttpRequest) -> HttpResponse:
    """Return the fields of the service just chosen, with what was typed before, and the summary."""
    return render(request, "orders/_fields_and_summary.html", _order_context(request, _unsent_form(request)))


@login_required
@never_cache
@require_safe
def order_find(request: HttpRequest) -> HttpResponse:
    """Return the matching services as options of the form's list."""
    found = find_services(customer=user_of(request), query=request.GET.get("q", ""))
    return render(request, "orders/_options.html", {"found": found})


def _prefilled_form(request: HttpRequest) -> OrderForm:
    draft = kept(request, DRAFT)
    if draft is not None and not request.GET:
        return OrderForm(chosen=draft.get("service", ""), initial=draft)
    chosen = request.GET.get("service", "")
    typed = {name: value for name, value in request.GET.items() if name not in OWN_FIELDS}
    again = request.GET.get("again")
    if again is None:
        return OrderForm(chosen=chosen, initial=typed)
    order = get_object_or_404(orders_of(customer=user_of(request)), pk=whole_number(again))
    form = OrderForm(chosen=str(order.service_id), initial={**typed_again(order), **typed})
    if typed.get("link") == "":
        form.fields["link"].widget.attrs["autofocus"] = True
    return form


def _unsent_form(request: HttpRequest) -> OrderForm:
    """Return what was typed so far, without validation. A button may ask to split the lines of a parameter."""
    typed = request.POST.dict()
    name = typed.get("preview", "").partition("split:")[2]
    if name in TYPE_FIELDS and name in typed:
        typed[name] = split_lines(name=name, text=str(typed[name]))
    return OrderForm(chosen=request.POST.get("service", ""), initial=typed)


def _order_page(request: HttpRequest, form: OrderForm, *, is_asked: bool = False) -> HttpResponse:
    """Return the page; `is_asked`: nothing was ordered, because of the questions on it."""
    is_finding = request.POST.get("preview") == "find"
    typed = request.POST.get("find", "")
    context = _order_context(request, form)
    # For browsers without scripts; the others call `order_find`.
    found = None
    if is_finding or form.chosen is None:
        found = find_services(customer=user_of(request), query=typed if is_finding else "")
    context |= {
        "is_asked": is_asked,
        "found": found,
        "find_text": typed if is_finding or form.chosen is None else str(form.chosen),
        "has_services": request.method == "POST" or found is None or found.count > 0 or services_on_sale().exists(),
    }
    return render(request, "orders/new.html", context)


def _order_context(request: HttpRequest, form: OrderForm) -> dict[str, Any]:
    service = form.chosen
    offer = offer_of(customer=user_of(request), service=service) if service else None
    return {
        "form": form,
        "owner": owner_of(request),
        "service": service,
        "offer": offer,
        "summary": summarize(customer=user_of(request), form=form, offer=offer),
        "times": times_of(service) if service else None,
        "is_favourite": service is not None and is_favourite(customer=user_of(request), service=service),
        "remarks": form.remarks,
        "question_key": form.question_key,
        "running": running_for_link(customer=user_of(request), link=form["link"].value() or ""),
    }
