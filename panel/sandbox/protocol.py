"""API v2 as a provider answers it: parameters in, the answer's JSON value out."""

from __future__ import annotations

import hmac
from collections.abc import Callable, Mapping
from typing import Any

from panel.sandbox.amounts import to_text
from panel.sandbox.dialect import Dialect
from panel.sandbox.listing import SandboxListing
from panel.sandbox.orderbook import OrderBook
from panel.sandbox.placing import OrderRejected, Params, accept_order
from panel.sandbox.store import Store

MANY = 100
BAD_ORDER = "Incorrect order ID"
BAD_REFILL = "Incorrect refill ID"


class SandboxApi:
    """The actions of API v2 over one store.

    `request_ids` enables what a few providers add to the standard: an `add` repeated with the same `request_id`
    returns the first order. `dialect` may be replaced at any time.
    """

    def __init__(self, store: Store, book: OrderBook, listing: SandboxListing, *, key: str, request_ids: bool) -> None:
        self._store = store
        self._book = book
        self._listing = listing
        self._key = key.encode()
        self._request_ids = request_ids
        self.dialect = Dialect()
        self._actions: dict[str, Callable[[Params], Any]] = {
            "services": lambda params: self._listing.rows(),
            "add": self._add,
            "status": self._status,
            "refill": self._refill,
            "refill_status": self._refill_status,
            "cancel": self._cancel,
            "balance": self._balance,
        }

    def knows(self, key: str) -> bool:
        """Return True if this is the provider's key, in constant time."""
        return hmac.compare_digest(key.encode("utf-8", "replace"), self._key)

    def answer(self, params: Mapping[str, str]) -> Any:
        """Return the JSON value for one request; every refusal is {"error": text}."""
        if not self.knows(params.get("key", "")):
            return {"error": "Invalid API key"}
        action = self._actions.get(params.get("action", ""))
        if action is None:
            return {"error": "Incorrect request"}
        try:
            return action({name: value for name, value in params.items() if name != "key"})
        except OrderRejected as refused:
            return {"error": str(refused)}

    def _add(self, params: Params) -> Any:
        service_id = _id(params.get("service", ""))
        service = None if service_id is None else self._listing.get(service_id)
        if service is None or not service.listed:
            raise OrderRejected("Incorrect service ID")
        new = accept_order(service, params)
        request_id = params.get("request_id") if self._request_ids else None
        return {"order": self._book.place(new, request_id=request_id)}

    def _status(self, params: Params) -> Any:
        one, names = self._named(params, "order", "orders")
        orders = self._book.find(_ids(names))
        now = self._store.now()
        answers: dict[str, Any] = {}
        for name in names:
            order = orders.get(_id(name) or 0)
            if order is None:
                answers[name] = {"error": BAD_ORDER}
            elif not order.forced.get("omitted"):
                answers[name] = order.answer(now)
        return answers.get(names[0], {"error": BAD_ORDER}) if one else answers

    def _refill(self, params: Params) -> Any:
        def request_refill(order_id: int) -> int | None:
            service = self._listing.get(self._book.find([order_id])[order_id].service)
            if service is None or not service.refill:
                raise OrderRejected("Refill is disabled for this service")
            refill_id = self._book.ask_refill(order_id)
            return refill_id if self.dialect.refill_ids else None

        one, names = self._named(params, "order", "orders")
        if not one:
            return self.dialect.for_many("refill", self._for_orders(names, request_refill))
        result = self._for_order(names[0], request_refill)
        return self.dialect.for_one("refill", str(result) if isinstance(result, int) else result)

    def _cancel(self, params: Params) -> Any:
        def cancel(order_id: int) -> int:
            service = self._listing.get(self._book.find([order_id])[order_id].service)
            if service is None or not service.cancel:
                raise OrderRejected("Cannot cancel: the service does not allow it")
            self._book.cancel(order_id)
            return 1

        one, names = self._named(params, "order", "orders")
        if not one:
            return self.dialect.for_many("cancel", self._for_orders(names, cancel))
        result = self._for_order(names[0], cancel)
        return self.dialect.for_one("cancel", None if result == 1 else result)

    def _for_orders(self, names: list[str], act: Callable[[int], int | None]) -> dict[int | str, Any]:
        return {_shown(name): self._for_order(name, act) for name in names}

    def _for_order(self, name: str, act: Callable[[int], int | None]) -> Any:
        """Return the result of `act`, or its error."""
        order_id = _id(name)
        try:
            if order_id is None or order_id not in self._book.find([order_id]):
                raise OrderRejected(BAD_ORDER)
            return act(order_id)
        except OrderRejected as refused:
            return {"error": str(refused)}

    def _refill_status(self, params: Params) -> Any:
        one, names = self._named(params, "refill", "refills")
        refills = self._book.find_refills(_ids(names))
        rows: list[dict[str, Any]] = []
        for name in names:
            refill = refills.get(_id(name) or 0)
            status = {"error": BAD_REFILL} if refill is None else refill.status
            rows.append({"refill": _shown(name), "status": status})
        if not one:
            return rows
        status = rows[0]["status"]
        return status if isinstance(status, dict) else {"status": status}

    def _named(self, params: Params, one: str, many: str) -> tuple[bool, list[str]]:
        """Return whether one is requested, and the ids as written, each once."""
        if not params.get(many) and self.dialect.one:
            return True, [params.get(one, "").strip()]
        names = [name.strip() for name in params.get(many, "").split(",") if name.strip()]
        if not names or len(names) > MANY or not self.dialect.many:
            raise OrderRejected(self.dialect.refusal)
        return False, list(dict.fromkeys(names))

    def _balance(self, params: Params) -> Any:
        return {"balance": to_text(self._book.balance()), "currency": "USD"}


def _ids(names: list[str]) -> list[int]:
    return [number for number in map(_id, names) if number is not None]


def _id(text: str) -> int | None:
    """Return an id as a provider reads it: up to 18 digits, which SQLite can hold; else None."""
    text = text.strip()
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 18 else None


def _shown(name: str) -> int | str:
    number = _id(name)
    return name if number is None else number
