"""Customers' money: wallets, the ledger, deposits and the ways to pay.

Only `ledger` moves money. Knows neither orders nor the catalog.
"""
