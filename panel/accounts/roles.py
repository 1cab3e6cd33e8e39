"""Roles of staff: what an owner, a manager and a support agent may do. Each is a group of permissions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.apps import AppConfig
from django.apps import apps as installed
from django.apps.registry import Apps
from django.contrib.auth.management import create_permissions

from panel.accounts.rights import RIGHTS_BY_KEY, rights_in

OWNER = "Owner"
MANAGER = "Manager"
SUPPORT = "Support"

# The permission to assign roles and to edit the accounts of staff.
GRANT = "accounts.grant_roles"

# The permission to move an account to another e-mail address.
CHANGE_ADDRESS = "accounts.change_address"

# What each role may do, in words for the person who assigns it. Nobody acts on their own account.
RIGHTS = {
    OWNER: (
        "everything, and alone the money of wallets and payment methods, limits of staff, levels, settings that touch "
        "money, exchange rates, currencies and the minimum margin, the list of who did what, providers' addresses and "
        "keys, resuming what the panel stopped by itself, invitations, roles and e-mail addresses."
    ),
    MANAGER: (
        "what Support may, and prices, services, imports, customers' terms, costs and profit, alerts and settings, "
        "stopping the sending of orders and resuming it; deposits to decide and the report of goodwill; no provider's "
        "address, key or exchange rate, and no money but deposits and refunds of orders, up to a limit."
    ),
    SUPPORT: (
        "customers' names, password links, blocking, notes about them, API keys to revoke, their pages as they see "
        "them; orders and drip-feeds, to cancel, refund, end by hand and decide about, up to a limit; wallets, "
        "deposits and alerts to look at; no costs."
    ),
}

OUR_APPS = (
    "accounts",
    "activity",
    "channels",
    "levels",
    "news",
    "ops",
    "site",
    "staff",
    "catalog",
    "billing",
    "orders",
)

_SUPPORT = (
    "accounts.view_user accounts.change_user",
    "accounts.view_customernote accounts.add_customernote",
    "accounts.view_apikey accounts.change_apikey",
    "accounts.view_as_customer",
    "billing.view_wallet billing.view_entry billing.view_deposit billing.view_payment billing.view_gatewaycall"
    " billing.view_invoice billing.view_reversal",
    "orders.view_order orders.change_order",
    "orders.view_dripfeed orders.change_dripfeed",
    "orders.view_sendingstop",
    "ops.view_alert",
    "staff.view_secondlook staff.change_secondlook",
)
_MANAGER = (
    *_SUPPORT,
    "billing.decide_deposit",
    "staff.view_staffdeed",
    "orders.view_profit",
    "orders.add_sendingstop orders.change_sendingstop",
    "ops.change_alert",
    "site.change_settings",
    "catalog.view_provider catalog.change_provider",
    "catalog.view_pricepolicy catalog.change_pricepolicy",
    "catalog.view_category catalog.add_category catalog.change_category catalog.delete_category",
    "catalog.view_service catalog.change_service",
    "catalog.view_pricechange catalog.change_pricechange",
    "catalog.view_catalogchange catalog.change_catalogchange",
    "catalog.view_syncrun catalog.change_syncrun",
    "catalog.view_customergroup catalog.add_customergroup catalog.change_customergroup catalog.delete_customergroup",
    "catalog.view_groupmember catalog.add_groupmember catalog.change_groupmember catalog.delete_groupmember",
    "catalog.view_customerprice catalog.add_customerprice catalog.change_customerprice catalog.delete_customerprice",
    "levels.view_levelmove",
)

# Permissions by role. None: all permissions of our apps, and reading the admin log.
ROLES: Mapping[str, frozenset[str] | None] = {
    OWNER: None,
    MANAGER: frozenset(" ".join(_MANAGER).split()),
    SUPPORT: frozenset(" ".join(_SUPPORT).split()),
}


def set_up_roles(*, apps: Apps = installed, using: str = "default") -> None:
    """Create the groups of the roles, and give each exactly its permissions.

    Roles that owners made get what a release added to their rights, and lose nothing. `apps` may be a migration state
    in which some apps are missing.
    """
    for label in (*OUR_APPS, "admin"):
        create_permissions(installed.get_app_config(label), verbosity=0, using=using, apps=apps)
    try:
        groups, permissions = apps.get_model("auth", "Group"), apps.get_model("auth", "Permission")
    except LookupError:
        return  # The tables do not exist yet: this runs again after the migration that creates them.
    found = {
        f"{label}.{codename}": pk
        for pk, label, codename in permissions.objects.using(using).values_list(
            "pk", "content_type__app_label", "codename"
        )
    }
    for name, wanted in ROLES.items():
        group, _ = groups.objects.using(using).get_or_create(name=name)
        group.permissions.set([pk for permission, pk in found.items() if _holds(wanted, permission)])
    for group in groups.objects.using(using).exclude(name__in=ROLES):
        given = set(group.permissions.values_list("pk", flat=True))
        held = rights_in(permission for permission, pk in found.items() if pk in given)
        wanted_pks = {found[one] for key in held for one in RIGHTS_BY_KEY[key].permissions if one in found}
        if not wanted_pks <= given:
            group.permissions.add(*wanted_pks)


def after_migrations(sender: AppConfig, *, using: str, apps: Apps = installed, **kwargs: Any) -> None:
    """Receive `post_migrate`. Django sends it without `apps` after a flush."""
    set_up_roles(apps=apps, using=using)


def _holds(wanted: frozenset[str] | None, permission: str) -> bool:
    if wanted is not None:
        return permission in wanted
    return permission.partition(".")[0] in OUR_APPS or permission == "admin.view_logentry"
