"""`add`: the same order as one from the browser, by the same services, in the protocol's parameters."""

from __future__ import annotations

from datetime import timedelta
from hashlib import blake2s
from typing import Any
from uuid import uuid4

from django.conf import settings
from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from orders.checkout.create import place_order
from orders.checkout.drip_feeds import start_drip_feed
from orders.checkout.validation import LONGEST_LINK_KEY, BadPlan, OrderRefused
from orders.models import Order
from orders.states import Status
from panel.accounts.models import ApiKey
from panel.api.errors import BAD_REQUEST, BAD_SERVICE, LINK_BUSY, NO_FUNDS, ApiError, refused_order
from panel.api.key_use import LimitReached, spend
from panel.api.params import Params, read_whole
from panel.lib.digits import whole_number

LONGEST_REQUEST_ID = 64


def add_order(*, key: ApiKey, params: Params) -> int:
    """Places what `params` ask for, and returns the order's id; of a drip-feed that of its first run.

    The same `request_id` of the same key answers with the same order. Raises ApiError; then nothing was changed.
    """
    request_id = params.get("request_id", "").strip()
    if len(request_id) > LONGEST_REQUEST_ID:
        raise ApiError(f"{BAD_REQUEST}: request_id has at most {LONGEST_REQUEST_ID} characters")
    window = 0 if request_id else settings.API_DUPLICATE_WINDOW
    try:
        if not window and key.daily_limit is None:
            return _place(key, params, request_id)[0].pk
        with transaction.atomic():
            order, charge = _place(key, params, request_id)
            if window:
                _refuse_twin(order, seconds=window)
            if charge:
                spend(key=key, charge=charge)
            return order.pk
    except OrderRefused as refusal:
        raise refused_order(refusal) from refusal
    except LimitReached:
        raise ApiError(f"{NO_FUNDS}: the daily limit of this key is reached") from None


def _place(key: ApiKey, params: Params, request_id: str) -> tuple[Order, int]:
    """The order and what was charged for it: nothing if this request had placed it before. Raises OrderRefused."""
    service_id = whole_number(params.get("service", "").strip())
    if service_id is None:
        raise ApiError(BAD_SERVICE)
    asked: dict[str, Any] = {
        "customer": key.customer,
        "service_id": service_id,
        "link": params.get("link", ""),
        "quantity": read_whole(params, "quantity"),
        "params": params,
        "request_key": _request_key(key, request_id),
        "seen_charge": None,
        "api_key_ref": key.pk,
    }
    plan = _read_plan(params)
    if plan is None:
        placed = place_order(**asked)
        return placed.order, placed.order.charge if placed.created else 0
    runs, interval = plan
    started = start_drip_feed(**asked, runs=runs, interval=interval)
    first = Order.objects.get(drip_feed=started.drip, run=1)
    return first, started.drip.charge if started.created else 0


def _request_key(key: ApiKey, request_id: str) -> str:
    """What the database holds unique for each customer. Another key of theirs may use the same request id."""
    if not request_id:
        return f"api:{uuid4().hex}"
    return f"api:{key.pk}:{blake2s(request_id.encode(), digest_size=16).hexdigest()}"


def _read_plan(params: Params) -> tuple[int | None, int | None] | None:
    """Runs and minutes between them; None for a plain order, which some programs write as 0 or 1 run."""
    runs, interval = params.get("runs", "0").strip(), params.get("interval", "0").strip()
    if runs == "1" or (runs == "0" and interval == "0"):
        return None
    if runs == "0":
        raise BadPlan("Runs are missing.", field="runs")
    return read_whole(params, "runs"), read_whole(params, "interval")


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
    is_cut = len(order.link_key) == LONGEST_LINK_KEY
    for link, params in maybe.values_list("link", "params"):
        if params == order.params and not (is_cut and link != order.link):
            raise ApiError(LINK_BUSY)
