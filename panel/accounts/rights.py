"""The rights that an owner puts together to roles of his own: each is a sentence on the page “Roles”, and permissions.

A new permission belongs either to a right here or to OWNER_ALONE; a test tells the one that is in neither. Whoever
holds the first permission of a right holds the right: if a release adds permissions to it, `set_up_roles` gives them
to the roles that exist.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

# The permission to see costs, charges of providers, margins and profit.
SEE_COSTS = "orders.view_profit"


@dataclass(frozen=True, slots=True)
class Right:
    """One checkbox. `needs` are keys of rights without which this one is of no use, or would show what they hide."""

    key: str
    words: str
    permissions: tuple[str, ...]
    needs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Section:
    """Rights under one heading. `key` names the field of the form."""

    key: str
    title: str
    rights: tuple[Right, ...]


def _all_of(*models: str) -> tuple[str, ...]:
    return tuple(f"catalog.{what}_{model}" for model in models for what in ("change", "add", "delete"))


SECTIONS = (
    Section(
        "customers",
        "Customers",
        (
            Right("see_customers", "See customers and staff", ("accounts.view_user",)),
            Right(
                "change_customers",
                "Change names, send password links, block customers",
                ("accounts.change_user",),
                ("see_customers",),
            ),
            Right(
                "see_customer_notes",
                "See what staff noted about customers",
                ("accounts.view_customernote",),
                ("see_customers",),
            ),
            Right(
                "write_customer_notes",
                "Write notes about customers",
                ("accounts.add_customernote",),
                ("see_customer_notes",),
            ),
            Right("see_api_keys", "See customers' API keys", ("accounts.view_apikey",)),
            Right("revoke_api_keys", "Revoke API keys", ("accounts.change_apikey",), ("see_api_keys",)),
            Right(
                "view_as_customer",
                "View customers' pages as they see them, with their prices and coupon codes",
                ("accounts.view_as_customer",),
                ("see_customers", "see_orders", "see_wallets", "see_deposits"),
            ),
        ),
    ),
    Section(
        "orders",
        "Orders",
        (
            Right("see_orders", "See orders and drip-feeds", ("orders.view_order", "orders.view_dripfeed")),
            Right(
                "decide_orders",
                "Refund, cancel and end orders, and decide reviews",
                ("orders.change_order",),
                ("see_orders",),
            ),
            Right(
                "stop_drip_feeds",
                "Stop drip-feeds and refund what did not begin",
                ("orders.change_dripfeed",),
                ("see_orders",),
            ),
            Right("see_costs", "See what orders cost us and what they earn", (SEE_COSTS,), ("see_orders",)),
            Right("see_sending", "See why no orders are sent", ("orders.view_sendingstop",)),
            Right(
                "stop_sending",
                "Stop sending orders, and resume it",
                ("orders.change_sendingstop", "orders.add_sendingstop"),
                ("see_sending",),
            ),
        ),
    ),
    Section(
        "money",
        "Customers' money",
        (
            Right("see_wallets", "See wallets and their entries", ("billing.view_wallet", "billing.view_entry")),
            Right(
                "see_deposits",
                "See deposits and their receipts",
                (
                    "billing.view_deposit",
                    "billing.view_payment",
                    "billing.view_gatewaycall",
                    "billing.view_invoice",
                    "billing.view_reversal",
                ),
            ),
            Right("decide_deposits", "Approve and refuse deposits", ("billing.decide_deposit",), ("see_deposits",)),
            Right("see_looks", "See what waits for a second person", ("staff.view_secondlook",)),
            Right(
                "decide_looks",
                "Confirm as the second person what one may do oneself",
                ("staff.change_secondlook",),
                ("see_looks",),
            ),
            Right("see_goodwill", "See what each of the staff gave customers", ("staff.view_staffdeed",)),
        ),
    ),
    Section(
        "catalog",
        "Services and prices",
        (
            Right(
                "see_catalog",
                "See services, prices, margins and providers",
                (
                    "catalog.view_service",
                    "catalog.view_category",
                    "catalog.view_pricepolicy",
                    "catalog.view_pricechange",
                    "catalog.view_provider",
                    "catalog.view_catalogchange",
                    "catalog.view_syncrun",
                ),
                ("see_costs",),
            ),
            Right(
                "change_prices",
                "Change services, categories and prices",
                (
                    "catalog.change_service",
                    "catalog.change_pricepolicy",
                    "catalog.change_pricechange",
                    *_all_of("category"),
                ),
                ("see_catalog",),
            ),
            Right(
                "import_services",
                "Import services, and answer the inbox",
                ("catalog.change_syncrun", "catalog.change_catalogchange"),
                ("see_catalog",),
            ),
            Right(
                "change_providers",
                "Change providers, but no address or key",
                ("catalog.change_provider",),
                ("see_catalog",),
            ),
            Right(
                "see_terms",
                "See customers' groups, discounts and prices",
                (
                    "catalog.view_customergroup",
                    "catalog.view_groupmember",
                    "catalog.view_customerprice",
                    "levels.view_levelmove",
                ),
                ("see_costs",),
            ),
            Right(
                "change_terms",
                "Change customers' groups, discounts and prices",
                _all_of("customergroup", "groupmember", "customerprice"),
                ("see_terms",),
            ),
        ),
    ),
    Section(
        "panel",
        "The panel",
        (
            Right("see_alerts", "See alerts", ("ops.view_alert",)),
            Right("resolve_alerts", "Mark alerts as resolved", ("ops.change_alert",), ("see_alerts",)),
            Right("change_settings", "Change settings that touch no money", ("site.change_settings",)),
            Right("see_log", "See what staff did", ("activity.view_act",), ("see_costs",)),
        ),
    ),
)
RIGHTS_BY_KEY = {right.key: right for section in SECTIONS for right in section.rights}

# What no role but Owner holds: where money goes, keys and addresses, roles, and what decides about money by itself.
OWNER_ALONE = frozenset(
    {
        "accounts.add_user",
        "accounts.change_address",
        "accounts.grant_roles",
        "accounts.view_signin",
        "billing.add_entry",
        "billing.add_coupon",
        "billing.add_paymentmethod",
        "billing.change_coupon",
        "billing.change_paymentmethod",
        "billing.delete_paymentmethod",
        "billing.view_coupon",
        "billing.view_paymentmethod",
        "catalog.add_provider",
        "catalog.change_floor",
        "catalog.connect_provider",
        "catalog.change_providerword",
        "catalog.view_providerword",
        "catalog.change_typeword",
        "catalog.view_typeword",
        "channels.add_channel",
        "channels.change_channel",
        "channels.change_delivery",
        "channels.delete_channel",
        "channels.view_channel",
        "channels.view_delivery",
        "levels.change_levels",
        "ops.view_errorreport",
        "orders.change_orphan",
        "orders.view_orphan",
        "site.change_money_settings",
        "staff.change_stafflimit",
        "staff.view_stafflimit",
    }
)


def with_needed(keys: Iterable[str]) -> frozenset[str]:
    """Return the keys of these rights and of all that they need."""
    found: set[str] = set()
    left = list(keys)
    while left:
        key = left.pop()
        if key not in found:
            found.add(key)
            left += RIGHTS_BY_KEY[key].needs
    return frozenset(found)


def permissions_of_rights(keys: Iterable[str]) -> frozenset[str]:
    """Return the permissions of these rights and of all that they need."""
    return frozenset(one for key in with_needed(keys) for one in RIGHTS_BY_KEY[key].permissions)


def rights_in(permissions: Iterable[str]) -> frozenset[str]:
    """Return the keys of the rights whose first permission is among these."""
    held = set(permissions)
    return frozenset(key for key, right in RIGHTS_BY_KEY.items() if right.permissions[0] in held)


def in_words(keys: Iterable[str]) -> list[str]:
    """Return the sentences of these rights, in the order of the page."""
    wanted = set(keys)
    return [right.words for key, right in RIGHTS_BY_KEY.items() if key in wanted]
