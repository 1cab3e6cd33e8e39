"""The admin's look (django-unfold) and its side navigation."""

from __future__ import annotations

from django.http import HttpRequest
from django.templatetags.static import static
from django.urls import reverse_lazy

_PROFIT = "orders_order_profit"
_MONEY_IN = "billing_payment_money_in"


def _item(title: str, icon: str, url_name: str, permission: str) -> dict[str, object]:
    return {
        "title": title,
        "icon": icon,
        "link": reverse_lazy(f"admin:{url_name}"),
        "permission": lambda request: request.user.has_perm(permission),
    }


def _is_at(request: HttpRequest, start: str) -> bool:
    """Return True if the URL name of the requested admin page starts with `start`."""
    match = request.resolver_match
    return match is not None and (match.url_name or "").startswith(start)


UNFOLD: dict[str, object] = {
    # Paths of functions: the owner changes these while the panel runs.
    "SITE_TITLE": "panel.site.admin.theme.name",
    "SITE_HEADER": "panel.site.admin.theme.name",
    "SITE_LOGO": "panel.site.admin.theme.logo",
    "SITE_ICON": "panel.site.admin.theme.icon",
    "SITE_SUBHEADER": "Panel administration",
    "SITE_SYMBOL": "trending_up",
    "SITE_FAVICONS": "panel.site.admin.theme.favicons",
    "SITE_URL": "/",
    "STYLES": [lambda request: static("css/admin.css")],
    "SHOW_HISTORY": True,
    "SHOW_VIEW_ON_SITE": False,
    "DASHBOARD_CALLBACK": "panel.ops.dashboard.dashboard",
    "BORDER_RADIUS": "6px",
    "COLORS": {"primary": "panel.site.admin.theme.primary"},
    "SIDEBAR": {
        "show_search": True,
        "command_search": True,
        "show_all_applications": False,
        "navigation": [
            {
                "title": "Every day",
                "items": [
                    {
                        "title": "Overview",
                        "icon": "dashboard",
                        "link": reverse_lazy("admin:index"),
                    },
                    {
                        "title": "Needs you",
                        "icon": "fact_check",
                        "link": reverse_lazy("needs_you"),
                        "active": lambda request: _is_at(request, "needs_you"),
                    },
                    {
                        **_item("Orders", "receipt_long", "orders_order_changelist", "orders.view_order"),
                        # The default would also highlight this on the profit page, whose address is below it.
                        "active": lambda request: _is_at(request, "orders_order_") and not _is_at(request, _PROFIT),
                    },
                    {
                        **_item("Late orders", "avg_pace", "orders_lateorders_changelist", "orders.view_order"),
                        "badge": "panel.ops.dashboard.late_badge",
                    },
                    {
                        **_item("Orders in review", "gavel", "orders_orderinreview_changelist", "orders.view_order"),
                        "badge": "panel.ops.dashboard.reviews_badge",
                    },
                    _item("Refills", "autorenew", "orders_refill_changelist", "orders.view_order"),
                    _item("Cancel requests", "cancel", "orders_cancelrequest_changelist", "orders.view_order"),
                    _item("Drip-feeds", "water_drop", "orders_dripfeed_changelist", "orders.view_dripfeed"),
                    {
                        "title": "Customers",
                        "icon": "groups",
                        "link": reverse_lazy("customers"),
                        "permission": lambda request: request.user.has_perm("accounts.view_user"),
                        "active": lambda request: _is_at(request, "customer"),
                    },
                    {
                        **_item("Deposits", "savings", "billing_deposit_changelist", "billing.view_deposit"),
                        "badge": "panel.ops.dashboard.deposits_badge",
                    },
                    {
                        **_item("Second looks", "preview", "staff_secondlook_changelist", "staff.view_secondlook"),
                        "badge": "panel.ops.dashboard.second_looks_badge",
                    },
                    {
                        **_item("Alerts", "warning", "ops_alert_changelist", "ops.view_alert"),
                        "badge": "panel.ops.dashboard.open_alerts_badge",
                    },
                ],
            },
            {
                "title": "Money",
                "collapsible": True,
                "items": [
                    _item("Profit", "monitoring", _PROFIT, "orders.view_profit"),
                    {
                        "title": "Weekly proof",
                        "icon": "verified",
                        "link": reverse_lazy("week"),
                        "permission": lambda request: request.user.has_perm("orders.view_profit"),
                    },
                    _item("Providers' money", "account_balance", "orders_moneyday_changelist", "orders.view_profit"),
                    _item("Money in", "calendar_month", _MONEY_IN, "billing.view_payment"),
                    {
                        **_item("Payments", "move_to_inbox", "billing_payment_changelist", "billing.view_payment"),
                        "active": lambda request: (
                            _is_at(request, "billing_payment_") and not _is_at(request, _MONEY_IN)
                        ),
                    },
                    _item("Reconciliation", "balance", "billing_comparedday_changelist", "billing.view_payment"),
                    {
                        **_item("Bank statements", "account_balance", "billing_bankline_match", "billing.view_payment"),
                        "active": lambda request: _is_at(request, "billing_bankline_"),
                    },
                    _item("Invoices", "request_quote", "billing_invoice_changelist", "billing.view_invoice"),
                    _item("Reversals", "undo", "billing_reversal_changelist", "billing.view_reversal"),
                    _item(
                        "Gateway calls", "call_received", "billing_gatewaycall_changelist", "billing.view_gatewaycall"
                    ),
                    _item("Wallets", "account_balance_wallet", "billing_wallet_changelist", "billing.view_wallet"),
                    _item("Entries", "list_alt", "billing_entry_changelist", "billing.view_entry"),
                    _item("Goodwill", "volunteer_activism", "staff_staffdeed_changelist", "staff.view_staffdeed"),
                    _item(
                        "Payment methods", "payments", "billing_paymentmethod_changelist", "billing.view_paymentmethod"
                    ),
                    _item("Coupons", "redeem", "billing_coupon_changelist", "billing.view_coupon"),
                ],
            },
            {
                "title": "Catalog",
                "collapsible": True,
                "items": [
                    _item("Services", "sell", "catalog_service_changelist", "catalog.view_service"),
                    _item("Categories", "folder", "catalog_category_changelist", "catalog.view_category"),
                    {
                        **_item("Inbox", "inbox", "catalog_catalogchange_changelist", "catalog.view_catalogchange"),
                        "badge": "panel.ops.dashboard.inbox_badge",
                    },
                    _item("Providers", "hub", "catalog_provider_changelist", "catalog.view_provider"),
                    _item("Imports", "sync", "catalog_syncrun_changelist", "catalog.view_syncrun"),
                    _item(
                        "Providers' words", "translate", "catalog_providerword_changelist", "catalog.view_providerword"
                    ),
                    _item("Providers' types", "category", "catalog_typeword_changelist", "catalog.view_typeword"),
                    _item("Panel margin", "percent", "catalog_pricepolicy_changelist", "catalog.view_pricepolicy"),
                    _item("Price changes", "history", "catalog_pricechange_changelist", "catalog.view_pricechange"),
                    _item(
                        "Customer groups", "loyalty", "catalog_customergroup_changelist", "catalog.view_customergroup"
                    ),
                    _item("Levels", "stairs", "levels_levelmove_changelist", "levels.view_levelmove"),
                    _item(
                        "Customer prices", "handshake", "catalog_customerprice_changelist", "catalog.view_customerprice"
                    ),
                ],
            },
            {
                "title": "Panel",
                "collapsible": True,
                "items": [
                    {
                        "title": "Settings",
                        "icon": "settings",
                        "link": reverse_lazy("settings"),
                        "permission": lambda request: request.user.has_perm("site.change_settings"),
                        "active": lambda request: _is_at(request, "settings"),
                    },
                    _item("Sending", "send", "orders_sendingstop_changelist", "orders.view_sendingstop"),
                    _item("Channels", "notifications_active", "channels_channel_changelist", "channels.view_channel"),
                    _item("Deliveries", "outbox", "channels_delivery_changelist", "channels.view_delivery"),
                    _item("Errors", "bug_report", "ops_errorreport_changelist", "ops.view_errorreport"),
                    _item("Activity", "manage_search", "activity_act_changelist", "activity.view_act"),
                    _item("Users", "group", "accounts_user_changelist", "accounts.view_user"),
                    _item("Sign-ins", "login", "accounts_signin_changelist", "accounts.view_signin"),
                    _item("Roles", "badge", "accounts_role_changelist", "accounts.grant_roles"),
                    _item("API keys", "key", "accounts_apikey_changelist", "accounts.view_apikey"),
                    _item("Limits of staff", "rule", "staff_stafflimit_changelist", "staff.view_stafflimit"),
                ],
            },
        ],
    },
}
