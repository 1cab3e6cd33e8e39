"""Sending queued orders to their providers, once each, and recording what came of it.

What may have been accepted without an answer is `orders.reconcile`'s to find out. Only `add` is sent here.
"""
