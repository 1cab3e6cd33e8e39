"""Where the request that is being answered came from, for code that has no request in hand."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from typing import NamedTuple

from allauth.account.adapter import get_adapter
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse

MAX_AGENT = 200

_answered: ContextVar[HttpRequest | None] = ContextVar("answered", default=None)


class Origin(NamedTuple):
    """The address of a request, None if it is not known, and the program that sent it."""

    address: str | None
    agent: str


def current_origin() -> Origin:
    """Return where the request came from; nothing in a task or a command.

    Behind a proxy, the address is what TRUSTED_PROXY_COUNT proxies say of it.
    """
    request = _answered.get()
    if request is None:
        return Origin(None, "")
    try:
        address = str(get_adapter().get_client_ip(request))
    except PermissionDenied:  # The proxy did not say.
        address = None
    agent = "".join(letter for letter in request.META.get("HTTP_USER_AGENT", "") if letter.isprintable())
    return Origin(address, agent[:MAX_AGENT])


class OriginMiddleware:
    """Remembers the request while it is answered."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        token = _answered.set(request)
        try:
            return self.get_response(request)
        finally:
            _answered.reset(token)
