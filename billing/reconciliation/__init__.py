"""Reconciliation: the payments of a day beside the list of their gateway, and where the two differ."""
