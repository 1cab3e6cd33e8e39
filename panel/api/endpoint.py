"""The one address of the API: authentication, rate limits, and dispatch to the seven actions. Protocol: "Actions".

Errors are HTTP 200: most client libraries lose the message with any other status.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import structlog
from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseBadRequest, JsonResponse, UnreadablePostError
from django.views.decorators.csrf import csrf_exempt

from billing.wallets import spendable
from panel.accounts.client_address import client_address
from panel.accounts.models import ApiKey, User
from panel.api.add import add_order
from panel.api.cancel_refill import cancel, refill
from panel.api.errors import BAD_KEY, BAD_REQUEST, INTERNAL, READ_ONLY, WRONG_ADDRESS, ApiError, Throttled
from panel.api.key_use import find_key, may_be_used_from, note_use
from panel.api.params import Params, read_params
from panel.api.rate_limit import count_address, count_key
from panel.api.services import PriceList, price_list
from panel.api.status import refill_status, status
from panel.lib.money import format_plain
from panel.site import registry as site

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Caller:
    """The caller: a program with its key, or a customer on the page that tries the reading actions (None)."""

    customer: User
    key: ApiKey | None = None


@csrf_exempt
def api_v2(request: HttpRequest) -> HttpResponse:
    """Answer a program that sends a key; sessions are ignored."""
    response: HttpResponse
    try:
        response = _answer(request)
    except Throttled as error:
        response = JsonResponse({"error": str(error)}, status=429 if site.API_RATE_LIMIT_429.value else 200)
        response["Retry-After"] = str(error.retry_after)
    except ApiError as error:
        response = JsonResponse({"error": str(error)})
    except UnreadablePostError:
        response = HttpResponseBadRequest()  # The client has disconnected: nobody reads the response.
    except Exception:
        # Not 200: the client must not read this as a refused order.
        log.exception("api request failed")
        response = JsonResponse({"error": INTERNAL}, status=500)
    response["Cache-Control"] = "no-store"
    return response


def _answer(request: HttpRequest) -> HttpResponse:
    address = client_address(request)
    count_address(address)
    params = read_params(request)
    # Nothing holds the secret from here on.
    key = _key(params.pop("key", ""), address)
    count_key(key.pk)
    note_use(key=key, address=address)
    return _as_response(request, answer(caller=Caller(key.customer, key), params=params))


def _key(secret: str, address: str | None) -> ApiKey:
    """Return the key. Raise ApiError, with one text for keys unknown, revoked or of an inactive customer."""
    key = find_key(secret=secret.strip())
    if key is None:
        raise ApiError(BAD_KEY)
    if not may_be_used_from(key=key, address=address):
        raise ApiError(WRONG_ADDRESS)
    return key


def answer(*, caller: Caller, params: Params) -> object:
    """Return the answer as a JSON value, or a PriceList, which is JSON already. Raise ApiError."""
    action = params.get("action", "").strip().lower()
    if read := READING.get(action):
        return read(customer=caller.customer, params=params)
    if action not in WRITING:
        raise ApiError(BAD_REQUEST)
    if caller.key is None or caller.key.is_read_only:
        raise ApiError(READ_ONLY)
    return WRITING[action](caller.key, params)


def _services(*, customer: User, params: Params) -> PriceList:
    return price_list(customer=customer)


def _balance(*, customer: User, params: Params) -> dict[str, str]:
    return {"balance": format_plain(spendable(customer=customer)), "currency": settings.PANEL_CURRENCY}


class Read(Protocol):
    def __call__(self, *, customer: User, params: Params) -> object: ...


# Actions that change nothing: all that a read-only key may do.
READING: dict[str, Read] = {
    "services": _services,
    "status": status,
    "refill_status": refill_status,
    "balance": _balance,
}
WRITING: dict[str, Callable[[ApiKey, Params], object]] = {"add": add_order, "refill": refill, "cancel": cancel}


def _as_response(request: HttpRequest, value: object) -> HttpResponse:
    """Return the value as JSON; a price list is JSON already."""
    if isinstance(value, PriceList):
        return value.response(request)
    # Lists too: with a JSON content type, scripts of other sites cannot read them.
    return JsonResponse(value, safe=False)
