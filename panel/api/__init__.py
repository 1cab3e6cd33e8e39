"""The API v2 that the panel serves: one module an action, what they share, and the errors.

Customers' keys are in `keys`, its documentation in `docs`. Orders are created and followed in `orders`.
"""
