"""The customers' pages of wallet and deposits: tables, filters, spending, and the views.

Nothing here moves money: `billing.deposits` and the ledger do.
"""
