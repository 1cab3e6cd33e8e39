"""Cancel and refill requests of customers and staff: queued, sent to the provider, followed.

Buttons and lists are in `orders.web` and `orders.admin`.
"""
