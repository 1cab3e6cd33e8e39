"""Submitting queued orders to their providers, once each, and recording the outcomes.

Only `add` is sent here. Orders in doubt are resolved by `orders.reconcile`.
"""
