"""Orders in the admin. Each module registers its pages."""

from orders.admin import drip_feeds, orders, orphans, provider_sending, reckoning, sending, words

__all__ = ("drip_feeds", "orders", "orphans", "provider_sending", "reckoning", "sending", "words")
