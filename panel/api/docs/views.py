"""The page that documents the API, and its form to try the reading actions."""

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
    """Show the documentation to everybody; signed-in customers see their own services, prices and orders."""
    return render(request, "api/docs.html", _context(request))


@require_http_methods(["GET", "HEAD", "POST"])
def api_try(request: HttpRequest) -> HttpResponse:
    """Run one reading action. Return only the answer for htmx, else the page with the answer.

    A GET redirects to the form.
    """
    form = f"{reverse('api_docs')}#try"
    is_part = bool(request.headers.get("HX-Request"))
    if not request.user.is_authenticated:
        # As a partial: a full reload would lose the form without explanation.
        return render(request, "api/_signed_out.html") if is_part else redirect_to_login(form)
    if request.method != "POST":
        return redirect(form)
    inputs = {name: request.POST.get(name, "") for name in ("action", "ids")}
    tried = try_out(customer=request.user, **inputs, address=_address())
    if is_part:
        return render(request, "api/_tried.html", {"tried": tried})
    return render(request, "api/docs.html", _context(request) | {"tried": tried, "inputs": inputs})


def _context(request: HttpRequest) -> dict[str, Any]:
    customer = request.user if request.user.is_authenticated else None
    return docs_for(customer=customer, address=_address())


def _address() -> str:
    return f"{settings.SITE_URL}{reverse('api_v2')}"
