"""Accounts, sign-in, addresses, invitations, roles, and the table of API keys.

Imports nothing about orders or money. `panel.api` holds what API keys do.
"""
