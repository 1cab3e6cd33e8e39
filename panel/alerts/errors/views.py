"""The pages of a server that fails. They need no database, no session and no context processors."""

from __future__ import annotations

import sys
from contextlib import suppress
from typing import Any

from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string

from panel.alerts.errors.reports import number_of, number_of_request
from panel.site import registry

# Seconds after which programs and search engines may ask again.
RETRY_AFTER = 30


def server_error(request: HttpRequest) -> HttpResponse:
    """Return the page of the error that Django handles now, with its number: 503 if the database does not answer."""
    error = sys.exception()
    facts = {**owner_facts(), "number": number_of(error)}
    if not isinstance(error, (OperationalError, InterfaceError)):
        return HttpResponse(render_to_string("500.html", facts), status=500)
    # Only what was read can be asked again: a form would be sent twice, or lost.
    path = request.get_full_path() if request.method in ("GET", "HEAD") else "/"
    page = HttpResponse(render_to_string("503.html", {**facts, "path": path}), status=503)
    page["Retry-After"] = str(RETRY_AFTER)
    page["Cache-Control"] = "no-store"
    return page


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Return the page of a request that cannot be read: its host may be wrong, so nothing of it is used."""
    return HttpResponse(render_to_string("400.html", {**owner_facts(), "number": number_of_request()}), status=400)


def owner_facts() -> dict[str, Any]:
    """Return the owner's name, accent and addresses as they were last known; nothing if they never were."""
    with suppress(Exception):  # A page of an error must not fail, whatever is broken.
        return {
            "panel_name": registry.PANEL_NAME.value,
            "accent": registry.PANEL_ACCENT.value.lstrip("#"),
            "support_email": registry.SUPPORT_EMAIL.value,
            "support_url": registry.SUPPORT_URL.value,
        }
    return {}
