"""Code that several packages of `orders` share: rounds over providers, waits, transitions, the timeline.

It imports none of those packages and decides nothing about an order.
"""
