"""Orders in the admin. Each module registers its pages."""

from orders.admin import (
    all_orders,
    drip_feeds,
    late_orders,
    orders,
    orphans,
    provider_sending,
    reckoning,
    requests,
    sending,
    words,
)

__all__ = (
    "all_orders",
    "drip_feeds",
    "late_orders",
    "orders",
    "orphans",
    "provider_sending",
    "reckoning",
    "requests",
    "sending",
    "words",
)
