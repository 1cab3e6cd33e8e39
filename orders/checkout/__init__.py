"""Creating orders: check the input, charge it and queue it, one by one, in bulk or as a drip-feed.

Forms and pages are in `orders.web`. Nothing here calls a provider; `orders.dispatch` does.
"""
