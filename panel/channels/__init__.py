"""Channels by which alerts reach the owner: e-mail, Telegram and signed webhooks."""
