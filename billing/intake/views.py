"""The addresses that calls go to. The views read the request; `calls` and `webhooks` decide."""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus

from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from billing.intake.calls import MAX_BODY, Answer, Call, receive_call
from billing.intake.gateways import gateways
from billing.intake.webhooks import receive_webhook
from billing.models import PaymentMethod
from panel.accounts.client_address import client_address
from panel.lib.request_counts import counted_address, seconds_to_wait

# Calls of one address to one method in a minute, beyond which nothing is read or kept.
MAX_CALLS = 300
WINDOW = 60


@csrf_exempt
@never_cache
@require_POST
def signed_call(request: HttpRequest, pk: int) -> HttpResponse:
    """Take a signed call (docs/payments/signed-intake.md): 202 or 200 once it is stored, else why not as JSON."""
    method = get_object_or_404(PaymentMethod, pk=pk, kind="signed")
    return _take(request, method, receive_call)


@csrf_exempt
@never_cache
@require_POST
def gateway_call(request: HttpRequest, code: str, pk: int) -> HttpResponse:
    """Take a call of a gateway: 200 once it is stored, 401 if it is not genuine."""
    if code not in gateways():
        raise Http404
    method = get_object_or_404(PaymentMethod, pk=pk, kind=code)
    return _take(request, method, receive_webhook)


def _take(request: HttpRequest, method: PaymentMethod, receive: Callable[..., Answer]) -> HttpResponse:
    address = client_address(request)
    name = f"intake:{method.pk}:{counted_address(address)}"
    if wait := seconds_to_wait(name=name, most=MAX_CALLS, window=WINDOW):
        answer = _say("Too many calls. Wait a little.", HTTPStatus.TOO_MANY_REQUESTS)
        answer["Retry-After"] = str(wait)
        return answer
    result = receive(method=method, call=_read(request, address or ""))
    return _say(result.text, result.status)


def _read(request: HttpRequest, address: str) -> Call:
    """Return the call with at most MAX_BODY bytes of its body; one more says that there are more."""
    headers = {name.lower(): value for name, value in request.headers.items()}
    body = request.read(MAX_BODY + 1)
    declared = request.META.get("CONTENT_LENGTH") or "0"
    size = max(len(body), int(declared) if declared.isdecimal() else 0)
    return Call(headers, body[:MAX_BODY], size, address)


def _say(text: str, status: HTTPStatus) -> JsonResponse:
    return JsonResponse({"ok": status < HTTPStatus.BAD_REQUEST, "message": text}, status=status)
