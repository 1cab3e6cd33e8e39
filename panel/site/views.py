"""The owner's colours as a style sheet."""

from __future__ import annotations

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.views.decorators.cache import cache_control
from django.views.decorators.http import require_safe

from panel.site.accent import stylesheet


@require_safe
@cache_control(public=True, max_age=365 * 24 * 3600, immutable=True)
def theme_css(request: HttpRequest) -> HttpResponse:
    """Return the accent as CSS variables. The address contains the colour (`theme_url`), so it is cached for good."""
    return HttpResponse(stylesheet(settings.PANEL_ACCENT), content_type="text/css; charset=utf-8")
