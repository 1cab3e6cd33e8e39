"""Template context for every page: the panel's name and look."""

from __future__ import annotations

from django.conf import settings
from django.http import HttpRequest


def brand(request: HttpRequest) -> dict[str, object]:
    """Return what templates show of the owner."""
    return {
        "panel_name": settings.PANEL_NAME,
        "panel_logo_url": settings.PANEL_LOGO_URL,
        "panel_currency": settings.PANEL_CURRENCY,
        "support_email": settings.SUPPORT_EMAIL,
        "is_shop_public": settings.PUBLIC_SHOP,
    }
