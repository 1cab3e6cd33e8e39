"""The owner's brand in the admin, as django-unfold asks for it: `panel.admin_theme` names these functions."""

from __future__ import annotations

from django.http import HttpRequest
from django.templatetags.static import static

from panel.site import registry
from panel.site.accent import palette


def name(request: HttpRequest) -> str:
    return registry.PANEL_NAME.value


def logo(request: HttpRequest) -> str | None:
    return registry.PANEL_LOGO.url or None


def icon(request: HttpRequest) -> str | None:
    return registry.PANEL_FAVICON.url or None


def favicons(request: HttpRequest) -> list[dict[str, object]]:
    address = registry.PANEL_FAVICON.url
    if not address:
        return [{"rel": "icon", "type": "image/svg+xml", "href": lambda request: static("favicon.svg")}]
    # A function, because a text would be tried as the path of one. No type: the answer tells it.
    return [{"rel": "icon", "href": lambda request: address}]


def primary(request: HttpRequest) -> dict[str, str]:
    """Return the shades of the accent by unfold's numbers."""
    return dict(palette(registry.PANEL_ACCENT.value))
