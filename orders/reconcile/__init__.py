"""Resolving orders in doubt: did the provider accept an order whose answer was lost?

Nothing here submits an order, except again under a request id that the provider promises to accept once.
"""
