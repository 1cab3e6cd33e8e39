"""Where a form of the admin leads back to: the page from which it was opened."""

from __future__ import annotations

from django.http import HttpRequest
from django.utils.http import url_has_allowed_host_and_scheme

# The parameter of the form's address.
NEXT = "next"


def way_back(request: HttpRequest, default: str) -> str:
    """Return the page of this panel that the form's address names, or `default`."""
    wanted = request.GET.get(NEXT, "")
    is_ours = wanted.startswith("/") and url_has_allowed_host_and_scheme(wanted, allowed_hosts=None)
    return wanted if is_ours else default
