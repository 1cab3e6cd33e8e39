"""Money back: `policy` decides how much, from numbers alone; `posting` writes it to the ledger.

Nothing here asks a provider or decides that an order has ended.
"""
