"""Which pages of customers staff may view. What is not named here is refused, so a new page is until somebody adds it.

A page that is named shows nothing by which somebody could act as the customer (keys, codes, sessions, addresses to
change), is no file to take away, and changes nothing: a test opens each and compares all tables.
"""

from __future__ import annotations

VIEWABLE = frozenset(
    {
        "services",
        "service_changes",
        "service_categories",
        "service_page",
        "home",
        "order_new",
        "order_find",
        "orders_last",
        "order_list",
        "orders_live",
        "order_detail",
        "order_live",
        "drip_list",
        "drip_detail",
        "drip_live",
        "wallet",
        "wallet_spending",
        "wallet_statements",
        "wallet_statement",
        "add_funds",
        "add_funds_preview",
        "deposit_detail",
        "deposit_slip",
        "news",
        # The look of the pages.
        "theme_css",
        "site_file",
    }
)
