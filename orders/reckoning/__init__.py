"""Reckoning of the money at providers: what our balance there should be, by our orders, and what it is."""
