"""The served API v2, for customers who resell in turn."""
