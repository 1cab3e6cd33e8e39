"""What a person put off, and how much they decided, in this session."""

from __future__ import annotations

from django.http import HttpRequest

_LATER = "needs_later"
_DECIDED = "needs_decided"
# What was put off longest ago comes back first.
MAX_LATER = 200


def put_off(request: HttpRequest, key: tuple[str, int]) -> None:
    """Have the item follow after all others."""
    kept = [place for place in put_off_items(request) if place != key]
    request.session[_LATER] = [list(place) for place in [*kept, key][-MAX_LATER:]]


def put_off_items(request: HttpRequest) -> list[tuple[str, int]]:
    """Return the keys of the items that were put off, in that order."""
    return [(key, pk) for key, pk in request.session.get(_LATER, [])]


def count_decided(request: HttpRequest) -> int:
    """Return how many items the person decided since nothing was left the last time."""
    return int(request.session.get(_DECIDED, 0))


def add_decided(request: HttpRequest) -> None:
    request.session[_DECIDED] = count_decided(request) + 1


def begin_anew(request: HttpRequest) -> None:
    """Forget both: nothing is left."""
    for name in (_LATER, _DECIDED):
        request.session.pop(name, None)
