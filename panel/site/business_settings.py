"""Who runs the panel, for statements and receipts, which `groups` shows with the settings of the registry."""

from __future__ import annotations

from panel.site.kinds import Lines, Text

BUSINESS_NAME = Text(
    "BUSINESS_NAME",
    "Legal name",
    default="",
    max_length=120,
    help="Of the person or company that runs the panel, on statements and receipts. Empty: the panel's name.",
)
BUSINESS_ADDRESS = Lines(
    "BUSINESS_ADDRESS",
    "Address",
    default="",
    max_length=400,
    help="On statements and receipts, in the lines that you write.",
)
BUSINESS_TAX_NUMBER = Text(
    "BUSINESS_TAX_NUMBER",
    "Tax number",
    default="",
    max_length=60,
    help="As it should be printed, with its name, such as “VAT DE123456789”.",
)
