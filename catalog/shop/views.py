"""Views of the shop: services and their categories, changes, and favorites."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps

from django.contrib.auth.decorators import login_required
from django.contrib.auth.views import redirect_to_login
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_POST, require_safe

from catalog.models import Service
from catalog.prices.customer_prices import offers_for
from catalog.selectors import times_of
from catalog.shop.changelog import count_lately
from catalog.shop.changelog_page import find_news
from catalog.shop.favorites import mark_favourite, unmark_favourite
from catalog.shop.service_filters import MAX_QUERY, SORTS, read_filters
from catalog.shop.service_list import list_categories, list_services, whole_services
from panel.accounts.signed_in import user_of
from panel.site import registry as site

View = Callable[..., HttpResponse]

MAX_NAME = 100
# Of a primary key on every database.
MAX_KEY = 2**63 - 1


def allow_visitors(view: View) -> View:
    """Let visitors in if PUBLIC_SHOP is on; otherwise redirect them to sign in."""

    @wraps(view)
    def guarded(request: HttpRequest, *args: object, **kwargs: object) -> HttpResponse:
        if not (request.user.is_authenticated or site.PUBLIC_SHOP.value):
            return redirect_to_login(request.get_full_path())
        return view(request, *args, **kwargs)

    return guarded


@require_safe
@allow_visitors
def services(request: HttpRequest) -> HttpResponse:
    """Show the services on sale, at the customer's prices; filters and sorting come from the URL."""
    wanted = read_filters(request.GET.dict())
    context = {
        "listing": list_services(wanted=wanted, customer=request.user),
        "wanted": wanted,
        "sorts": SORTS,
        "changes": count_lately(),
        "categories_url": reverse("service_categories") + wanted.address(),
    }
    response = render(request, "catalog/services.html", context)
    if request.headers.get("HX-Request") and not request.headers.get("HX-Boosted"):
        # The URL of the shown page, without empty fields. Links say themselves where they lead.
        response["HX-Replace-Url"] = reverse("services") + (wanted.address(page=wanted.page).removesuffix("?"))
    return response


@require_safe
@allow_visitors
def service_categories(request: HttpRequest) -> HttpResponse:
    """Show all categories with services that pass the filters in the URL; those with the words of `name`, if any."""
    wanted = read_filters(request.GET.dict())
    name = request.GET.get("name", "").replace("\x00", "")[:MAX_NAME]
    context = {
        "wanted": wanted,
        "name": name,
        "categories": list_categories(wanted=wanted, customer=request.user, name=name),
        "back": reverse("services") + wanted.address().removesuffix("?"),
    }
    return render(request, "catalog/categories.html", context)


@require_safe
@allow_visitors
def service_page(request: HttpRequest, pk: int) -> HttpResponse:
    """Show what is known of one service, at the customer's price; `link` goes along to the order form."""
    service = whole_services([pk], request.user).first() if pk <= MAX_KEY else None
    if service is None:
        raise Http404
    [offer] = offers_for(customer=request.user, services=[service])
    link = request.GET.get("link", "").replace("\x00", "")[:MAX_QUERY]
    context = {"service": service, "offer": offer, "times": times_of(service), "link": link}
    return render(request, "catalog/service.html", context)


@require_safe
@allow_visitors
def service_changes(request: HttpRequest) -> HttpResponse:
    """Show changes of the last 30 days: new, back, cheaper, dearer, gone."""
    page = find_news(params=request.GET.dict(), customer=request.user)
    return render(request, "catalog/changes.html", {"news": page})


@require_POST
@login_required
def service_favourite(request: HttpRequest, pk: int) -> HttpResponse:
    """Mark or unmark a service as favorite, as `on` says. Repeating it changes nothing."""
    is_on = request.POST.get("on") == "1"
    change = mark_favourite if is_on else unmark_favourite
    try:
        service = change(customer=user_of(request), service_id=pk)
    except Service.DoesNotExist:
        raise Http404 from None
    back = request.POST.get("next", "")
    is_ours = url_has_allowed_host_and_scheme(back, {request.get_host()}, require_https=request.is_secure())
    if not is_ours or not back.startswith("/"):  # `redirect` would take other text for a view name.
        back = reverse("services")
    if request.headers.get("HX-Request"):
        return render(request, "catalog/_star.html", {"service": service, "is_favourite": is_on})
    return redirect(back)
