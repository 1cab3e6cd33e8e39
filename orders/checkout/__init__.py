"""Creating orders: checking what was typed, charging it and queueing it, one by one, in bulk or as a drip-feed.

Forms and pages are in `orders.web`. Nothing here speaks to a provider: `orders.dispatch` does.
"""
