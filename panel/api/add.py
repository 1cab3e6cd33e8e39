"""`add`: the same order as one from the browser, by the same services, in the protocol's parameters."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from hashlib import blake2s
from uuid import uuid4

from django.conf import settings
from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from orders.checkout.create import CreatedOrder, create_order
from orders.checkout.drip_feeds import start_drip_feed
from orders.checkout.validation import MAX_LINK_KEY, BadPlan, OrderInput, OrderRefused
from orders.models import Order
from orders.states import Status
from panel.accounts.models import ApiKey
from panel.api.errors import BAD_REQUEST, BAD_SERVICE, LINK_BUSY, NO_FUNDS, ApiError, refused_order
from panel.api.key_use import LimitReached, spend
from panel.api.params import Params, read_whole
from panel.lib.digits import whole_number

MAX_REQUEST_ID = 64


def add_order(key: ApiKey, params: Params) -> dict[str, int]:
    """Create what `params` order, and answer with the order's id; of a drip-feed that of its first run.

    The same `request_id` of the same key answers with the same order. Raise ApiError; then nothing was changed.
    """
    request_id = params.get("request_id", "").strip()
    if len(request_id) > MAX_REQUEST_ID:
        raise ApiError(f"{BAD_REQUEST}: request_id has at most {MAX_REQUEST_ID} characters")
    window = 0 if request_id else settings.API_DUPLICATE_WINDOW
    try:
        asked = _read_order(params)
        if not window and key.daily_limit is None:
            return {"order": _create(key, asked, request_id).order.pk}
        with transaction.atomic():
            made = _create(key, asked, request_id)
            if window:
                _refuse_twin(made.order, seconds=window)
            if made.created:
                spend(key=key, charge=made.charge)
            return {"order": made.order.pk}
    except OrderRefused as refusal:
        raise refused_order(refusal) from refusal
    except LimitReached:
        raise ApiError(f"{NO_FUNDS}: the daily limit of this key is reached") from None


def _read_order(params: Params) -> OrderInput:
    """Return the order as it was sent. Raise ApiError, and BadPlan where only a part of a drip-feed is named."""
    service_id = whole_number(params.get("service", "").strip())
    if service_id is None:
        raise ApiError(BAD_SERVICE)
    asked = OrderInput(service_id, params.get("link", ""), read_whole(params, "quantity"), params)
    runs, interval = params.get("runs", "0").strip(), params.get("interval", "0").strip()
    # Some programs write a plain order as 0 runs, others as 1.
    if runs == "1" or (runs == "0" and interval == "0"):
        return asked
    if runs == "0":
        raise BadPlan("Runs are missing.", field="runs")
    # What cannot be read is 0, which is refused: it must not become a plain order.
    return replace(asked, runs=read_whole(params, "runs") or 0, interval=read_whole(params, "interval") or 0)


def _create(key: ApiKey, asked: OrderInput, request_id: str) -> CreatedOrder:
    """Raise OrderRefused."""
    create = start_drip_feed if asked.is_drip else create_order
    return create(
        customer=key.customer,
        asked=asked,
        request_key=_request_key(key, request_id),
        seen_charge=None,
        api_key_ref=key.pk,
    )


def _request_key(key: ApiKey, request_id: str) -> str:
    """What the database holds unique for each customer. Another key of theirs may use the same request id."""
    if not request_id:
        return f"api:{uuid4().hex}"
    return f"api:{key.pk}:{blake2s(request_id.encode(), digest_size=16).hexdigest()}"


def _refuse_twin(order: Order, *, seconds: int) -> None:
    """Refuses what the same key has ordered within `seconds`. Raises ApiError, which takes the new order back.

    The debit holds the customer's wallet until the transaction ends: of two at once, the second sees the first.
    """
    maybe = Order.objects.filter(
        customer_id=order.customer_id,
        link_key=order.link_key,
        service_id=order.service_id,
        quantity=order.quantity,
        api_key_ref=order.api_key_ref,
        created_at__gt=timezone.now() - timedelta(seconds=seconds),
    ).exclude(Q(pk=order.pk) | Q(status=Status.CANCELED))
    # Long links are cut to be looked for, and other comments for the same link are no repetition.
    is_cut = len(order.link_key) == MAX_LINK_KEY
    for link, params in maybe.values_list("link", "params"):
        if params == order.params and not (is_cut and link != order.link):
            raise ApiError(LINK_BUSY)
