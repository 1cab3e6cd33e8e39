"""Pages of the admin, settings, and things to do, by the words that staff would use for them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from django.contrib import admin
from django.http import HttpRequest
from django.urls import reverse

from panel.ops.search.hits import Hit
from panel.site.groups import SETTINGS


@dataclass(frozen=True, slots=True)
class Deed:
    """Something to do: its sentence, the address's name, who may, and words that mean it."""

    title: str
    url: str
    permission: str
    words: str = ""


DEEDS = (
    Deed("Add a provider", "admin:catalog_provider_add", "catalog.add_provider", "connect new upstream api"),
    Deed(
        "Add a payment method", "admin:billing_paymentmethod_add", "billing.add_paymentmethod", "new way to pay gateway"
    ),
    Deed("Add a coupon", "admin:billing_coupon_add", "billing.add_coupon", "new code bonus"),
    Deed("Add a customer group", "admin:catalog_customergroup_add", "catalog.add_customergroup", "new discount level"),
    Deed("Agree a price with a customer", "admin:catalog_customerprice_add", "catalog.add_customerprice", "new own"),
    Deed("Add a channel", "admin:channels_channel_add", "channels.add_channel", "new mail telegram webhook tell me"),
    Deed(
        "Look at late orders",
        "admin:orders_lateorders_changelist",
        "orders.view_order",
        "stalled slow stuck overdue delayed not delivered",
    ),
    Deed("Stop all sending", "admin:orders_sendingstop_stop_panel", "orders.add_sendingstop", "pause halt hold orders"),
    Deed(
        "Change the panel's margin",
        "admin:catalog_pricepolicy_changelist",
        "catalog.change_pricepolicy",
        "price percent",
    ),
)


def find_pages(request: HttpRequest, text: str) -> Iterator[Hit]:
    """Yield the menu's pages and the settings that this person may open and whose names have all the words."""
    words = text.lower().split()
    for group in admin.site.get_sidebar_list(request):  # type: ignore[attr-defined]
        for item in group["items"]:
            if item["has_permission"] and _has_all(words, f"{item['title']} {group['title']}"):
                yield Hit(str(item["title"]), str(group["title"]), str(item["link"]), item["icon"])
    if request.user.has_perm("site.change_settings"):
        for setting in SETTINGS.values():
            if _has_all(words, f"{setting.label} {setting.name}"):
                yield Hit(setting.label, "Setting", f"{reverse('settings')}#{setting.name}", "settings")


def find_deeds(request: HttpRequest, text: str) -> Iterator[Hit]:
    """Yield what this person may do by these words."""
    words = text.lower().split()
    for deed in DEEDS:
        if request.user.has_perm(deed.permission) and _has_all(words, f"{deed.title} {deed.words}"):
            yield Hit(deed.title, "", reverse(deed.url), "bolt")


def _has_all(words: list[str], name: str) -> bool:
    """Return True if each word begins one of the name's."""
    parts = name.lower().replace("_", " ").split()
    return all(any(part.startswith(word) for part in parts) for word in words)
