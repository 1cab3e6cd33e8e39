"""The signed-in customer's bell, for every page."""

from __future__ import annotations

from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject

from panel.news.bell import bell_of


def bell(request: HttpRequest) -> dict[str, object]:
    """Return `bell`, lazy: a page that does not show it runs no query for it."""
    user = getattr(request, "user", None)
    if user is None or not user.is_authenticated:
        return {}
    return {"bell": SimpleLazyObject(lambda: bell_of(user))}
