"""The customers' pages of their wallet and their deposits: tables, filters, what they spent, and the views.

Nothing here moves money: `billing.deposits` and the ledger do.
"""
