"""Tags for the pages of errors."""

from __future__ import annotations

from urllib.parse import urlsplit

from django import template
from django.http import HttpRequest
from django.template import Context
from django.utils.http import url_has_allowed_host_and_scheme

from panel.alerts.errors.reports import number_of_request

register = template.Library()


@register.inclusion_tag("_error_end.html", takes_context=True)
def error_end(context: Context) -> dict[str, object]:
    """Return the context of the ways on from an error, of support, and of the number that finds the request."""
    request = context["request"]
    names = ("support_email", "support_url", "user", "is_shop_public")
    shown = {name: context.get(name) for name in names}
    return {**shown, "back": page_before(request), "number": number_of_request()}


def page_before(request: HttpRequest) -> str:
    """Return the path of this site's page that led here; "" if there is none, or it is this one."""
    came_from = request.META.get("HTTP_REFERER", "")
    if not url_has_allowed_host_and_scheme(
        came_from, allowed_hosts={request.get_host()}, require_https=request.is_secure()
    ):
        return ""
    parts = urlsplit(came_from)
    if parts.path == request.path or not parts.path.startswith("/"):
        return ""
    return f"{parts.path}?{parts.query}" if parts.query else parts.path
