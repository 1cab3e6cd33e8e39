"""What every customer page shows: the owner's name and look, and the signed-in customer's balance."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject

from billing.wallets import balance_of


def site(request: HttpRequest) -> dict[str, Any]:
    """`balance` (micro-units) is lazy: a page that does not show it runs no query for it."""
    context: dict[str, Any] = {
        "panel_name": settings.PANEL_NAME,
        "panel_logo_url": settings.PANEL_LOGO_URL,
        "panel_currency": settings.PANEL_CURRENCY,
        "support_email": settings.SUPPORT_EMAIL,
        "is_shop_public": settings.PUBLIC_SHOP,
    }
    user = getattr(request, "user", None)
    if user is not None and user.is_authenticated:
        context["balance"] = SimpleLazyObject(lambda: balance_of(customer=user))
    return context
