"""The tabs of a customer's page: each has its own permission, its own page of rows, and its own statements."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from django.contrib.admin.models import LogEntry
from django.contrib.contenttypes.models import ContentType
from django.db.models import Prefetch

from billing.models import Deposit, Entry, Payment, Wallet
from catalog.models import CustomerPrice
from orders.models import Order
from panel.accounts.models import ApiKey, CustomerNote, User
from panel.lib.keyset_pagination import KeysetPage, page_of
from panel.ops.customers import rights

SIZE = 50


@dataclass(frozen=True, slots=True)
class Tab:
    """`rows` returns the page that the address's parameters select."""

    key: str
    title: str
    permission: str
    rows: Callable[[User, Mapping[str, str]], KeysetPage[Any]]

    @property
    def url_name(self) -> str:
        return f"customer_{self.key}"

    @property
    def template(self) -> str:
        return f"admin/customers/_{self.key}.html"


def _orders(customer: User, params: Mapping[str, str]) -> KeysetPage[Any]:
    return page_of(Order.objects.filter(customer=customer), params=params, size=SIZE)


def _transactions(customer: User, params: Mapping[str, str]) -> KeysetPage[Any]:
    # By the wallet's own key, so that an index gives the order.
    wallet = Wallet.objects.filter(customer=customer).values_list("pk", flat=True).first()
    entries = Entry.objects.filter(wallet=wallet).select_related("actor")
    return page_of(entries, params=params, key="seq", is_unique=True, size=SIZE)


def _payments(customer: User, params: Mapping[str, str]) -> KeysetPage[Any]:
    deposits = Deposit.objects.filter(customer=customer).select_related("method")
    paid = Prefetch("payments", Payment.objects.order_by("pk"))
    return page_of(deposits.prefetch_related(paid), params=params, size=SIZE)


def _prices(customer: User, params: Mapping[str, str]) -> KeysetPage[Any]:
    prices = CustomerPrice.objects.filter(customer=customer).select_related("service")
    return page_of(prices, params=params, size=SIZE)


def _keys(customer: User, params: Mapping[str, str]) -> KeysetPage[Any]:
    return page_of(ApiKey.objects.filter(customer=customer).defer("digest"), params=params, size=SIZE)


def _notes(customer: User, params: Mapping[str, str]) -> KeysetPage[Any]:
    return page_of(CustomerNote.objects.filter(customer=customer).select_related("author"), params=params, size=SIZE)


def _activity(customer: User, params: Mapping[str, str]) -> KeysetPage[Any]:
    kind = ContentType.objects.get_for_model(User)
    entries = LogEntry.objects.filter(content_type=kind, object_id=str(customer.pk)).select_related("user", "detail")
    return page_of(entries, params=params, size=SIZE)


TABS = (
    Tab("orders", "Orders", rights.VIEW_ORDERS, _orders),
    Tab("transactions", "Transactions", rights.VIEW_ENTRIES, _transactions),
    Tab("payments", "Payments", rights.VIEW_DEPOSITS, _payments),
    Tab("prices", "Prices", rights.VIEW_PRICES, _prices),
    Tab("keys", "Keys", rights.VIEW_KEYS, _keys),
    Tab("notes", "Notes", rights.VIEW_NOTES, _notes),
    Tab("activity", "Activity", rights.VIEW_ACTIVITY, _activity),
)
TABS_BY_KEY = {tab.key: tab for tab in TABS}
