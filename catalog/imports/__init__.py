"""Importing a provider's list of services: queued, run, compared with what was there, applied.

`inbox` holds what changed for staff to see. What the panel sells is never overwritten, only its cost is.
"""
