"""The page of an error that nobody expected, with its number."""

from __future__ import annotations

import sys

from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string

from panel.alerts.errors.reports import number_of


def server_error(request: HttpRequest) -> HttpResponse:
    """Return the page. It needs no database: Django calls it while it handles the error."""
    return HttpResponse(render_to_string("500.html", {"number": number_of(sys.exception())}), status=500)
