"""Template context for every page: the panel's name and look."""

from __future__ import annotations

from django.conf import settings
from django.http import HttpRequest

from panel.site import registry


def brand(request: HttpRequest) -> dict[str, object]:
    """Return what templates show of the owner."""
    return {
        "panel_name": registry.PANEL_NAME.value,
        "panel_logo_url": registry.PANEL_LOGO.url,
        "panel_favicon_url": registry.PANEL_FAVICON.url,
        "time_zone_cookie": settings.TIME_ZONE_COOKIE_NAME,
        "panel_currency": settings.PANEL_CURRENCY,
        "support_email": registry.SUPPORT_EMAIL.value,
        "support_url": registry.SUPPORT_URL.value,
        "is_shop_public": registry.PUBLIC_SHOP.value,
        "is_sign_up_open": registry.SIGN_UP.value == "open",
    }
