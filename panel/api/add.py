"""`add`: create orders with the services that the browser uses, from the protocol's parameters."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from hashlib import blake2s
from uuid import uuid4

from django.db import transaction
from django.db.models import Q

from orders.checkout.create import CreatedOrder, create_order
from orders.checkout.drip_feeds import start_drip_feed
from orders.checkout.validation import BadPlan, OrderInput, OrderRefused
from orders.models import Order
from orders.states import Status
from panel.accounts.models import ApiKey
from panel.api.errors import BAD_REQUEST, BAD_SERVICE, LINK_BUSY, NO_FUNDS, ApiError, refused_order
from panel.api.key_use import LimitReached, spend
from panel.api.params import Params, read_id, read_whole
from panel.lib import clock
from panel.lib.links.keys import MAX_LINK_KEY, link_keys
from panel.site import registry as site

MAX_REQUEST_ID = 64


def add_order(key: ApiKey, params: Params) -> dict[str, int]:
    """Create the order in `params` and return its id; for a drip-feed the id of its first run.

    The same `request_id` of the same key returns the same order. Raise ApiError; then nothing was changed.
    """
    request_id = params.get("request_id", "").strip()
    if len(request_id) > MAX_REQUEST_ID:
        raise ApiError(f"{BAD_REQUEST}: request_id has at most {MAX_REQUEST_ID} characters")
    window = 0 if request_id else site.API_DUPLICATE_WINDOW.value
    try:
        order_input = _read_order(params)
        if not window and key.daily_limit is None:
            return {"order": _create(key, order_input, request_id).order.pk}
        with transaction.atomic():
            made = _create(key, order_input, request_id)
            if window:
                _refuse_duplicate(made.order, seconds=window)
            if made.created:
                spend(key=key, charge=made.charge)
            return {"order": made.order.pk}
    except OrderRefused as refusal:
        raise refused_order(refusal) from refusal
    except LimitReached:
        raise ApiError(f"{NO_FUNDS}: the daily limit of this key is reached") from None


def _read_order(params: Params) -> OrderInput:
    """Return the order as sent. Raise ApiError, and BadPlan if only a part of a drip-feed is given."""
    service_id = read_id(params, "service")
    if service_id is None:
        raise ApiError(BAD_SERVICE)
    order_input = OrderInput(service_id, params.get("link", ""), read_whole(params, "quantity"), params)
    runs, interval = params.get("runs", "0").strip(), params.get("interval", "0").strip()
    # Some programs send a plain order as 0 runs, others as 1.
    if runs == "1" or (runs == "0" and interval == "0"):
        return order_input
    if runs == "0":
        raise BadPlan("Runs are missing.", field="runs")
    # Unreadable values become 0, which is refused: they must not turn it into a plain order.
    return replace(order_input, runs=read_whole(params, "runs") or 0, interval=read_whole(params, "interval") or 0)


def _create(key: ApiKey, order_input: OrderInput, request_id: str) -> CreatedOrder:
    """Create the order or the drip-feed. Raise OrderRefused."""
    create = start_drip_feed if order_input.is_drip else create_order
    return create(
        customer=key.customer,
        order_input=order_input,
        request_key=_request_key(key, request_id),
        seen_charge=None,
        api_key_ref=key.pk,
    )


def _request_key(key: ApiKey, request_id: str) -> str:
    """Return the key that is unique per customer. Another key of the customer may use the same `request_id`."""
    if not request_id:
        return f"api:{uuid4().hex}"
    return f"api:{key.pk}:{blake2s(request_id.encode(), digest_size=16).hexdigest()}"


def _refuse_duplicate(order: Order, *, seconds: int) -> None:
    """Raise ApiError if the same key created the same order within `seconds`; this rolls the new order back.

    The debit locks the customer's wallet until the transaction ends, so the second of two simultaneous orders sees
    the first.
    """
    maybe = Order.objects.filter(
        customer_id=order.customer_id,
        link_key__in=link_keys(order.link),
        service_id=order.service_id,
        quantity=order.quantity,
        api_key_ref=order.api_key_ref,
        created_at__gt=clock.now() - timedelta(seconds=seconds),
    ).exclude(Q(pk=order.pk) | Q(status=Status.CANCELED))
    # Long links are truncated in `link_key`, and other comments for the same link are a different order.
    is_cut = len(order.link_key) == MAX_LINK_KEY
    for link, params in maybe.values_list("link", "params"):
        if params == order.params and not (is_cut and link != order.link):
            raise ApiError(LINK_BUSY)
