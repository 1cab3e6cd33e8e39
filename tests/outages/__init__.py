"""Outages of Redis under a panel that runs as in production, while customers order."""
