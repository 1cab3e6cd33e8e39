"""Cancels and refills that customers or staff asked for: queued, sent to the provider, followed.

Buttons and lists are in `orders.web` and `orders.admin`.
"""
