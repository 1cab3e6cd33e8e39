"""The error texts of the protocol ("Error texts"): existing clients depend on these words."""

from __future__ import annotations

from orders.checkout.create import AlreadyOrdered, NotEnoughFunds, OrdersHeld
from orders.checkout.validation import NotOnSale, OrderRefused
from orders.requests.refill import RefillRefusal

BAD_KEY = "Invalid API key"
BAD_REQUEST = "Incorrect request"
BAD_SERVICE = "Incorrect service ID"
BAD_ORDER = "Incorrect order ID"
BAD_REFILL = "Incorrect refill ID"
NO_FUNDS = "Not enough funds on balance"
LINK_BUSY = "You have active order with this link"
READ_ONLY = "API access disabled: this key is read-only"
WRONG_ADDRESS = "API access disabled: this key may not be used from this address"
COMPLETED = "Order already completed"
INTERNAL = "Internal error"

REFILL_REFUSED: dict[RefillRefusal, str] = {
    RefillRefusal.NOT_COMPLETED: "Order is not completed",
    RefillRefusal.NO_REFILL: "Refill is disabled for this service",
    RefillRefusal.OVER: "Order is not eligible for refill: the time for refills is over",
    RefillRefusal.UNDER_WAY: "Refill was requested less than 24 hours ago",
    RefillRefusal.ASKED_LATELY: "Refill was requested less than 24 hours ago",
    RefillRefusal.REFUSED_LATELY: "Order is not eligible for refill: it was refused less than an hour ago",
}


class ApiError(Exception):
    """Nothing was changed; the message is answered as {"error": …}."""


class Throttled(ApiError):
    """Too many requests; `retry_after` is in seconds."""

    def __init__(self, *, retry_after: int) -> None:
        super().__init__(f"Too many requests: try again in {retry_after} seconds")
        self.retry_after = retry_after


def refused_order(refusal: OrderRefused) -> ApiError:
    """Return a refused order as an error of the protocol."""
    if isinstance(refusal, NotEnoughFunds):
        return ApiError(NO_FUNDS)
    if isinstance(refusal, OrdersHeld):
        # Clients know these words, and keep their orders until they may go on.
        return ApiError(f"{NO_FUNDS}: your last payment was taken back, write to us")
    if isinstance(refusal, AlreadyOrdered):
        return ApiError(f"{BAD_REQUEST}: this request_id was used for another order")
    if isinstance(refusal, NotOnSale):
        return ApiError(BAD_SERVICE)
    if refusal.minimum is not None:
        return ApiError(f"Quantity less than minimal {refusal.minimum}")
    if refusal.maximum is not None:
        return ApiError(f"Quantity more than maximum {refusal.maximum}")
    if refusal.step is not None:
        return ApiError(f"Incorrect quantity: it must be a multiple of {refusal.step}")
    return ApiError(f"Incorrect {refusal.field}" if refusal.field else BAD_REQUEST)


def refused_refill(reason: RefillRefusal) -> ApiError:
    """Return a refused refill as an error of the protocol."""
    return ApiError(REFILL_REFUSED[reason])
