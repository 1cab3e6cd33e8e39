"""Models of orders, drafts, drip-feeds, attempts, requests for cancels and refills, stops, restores and money."""

from orders.models.attempts import PlacementAttempt
from orders.models.customer_figures import CustomerFigures
from orders.models.drafts import OrderDraft
from orders.models.drips import DripFeed
from orders.models.late import LateOrders
from orders.models.orders import Order, OrderEvent, OrderInReview
from orders.models.polls import OrderPoll
from orders.models.pruning import PruningProgress
from orders.models.reckoning import CostCorrection, DailySpending, MoneyDay, MoneyEntry, ProviderMoney
from orders.models.recovery import DatabaseIdentity, Orphan
from orders.models.requests import CancelRequest, ProviderRequest, Refill
from orders.models.saved_views import OrderColumns, SavedView, StaffView
from orders.models.stops import SendingStop

__all__ = (
    "CancelRequest",
    "CostCorrection",
    "CustomerFigures",
    "DailySpending",
    "DatabaseIdentity",
    "DripFeed",
    "LateOrders",
    "MoneyDay",
    "MoneyEntry",
    "Order",
    "OrderColumns",
    "OrderDraft",
    "OrderEvent",
    "OrderInReview",
    "OrderPoll",
    "Orphan",
    "PlacementAttempt",
    "ProviderMoney",
    "ProviderRequest",
    "PruningProgress",
    "Refill",
    "SavedView",
    "SendingStop",
    "StaffView",
)
