"""Customers' API keys: create, change and revoke them, on pages and in the admin.

`panel.api.key_use` enforces a key's limits on each call.
"""
