"""The page that explains the API, and its form that tries the reading actions out."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_safe

from panel.api.docs.console import try_out
from panel.api.docs.page import docs_for


@require_safe
def api_docs(request: HttpRequest) -> HttpResponse:
    """For everybody; whoever is signed in reads of their own services, prices and orders."""
    return render(request, "api/docs.html", _context(request))


@require_http_methods(["GET", "HEAD", "POST"])
def api_try(request: HttpRequest) -> HttpResponse:
    """Asks one reading action: the answer alone for htmx, else the page with the answer in it. Whoever comes by its
    address alone is led to the form."""
    form = f"{reverse('api_docs')}#try"
    is_part = bool(request.headers.get("HX-Request"))
    if not request.user.is_authenticated:
        # In place: where the page was loaded anew, the form would be gone without a word.
        return render(request, "api/_signed_out.html") if is_part else redirect_to_login(form)
    if request.method != "POST":
        return redirect(form)
    asked = {name: request.POST.get(name, "") for name in ("action", "ids")}
    tried = try_out(customer=request.user, **asked, address=_address())
    if is_part:
        return render(request, "api/_tried.html", {"tried": tried})
    return render(request, "api/docs.html", _context(request) | {"tried": tried, "asked": asked})


def _context(request: HttpRequest) -> dict[str, Any]:
    customer = request.user if request.user.is_authenticated else None
    return docs_for(customer=customer, address=_address())


def _address() -> str:
    return f"{settings.SITE_URL}{reverse('api_v2')}"
