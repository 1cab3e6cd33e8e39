"""The order form. The view parses and chooses a page; creating the order is a service."""

from __future__ import annotations

from datetime import timedelta
from http import HTTPStatus
from typing import Any
from urllib.parse import urlencode
from uuid import uuid4

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.cache import cache_control, never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from catalog.prices.customer_prices import offer_of
from catalog.search.links import read_link
from catalog.selectors import services_on_sale, times_of
from orders.checkout.create import AlreadyOrdered, CreatedOrder, NotEnoughFunds, PriceChanged, create_order
from orders.checkout.drip_feeds import start_drip_feed
from orders.checkout.questions import split_lines
from orders.checkout.validation import OrderRefused
from orders.common.drafts import DraftFacts, became_order, bounded, draft_of, drop_draft, keep_draft
from orders.models import OrderDraft
from orders.selectors import orders_of
from orders.web.active_link import running_for_link
from orders.web.order_form import OWN_FIELDS, TYPE_FIELDS, OrderForm, typed_again
from orders.web.order_summary import cents_text, draft_facts, read_seen_charge, summarize
from orders.web.service_search import Asked, find_services, is_favourite, platforms_on_sale
from orders.web.views.drafts import browser_mark_of, drop, is_owner, keep, kept, owner_of
from orders.web.views.last_orders import last_orders
from orders.web.views.messages import add_message_once
from panel.accounts.signed_in import user_of
from panel.lib import clock
from panel.lib.digits import whole_number

DRAFT = "typed_order"
NOT_TYPED = ("csrfmiddlewaretoken", "owner", "seen_charge", "seen_missing", "answered", "preview")
# A form that is sent again within this time was sent twice by one click, or by a browser that got no answer.
ONE_CLICK = timedelta(seconds=10)


@cache_control(private=True, no_cache=True)
@require_http_methods(["GET", "HEAD", "POST"])
def order_new(request: HttpRequest) -> HttpResponse:
    """Show the order form; a POST creates the order, or shows the mistakes and keeps what was typed.

    GET prefills it from `service` and any of its fields, or from `again` with an order's number.
    """
    if not request.user.is_authenticated:
        return _to_sign_in(request)
    if request.method != "POST":
        return _open_page(request)
    drop(request, DRAFT)
    if "preview" in request.POST:
        form = _unsent_form(request)
        if became_order(customer=user_of(request), request_key=request.POST.get("request_key", "")):
            form.initial["request_key"] = uuid4().hex  # The browser went back to it, and this is another order.
        return _order_page(request, form, keeps=True)
    form = OrderForm(request.POST)
    try:
        if form.is_valid():
            if not form.is_confirmed:
                return _order_page(request, form, is_asked=True, keeps=True)
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
    except NotEnoughFunds as refusal:
        if "seen_missing" in request.POST and is_owner(request):
            return _to_add_funds(request, form, refusal)
        form.add_refusals(refusal)
    except OrderRefused as refusal:
        form.add_refusals(refusal)
    return _order_page(request, form, keeps=True)


def _to_sign_in(request: HttpRequest) -> HttpResponse:
    if request.method != "POST":
        return redirect_to_login(request.get_full_path())
    keep(request, DRAFT, bounded(_typed(request)))
    return redirect_to_login(reverse("order_new"))


def _to_add_funds(request: HttpRequest, form: OrderForm, refusal: NotEnoughFunds) -> HttpResponse:
    """Keep the order, and ask for what is missing. The customer saw that on the button."""
    _keep_typed(request, _order_context(request, form))
    return redirect(f"{reverse('add_funds')}?{urlencode({'amount': cents_text(refusal.missing)})}")


def _typed(request: HttpRequest) -> dict[str, str]:
    return {name: str(value) for name, value in request.POST.items() if name not in NOT_TYPED}


def _keep_typed(request: HttpRequest, context: dict[str, Any]) -> None:
    """Keep what was posted as the customer's draft. An empty form keeps none, and takes away what was there.

    A page that another customer left open in this browser is not kept for the one who signed in since.
    """
    if not is_owner(request):
        return
    customer, form = user_of(request), context["form"]
    typed = {**_typed(request), "request_key": str(form["request_key"].value() or "")}
    if any(typed.get(name, "").strip() for name in ("service", "link", *TYPE_FIELDS)):
        facts = draft_facts(form=form, summary=context["summary"])
        keep_draft(customer=customer, typed=typed, facts=facts)
    else:
        drop_draft(customer=customer)


def _create(request: HttpRequest, form: OrderForm) -> HttpResponse:
    order_input = form.order_input(form.cleaned_data)
    create = start_drip_feed if order_input.is_drip else create_order
    made = create(
        customer=user_of(request),
        order_input=order_input,
        request_key=form.cleaned_data["request_key"],
        seen_charge=read_seen_charge(request.POST) or 0,
    )
    drop_draft(customer=user_of(request), request_key=form.cleaned_data["request_key"])
    _say_created(request, made)
    drip = made.order.drip_feed
    return redirect("drip_detail", drip.pk) if drip else redirect("order_detail", made.order.pk)


