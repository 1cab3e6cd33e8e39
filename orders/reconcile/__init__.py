"""Finding out about orders in doubt: whether the provider accepted an order whose answer was lost.

Nothing here creates an order at a provider, except by a request id that the provider answers once.
"""
