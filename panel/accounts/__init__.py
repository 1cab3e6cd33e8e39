"""People: accounts, sign-in, addresses, invitations, roles, and the table of API keys.

Knows neither orders nor money. What API keys do is in `panel.api`.
"""
