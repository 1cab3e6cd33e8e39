"""Customers' API keys: making, changing and revoking them, on pages and in the admin.

How a key is held to its limits on each call is `panel.api.key_use`.
"""
