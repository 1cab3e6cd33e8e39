"""Models of orders, drip-feeds, submission attempts, requests for cancels and refills, stops and restores."""

from orders.models.attempts import PlacementAttempt
from orders.models.drips import DripFeed
from orders.models.orders import Order, OrderEvent, OrderInReview
from orders.models.polls import OrderPoll
from orders.models.recovery import DatabaseIdentity, Orphan
from orders.models.requests import CancelRequest, ProviderRequest, Refill
from orders.models.stops import SendingStop

__all__ = (
    "CancelRequest",
    "DatabaseIdentity",
    "DripFeed",
    "Order",
    "OrderEvent",
    "OrderInReview",
    "OrderPoll",
    "Orphan",
    "PlacementAttempt",
    "ProviderRequest",
    "Refill",
    "SendingStop",
)
