"""The signed-in customer's balance and bell, for every page."""

from __future__ import annotations

from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject

from panel.news.bell import TopBar, top_bar_of


def top_bar(request: HttpRequest) -> dict[str, object]:
    """Return `balance` (micro-units) and `bell`, lazy: a page that shows neither runs no query for them."""
    user = getattr(request, "user", None)
    if user is None or not user.is_authenticated:
        return {}
    found: list[TopBar] = []

    def once() -> TopBar:
        if not found:
            found.append(top_bar_of(user))
        return found[0]

    return {
        "balance": SimpleLazyObject(lambda: once().balance),
        "bell": SimpleLazyObject(lambda: once().bell),
    }
