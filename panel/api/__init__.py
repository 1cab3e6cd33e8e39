"""The API v2 that the panel serves: one module per action, what they share, and the errors.

`keys` holds customers' keys, `docs` the documentation. `orders` creates and tracks the orders.
"""
