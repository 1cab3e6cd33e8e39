"""The shop: the page that a visitor sees first, its shelves, what changed on them, and a customer's favourites."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps

from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.contrib.auth.views import redirect_to_login
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_POST, require_safe

from catalog.models import Service
from catalog.shop.changelog import count_lately
from catalog.shop.changelog_page import find_news
from catalog.shop.favorites import mark_favourite, unmark_favourite
from catalog.shop.service_list import SORTS, find_shelves, read_wanted, shop_window
from panel.accounts.signed_in import user_of

View = Callable[..., HttpResponse]


def for_visitors_too(view: View) -> View:
    """Open to visitors where the owner shows the shop to them; else they sign in first."""

    @wraps(view)
    def guarded(request: HttpRequest, *args: object, **kwargs: object) -> HttpResponse:
        if not (request.user.is_authenticated or settings.PUBLIC_SHOP):
            return redirect_to_login(request.get_full_path())
        return view(request, *args, **kwargs)

    return guarded


@require_safe
def home(request: HttpRequest) -> HttpResponse:
    """Welcomes visitors, with a piece of the shop where the owner shows it; whoever is signed in wants to order."""
    if request.user.is_authenticated:
        return redirect("order_new")
    return render(request, "home.html", {"window": shop_window() if settings.PUBLIC_SHOP else None})


@require_safe
@for_visitors_too
def services(request: HttpRequest) -> HttpResponse:
    """What is on sale, by category, at the customer's prices; searched, filtered and sorted by the address."""
    wanted = read_wanted(request.GET.dict())
    context = {
        "shelves": find_shelves(wanted=wanted, customer=request.user),
        "wanted": wanted,
        "sorts": SORTS,
        "changes": count_lately(),
    }
    response = render(request, "catalog/services.html", context)
    if request.headers.get("HX-Request"):
        # The address of what is shown, without the fields that were left empty.
        response["HX-Replace-Url"] = reverse("services") + (wanted.address(page=wanted.page).removesuffix("?"))
    return response


@require_safe
@for_visitors_too
def service_changes(request: HttpRequest) -> HttpResponse:
    """What is new, back, cheaper, dearer or gone of the last 30 days."""
    page = find_news(params=request.GET.dict(), customer=request.user)
    return render(request, "catalog/changes.html", {"news": page})


@require_POST
@login_required
def service_favourite(request: HttpRequest, pk: int) -> HttpResponse:
    """Marks a service, or takes the mark away, as `on` says: a second click of the same kind changes nothing."""
    is_on = request.POST.get("on") == "1"
    change = mark_favourite if is_on else unmark_favourite
    try:
        service = change(customer=user_of(request), service_id=pk)
    except Service.DoesNotExist:
        raise Http404 from None
    back = request.POST.get("next", "")
    is_ours = url_has_allowed_host_and_scheme(back, {request.get_host()}, require_https=request.is_secure())
    if not is_ours or not back.startswith("/"):  # `redirect` takes other words for names of views.
        back = reverse("services")
    if request.headers.get("HX-Request"):
        return render(request, "catalog/_star.html", {"service": service, "is_favourite": is_on, "back": back})
    return redirect(back)
