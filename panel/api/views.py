"""The one address of the API. Errors are HTTP 200: most client libraries lose the message with any other status."""

from __future__ import annotations

from typing import Any

import structlog
from allauth.account.adapter import get_adapter
from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseBadRequest, JsonResponse, UnreadablePostError
from django.views.decorators.csrf import csrf_exempt

from panel.accounts.models import ApiKey
from panel.api.actions import Caller, answer
from panel.api.errors import BAD_KEY, INTERNAL, WRONG_ADDRESS, ApiError, Throttled
from panel.api.key_use import find_key, may_be_used_from, note_use
from panel.api.params import read_params
from panel.api.rate_limit import count_address, count_key
from panel.api.services import PriceList

log = structlog.get_logger(__name__)


@csrf_exempt
def api_v2(request: HttpRequest) -> HttpResponse:
    """Answers a program that brings a key; sessions mean nothing here."""
    response: HttpResponse
    try:
        response = _answer(request)
    except Throttled as error:
        response = JsonResponse({"error": str(error)}, status=429 if settings.API_RATE_LIMIT_429 else 200)
        response["Retry-After"] = str(error.retry_after)
    except ApiError as error:
        response = JsonResponse({"error": str(error)})
    except UnreadablePostError:
        response = HttpResponseBadRequest()  # The client is gone: nobody reads it.
    except Exception:
        # Not 200: whoever ordered must not read this as a refusal.
        log.exception("api request failed")
        response = JsonResponse({"error": INTERNAL}, status=500)
    response["Cache-Control"] = "no-store"
    return response


def _answer(request: HttpRequest) -> HttpResponse:
    address = _address(request)
    count_address(address)
    params = read_params(request)
    # From here on nothing holds the secret.
    key = _key(params.pop("key", ""), address)
    count_key(key.pk)
    note_use(key=key, address=address)
    return _as_response(request, answer(caller=Caller(key.customer, key), params=params))


def _key(secret: str, address: str | None) -> ApiKey:
    """Raises ApiError; of keys that are unknown, revoked or of a customer who is switched off it says the same."""
    key = find_key(secret=secret.strip())
    if key is None:
        raise ApiError(BAD_KEY)
    if not may_be_used_from(key=key, address=address):
        raise ApiError(WRONG_ADDRESS)
    return key


def _as_response(request: HttpRequest, value: Any) -> HttpResponse:
    """The value as JSON; a price list is JSON already."""
    if isinstance(value, PriceList):
        return value.response(request)
    # Lists too: they cannot be read by another site's script since the content type says JSON.
    return JsonResponse(value, safe=False)


def _address(request: HttpRequest) -> str | None:
    """As the sign-in page sees it, behind a proxy too; None on a socket without addresses."""
    try:
        return str(get_adapter().get_client_ip(request))
    except PermissionDenied:
        return None
