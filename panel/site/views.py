"""The owner's colours as a style sheet, and the logo and favicon."""

from __future__ import annotations

import re

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.utils.cache import patch_cache_control
from django.views.decorators.cache import cache_control
from django.views.decorators.http import require_safe

from panel.site import registry
from panel.site.accent import stylesheet
from panel.site.models import SiteFile


@require_safe
def theme_css(request: HttpRequest) -> HttpResponse:
    """Return the accent as CSS variables.

    The address contains the colour (`theme_url`), so it is cached for good. It is that colour, not the one that this
    process knows as the panel's: for a second after a change, processes know different ones.
    """
    asked = request.GET.get("v", "")
    is_named = re.fullmatch(r"[0-9a-f]{6}", asked) is not None
    colour = f"#{asked}" if is_named else registry.PANEL_ACCENT.value
    response = HttpResponse(stylesheet(colour), content_type="text/css; charset=utf-8")
    if is_named:
        patch_cache_control(response, public=True, max_age=365 * 24 * 3600, immutable=True)
    else:
        patch_cache_control(response, no_cache=True)
    return response


@require_safe
@cache_control(public=True, max_age=365 * 24 * 3600, immutable=True)
def site_file(request: HttpRequest, digest: str) -> HttpResponse:
    """Return an uploaded file by the digest of its bytes, which never change.

    Opened by itself, an SVG is a page of this site: it gets a policy under which nothing in it runs or loads.
    """
    file = get_object_or_404(SiteFile, digest=digest)
    response = HttpResponse(bytes(file.content), content_type=file.content_type)
    response["X-Content-Type-Options"] = "nosniff"
    response["Content-Security-Policy"] = "default-src 'none'; style-src 'unsafe-inline'; sandbox"
    return response
