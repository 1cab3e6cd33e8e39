"""The panel's addresses, and an empty view, whose time is the machine's and the middleware's alone."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.urls import path

from panel.urls import urlpatterns as panel_urls

EMPTY = "/bench/empty"


def empty(request: HttpRequest) -> HttpResponse:
    return HttpResponse(b"")


urlpatterns = [*panel_urls, path(EMPTY.removeprefix("/"), empty)]
