"""The signed-in customer's balance, for every page."""

from __future__ import annotations

from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject

from billing.wallets import balance_of


def balance(request: HttpRequest) -> dict[str, object]:
    """Return `balance` (micro-units), lazy: a page that does not show it runs no query for it."""
    user = getattr(request, "user", None)
    if user is None or not user.is_authenticated:
        return {}
    return {"balance": SimpleLazyObject(lambda: balance_of(customer=user))}
