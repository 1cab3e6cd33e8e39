"""The permissions that the pages of customers ask for, part by part."""

from __future__ import annotations

VIEW_CUSTOMERS = "accounts.view_user"
VIEW_ACTIVITY = "activity.view_act"
VIEW_DEPOSITS = "billing.view_deposit"
VIEW_ENTRIES = "billing.view_entry"
VIEW_GROUPS = "catalog.view_groupmember"
VIEW_KEYS = "accounts.view_apikey"
VIEW_MONEY = "billing.view_wallet"
VIEW_NOTES = "accounts.view_customernote"
VIEW_ORDERS = "orders.view_order"
VIEW_PRICES = "catalog.view_customerprice"
VIEW_REVERSALS = "billing.view_reversal"
WRITE_NOTES = "accounts.add_customernote"
