"""Models of orders, drip-feeds, submission attempts, and requests for cancels and refills."""

from orders.models.attempts import PlacementAttempt
from orders.models.drips import DripFeed
from orders.models.orders import Order, OrderEvent, OrderInReview
from orders.models.polls import OrderPoll
from orders.models.requests import CancelRequest, ProviderRequest, Refill

__all__ = (
    "CancelRequest",
    "DripFeed",
    "Order",
    "OrderEvent",
    "OrderInReview",
    "OrderPoll",
    "PlacementAttempt",
    "ProviderRequest",
    "Refill",
)
