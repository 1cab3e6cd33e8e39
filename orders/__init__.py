"""Orders: what customers order, how it stands with the provider, and the money that goes back.

Each step of an order's life has a folder; pages are in `web`, the admin in `admin`, rounds of work in `tasks`.
Prices and providers belong to `catalog`, wallets to `billing`: neither knows orders.
"""
