"""Refunds: `policy` computes how much, `posting` writes it to the ledger.

Nothing here calls a provider or decides that an order has ended.
"""
