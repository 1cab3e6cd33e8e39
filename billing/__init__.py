"""Customers' money: wallets, the ledger, deposits and payment methods.

Only `ledger` moves money. Knows neither orders nor the catalog.
"""