def _say_created(request: HttpRequest, made: CreatedOrder) -> None:
    order, drip = made.order, made.order.drip_feed
    if not made.created and clock.now() - order.created_at > ONE_CLICK:
        messages.info(request, _("This form was sent before and created what you see here. Nothing new was ordered."))
    elif drip:
        text = ngettext(
            "Drip-feed %(number)s was started: %(runs)s run.",
            "Drip-feed %(number)s was started: %(runs)s runs.",
            drip.runs,
        )
        text %= {"number": drip.pk, "runs": f"{drip.runs:,}"}
        add_message_once(request, messages.SUCCESS, text, while_open=drip)
    else:
        text = _("Order %(number)s was received.") % {"number": order.pk}
        add_message_once(request, messages.SUCCESS, text, while_open=order)


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
    context = _order_context(request, OrderForm(request.POST))
    _keep_typed(request, context)
    return render(request, "orders/_quote.html", context)


@login_required
@require_POST
def order_fields(request: HttpRequest) -> HttpResponse:
    """Return the fields of the service just chosen, with what was typed before, and the summary."""
    context = _order_context(request, _unsent_form(request))
    _keep_typed(request, context)
    return render(request, "orders/_fields_and_summary.html", context)


@login_required
@never_cache
@require_safe
def order_sent(request: HttpRequest) -> HttpResponse:
    """Say if the form with this `key` created an order: a browser that sent it may have got no answer."""
    key = request.GET.get("key", "")
    return JsonResponse({"is_created": became_order(customer=user_of(request), request_key=key)})


@login_required
@require_POST
def order_discard(request: HttpRequest) -> HttpResponse:
    """Forget what the customer typed, and open an empty form."""
    drop(request, DRAFT)
    drop_draft(customer=user_of(request))
    return redirect("order_new")


def order_after_csrf_failure(request: HttpRequest) -> HttpResponse | None:
    """Return the form with what was posted, to be sent again; None if it was not this customer's form.

    A post that failed this check orders nothing and keeps no draft of a signed-in customer: another site may have made
    it. The signature in the form shows that it was not.
    """
    if not request.user.is_authenticated:
        return _to_sign_in(request)
    if not is_owner(request):
        return None
    messages.warning(request, _("You signed in again meanwhile, so nothing was ordered. Check your order and send it."))
    response = _order_page(request, _unsent_form(request))
    response.status_code = HTTPStatus.FORBIDDEN
    return response


@login_required
@never_cache
@require_safe
def order_find(request: HttpRequest) -> HttpResponse:
    """Return the matching services as options of the form's list."""
    asked = Asked(
        query=request.GET.get("q", ""),
        platform=request.GET.get("platform", ""),
        category=whole_number(request.GET.get("category", ""), max_digits=9) or 0,
    )
    found = find_services(customer=user_of(request), asked=asked, is_opening=True)
    return render(request, "orders/_options.html", {"found": found})


def _open_page(request: HttpRequest) -> HttpResponse:
    """Show what the customer typed last, for the service that the address asks for; or all that the address asks for,
    which replaces the draft only once something is typed there.
    """
    customer = user_of(request)
    if typed := kept(request, DRAFT):
        # It was posted after the session had ended. From now on it is kept like all that is typed.
        drop(request, DRAFT)
        keep_draft(customer=customer, typed=typed, facts=DraftFacts())
    draft = draft_of(customer=customer)
    if draft is None:
        return _order_page(request, _prefilled_form(request))
    if any(name in request.GET for name in ("again", "link", *TYPE_FIELDS)):
        return _order_page(request, _prefilled_form(request), has_other_draft=True)
    typed = draft.typed
    if chosen := request.GET.get("service"):
        # With a key of its own: the draft may be open in another tab.
        typed = {**typed, "service": chosen, "request_key": uuid4().hex}
    form = OrderForm(chosen=typed.get("service", ""), initial=typed)
    return _order_page(request, form, draft=draft)


def _prefilled_form(request: HttpRequest) -> OrderForm:
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


def _order_page(
    request: HttpRequest,
    form: OrderForm,
    *,
    keeps: bool = False,
    is_asked: bool = False,
    draft: OrderDraft | None = None,
    has_other_draft: bool = False,
) -> HttpResponse:
    """Return the page. `keeps`: what was posted becomes the draft. `is_asked`: nothing was ordered, because of the
    questions on it. `draft`: what the form was filled in from. `has_other_draft`: another order is kept.
    """
    is_finding = request.POST.get("preview") == "find"
    typed = request.POST.get("find", "")
    if is_finding and not request.POST.get("link") and read_link(typed):
        form.initial["link"] = typed.strip()
    _focus_first_error(form)
    context = _order_context(request, form)
    if keeps:
        _keep_typed(request, context)
    # For browsers without scripts; the others call `order_find`.
    found = None
    if is_finding or form.chosen is None:
        found = find_services(customer=user_of(request), asked=Asked(typed if is_finding else ""))
    context |= {
        "is_asked": is_asked,
        "draft": draft,
        "has_other_draft": has_other_draft,
        "draft_of": browser_mark_of(request),
        **last_orders(customer=user_of(request)),
        "found": found,
        "find_text": typed if is_finding or form.chosen is None else str(form.chosen),
        "platforms": platforms_on_sale(),
        "has_services": request.method == "POST" or found is None or found.count > 0 or services_on_sale().exists(),
    }
    return render(request, "orders/new.html", context)


def _focus_first_error(form: OrderForm) -> None:
    """Let the browser begin where the first mistake is, in the order of the page."""
    names = ("link", *(param.name for param in form.params), "quantity", "runs", "interval")
    if wrong := next((name for name in names if name in form.errors and name in form.fields), None):
        form.fields[wrong].widget.attrs["autofocus"] = True


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
