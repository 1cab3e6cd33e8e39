"""The seven actions: parameters in, the answer's JSON value out. Protocol: "Actions"."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any

from django.conf import settings

from billing.wallets import spendable
from orders.models import Refill
from orders.states import RefillState
from panel.accounts.models import ApiKey
from panel.api.add import add_order
from panel.api.cancel_refill import cancel_each, refill_each
from panel.api.errors import BAD_ORDER, BAD_REFILL, BAD_REQUEST, READ_ONLY, ApiError
from panel.api.params import Params, read_ids, shown_id
from panel.api.services import price_list
from panel.api.status import read_statuses
from panel.lib.digits import whole_number
from panel.lib.money import format_plain

_REFILL_STATUS: dict[str, str] = {
    RefillState.WAITING: "Pending",
    RefillState.ASKING: "Pending",
    RefillState.PENDING: "Pending",
    RefillState.IN_PROGRESS: "In progress",
    RefillState.COMPLETED: "Completed",
    RefillState.REJECTED: "Rejected",
    RefillState.REFUSED: "Rejected",
    RefillState.UNFOLLOWED: "In progress",  # Its provider gave no number to follow it by.
}


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks: with a key, or (None) signed in on the page that tries the reading actions out."""

    customer: Any
    key: ApiKey | None = None


def answer(*, caller: Caller, params: Params) -> Any:
    """The JSON value, or a PriceList, which is JSON already. Raises ApiError."""
    action = params.get("action", "").strip().lower()
    if act := READING.get(action):
        return act(caller, params)
    if action not in WRITING:
        raise ApiError(BAD_REQUEST)
    if caller.key is None or caller.key.is_read_only:
        raise ApiError(READ_ONLY)
    return WRITING[action](caller.key, params)


def _services(caller: Caller, params: Params) -> Any:
    return price_list(customer=caller.customer)


def _balance(caller: Caller, params: Params) -> Any:
    return {"balance": format_plain(spendable(customer=caller.customer)), "currency": settings.PANEL_CURRENCY}


def _status(caller: Caller, params: Params) -> Any:
    ids = read_ids(params, one="order", many="orders")
    found = read_statuses(customer=caller.customer, ids=_numbers(ids.names))
    bad = {"error": BAD_ORDER}
    if ids.is_one:
        return _of(found, ids.names[0]) or bad
    return {name: _of(found, name) or bad for name in ids.names}


def _refill_status(caller: Caller, params: Params) -> Any:
    ids = read_ids(params, one="refill", many="refills")
    states = Refill.objects.filter(order__customer=caller.customer, pk__in=_numbers(ids.names))
    found = {pk: _REFILL_STATUS[state] for pk, state in states.order_by().values_list("pk", "state")}
    bad = {"error": BAD_REFILL}
    if ids.is_one:
        status = _of(found, ids.names[0])
        return {"status": status} if status else bad
    return [{"refill": shown_id(name), "status": _of(found, name) or bad} for name in ids.names]


def _add(key: ApiKey, params: Params) -> Any:
    return {"order": add_order(key=key, params=params)}


def _cancel(key: ApiKey, params: Params) -> Any:
    ids = read_ids(params, one="order", many="orders")
    found = cancel_each(customer=key.customer, ids=_numbers(ids.names))
    if ids.is_one:
        outcome = _of(found, ids.names[0])
        return {"success": outcome} if isinstance(outcome, str) else _error(outcome)
    return [
        {"order": shown_id(name), "cancel": 1 if isinstance(one, str) else _error(one)}
        for name in ids.names
        for one in (_of(found, name),)
    ]


def _refill(key: ApiKey, params: Params) -> Any:
    ids = read_ids(params, one="order", many="orders")
    found = refill_each(customer=key.customer, ids=_numbers(ids.names))
    if ids.is_one:
        refill = _of(found, ids.names[0])
        return {"refill": str(refill)} if isinstance(refill, int) else _error(refill)
    return [
        {"order": shown_id(name), "refill": one if isinstance(one, int) else _error(one)}
        for name in ids.names
        for one in (_of(found, name),)
    ]


def _numbers(names: Collection[str]) -> list[int]:
    """Each once: "7" and "07" are the same order."""
    return list(dict.fromkeys(number for number in map(whole_number, names) if number is not None))


def _of(found: dict[int, Any], name: str) -> Any:
    number = whole_number(name)
    return None if number is None else found.get(number)


def _error(error: ApiError | None) -> dict[str, str]:
    return {"error": str(error or BAD_ORDER)}


READING: dict[str, Callable[[Caller, Params], Any]] = {
    "services": _services,
    "status": _status,
    "refill_status": _refill_status,
    "balance": _balance,
}
"""Actions that change nothing: what a read-only key may do."""

WRITING: dict[str, Callable[[ApiKey, Params], Any]] = {"add": _add, "refill": _refill, "cancel": _cancel}
