"""Finders by a part of a name, in tables that stay small. Orders and entries are found by their keys alone."""

from __future__ import annotations

from collections.abc import Iterator

from billing.models import Coupon, PaymentMethod
from catalog.models import Category, CustomerGroup, Provider, Service
from panel.accounts.models import ApiKey, User
from panel.ops.search.hits import MAX_HITS, Finder, Hit, page_of, user_hit

# Characters from which a part is looked for: a shorter one is in half of all names.
MIN_TEXT = 2


def _customers(text: str) -> Iterator[Hit]:
    # Without an order: the first that are found end the scan.
    return map(user_hit, User.objects.filter(email__icontains=text)[:MAX_HITS])


def _services(text: str) -> Iterator[Hit]:
    for service in Service.objects.filter(name__icontains=text).order_by("-is_on_sale", "pk")[:MAX_HITS]:
        where = "on sale" if service.is_on_sale else "off sale"
        yield Hit(service.name, f"Service {service.pk} · {where}", page_of("catalog_service", service.pk), "sell")


def _providers(text: str) -> Iterator[Hit]:
    for provider in Provider.objects.filter(name__icontains=text)[:MAX_HITS]:
        yield Hit(provider.name, "Provider", page_of("catalog_provider", provider.pk), "hub")


def _categories(text: str) -> Iterator[Hit]:
    for category in Category.objects.filter(name__icontains=text)[:MAX_HITS]:
        yield Hit(category.name, "Category", page_of("catalog_category", category.pk), "folder")


def _keys(text: str) -> Iterator[Hit]:
    found = ApiKey.objects.filter(name__icontains=text) | ApiKey.objects.filter(ending=text)
    for key in found.select_related("customer").order_by()[:MAX_HITS]:
        revoked = " · revoked" if key.revoked_at else ""
        detail = f"API key …{key.ending} of {key.customer}{revoked}"
        yield Hit(key.name, detail, page_of("accounts_apikey", key.pk), "key")


def _groups(text: str) -> Iterator[Hit]:
    for group in CustomerGroup.objects.filter(name__icontains=text)[:MAX_HITS]:
        yield Hit(group.name, "Customer group", page_of("catalog_customergroup", group.pk), "loyalty")


def _methods(text: str) -> Iterator[Hit]:
    for method in PaymentMethod.objects.filter(name__icontains=text)[:MAX_HITS]:
        yield Hit(method.name, "Payment method", page_of("billing_paymentmethod", method.pk), "payments")


def _coupons(text: str) -> Iterator[Hit]:
    for coupon in Coupon.objects.filter(code__icontains=text)[:MAX_HITS]:
        yield Hit(coupon.code, "Coupon", page_of("billing_coupon", coupon.pk), "redeem")


FINDERS = (
    Finder("customers", "accounts.view_user", _customers),
    Finder("services", "catalog.view_service", _services),
    Finder("providers", "catalog.view_provider", _providers),
    Finder("categories", "catalog.view_category", _categories),
    Finder("API keys", "accounts.view_apikey", _keys),
    Finder("customer groups", "catalog.view_customergroup", _groups),
    Finder("payment methods", "billing.view_paymentmethod", _methods),
    Finder("coupons", "billing.view_coupon", _coupons),
)
