"""Addresses of the pages that the bench opens: each list with its filters, searches, sort orders and a deep page."""

from __future__ import annotations

from datetime import timedelta

from django.contrib import admin
from django.contrib.admin import RelatedFieldListFilter
from django.contrib.admin.views.main import ChangeList
from django.test import RequestFactory
from django.urls import reverse
from django.utils import timezone

from billing.models import Deposit, Wallet
from orders.models import Order
from panel.accounts.models import User
from tests.bench.pages_urls import EMPTY

# The deep page of a list is at this share of its length.
DEEP = 0.98
# The admin's lists that grow with orders, customers or services.
ADMIN_LISTS = {
    "orders_order": ("orders", {"an upstream id": "{upstream}", "an address": "{email}", "a link": "{link}"}),
    "orders_orderinreview": ("orders in review", {"an address": "{email}"}),
    "orders_dripfeed": ("drip-feeds", {"an address": "{email}"}),
    "accounts_user": ("customers", {"an address": "{email}", "a part of it": "lopez"}),
    "billing_wallet": ("wallets", {"an address": "{email}"}),
    "billing_entry": ("entries", {"an address": "{email}", "an order": "{order}", "a key": "order:{order}:charge"}),
    "billing_deposit": ("deposits", {"an address": "{email}", "a reference": "TRX-007919"}),
    "catalog_service": ("services", {"a word": "Instagram", "an id": "17"}),
    "catalog_provider": ("providers", {}),
    "catalog_catalogchange": ("inbox", {"a word": "Instagram"}),
    "catalog_customerprice": ("customer prices", {"an address": "{email}"}),
    "catalog_syncrun": ("imports", {}),
    "accounts_apikey": ("API keys", {"an address": "{email}"}),
    "ops_alert": ("alerts", {}),
}
# How many choices of a filter are opened; fewer where they are rows of another table, since these are alike.
MAX_CHOICES, MAX_ROWS = 12, 2


def customer_addresses(customer: User) -> dict[str, str]:
    """Return the addresses by name; the first is the baseline."""
    orders = Order.objects.filter(customer=customer).order_by("pk")
    count = orders.count()
    deep = orders[int(count * (1 - DEEP))]
    middle = orders[count // 2]
    some_day = timezone.localdate(deep.created_at)
    days = f"since={some_day}&until={some_day + timedelta(days=1)}"
    year = f"since={timezone.localdate() - timedelta(days=365)}"
    listed, wallet = reverse("order_list"), reverse("wallet")
    entry = Wallet.objects.get(customer=customer).entry_count // 50
    statuses = {f"orders: {status}": f"{listed}?status={status}" for status in ("pending", "in_progress", "completed")}
    return {
        "baseline: an empty view": EMPTY,
        "account: the frame alone": reverse("news_choices"),
        "account": reverse("account"),
        "order form": reverse("order_new"),
        "order form: find a service": f"{reverse('order_find')}?q=instagram",
        "mass order": reverse("mass_order"),
        "orders": listed,
        "orders: deep": f"{listed}?after={deep.pk}.{deep.pk}",
        **statuses,
        "orders: canceled, deep": f"{listed}?status=canceled&after={deep.pk}.{deep.pk}",
        "orders: a service": f"{listed}?service={middle.service_id}",
        "orders: a service and a status": f"{listed}?service={middle.service_id}&status=canceled",
        "orders: two days long ago": f"{listed}?{days}",
        "orders: two days and a status": f"{listed}?{days}&status=canceled",
        "orders: a year, oldest first": f"{listed}?{year}&sort=oldest",
        "orders: highest charge": f"{listed}?sort=highest",
        "orders: lowest charge, deep": f"{listed}?sort=lowest&after={middle.charge}.{middle.pk}",
        "orders: highest charge of a status": f"{listed}?sort=highest&status=canceled",
        "orders: highest charge of two days": f"{listed}?sort=highest&{days}",
        "orders: a number": f"{listed}?q={deep.pk}",
        "orders: a whole link": f"{listed}?q={middle.link}",
        "orders: a part of a link": f"{listed}?q=p/47",
        "orders: what most links have": f"{listed}?q=com",
        "orders: what no link has": f"{listed}?q=nothing-has-this",
        "order page": reverse("order_detail", args=[deep.pk]),
        "drip-feeds": reverse("drip_list"),
        "services": reverse("services"),
        "services: a search": f"{reverse('services')}?q=instagram",
        "services: a platform, a deep page": f"{reverse('services')}?platform=instagram&sort=cheapest&page=20",
        "services: a link": f"{reverse('services')}?q=https://www.instagram.com/natgeo/",
        "services: all categories": reverse("service_categories"),
        "services: changes": reverse("service_changes"),
        "wallet": wallet,
        "wallet: deep": f"{wallet}?after={entry}.{entry}",
        "wallet: refunds": f"{wallet}?kind=refund",
        "wallet: two days": f"{wallet}?{days}",
        "statement": reverse("wallet_statement", args=[some_day.year, some_day.month]),
        "spending": reverse("wallet_spending"),
        "add funds": reverse("add_funds"),
        "API keys": reverse("api_keys"),
    }


def staff_addresses(owner: User, customer: User) -> dict[str, str]:
    """Return each list: plain, deep, by each choice of each filter, by each sortable column, and with each search."""
    middle = Order.objects.filter(customer=customer, upstream_id__isnull=False).order_by("pk")[40]
    words = {"email": customer.email, "order": middle.pk, "upstream": middle.upstream_id, "link": middle.link}
    found = {
        "baseline: an empty view": EMPTY,
        "dashboard": reverse("admin:index"),
        **{f"profit: {days} days": f"{reverse('admin:orders_order_profit')}?days={days}" for days in (7, 30, 90)},
        "order": reverse("admin:orders_order_change", args=[middle.pk]),
        "customer": reverse("admin:accounts_user_change", args=[customer.pk]),
        "wallet": reverse("admin:billing_wallet_change", args=[Wallet.objects.get(customer=customer).pk]),
        "deposit": reverse("admin:billing_deposit_change", args=[Deposit.objects.order_by("pk")[0].pk]),
        "entries: of one wallet": (
            f"{reverse('admin:billing_entry_changelist')}?wallet__id__exact={Wallet.objects.get(customer=customer).pk}"
        ),
        "metrics": reverse("metrics"),
    }
    for name, (title, searches) in ADMIN_LISTS.items():
        address = reverse(f"admin:{name}_changelist")
        found[title] = address
        changelist = _changelist(owner, name, address)
        if changelist.paginator.num_pages > 2:
            found[f"{title}: deep"] = f"{address}?p={int(changelist.paginator.num_pages * DEEP)}"
        for what, text in searches.items():
            found[f"{title}: search {what}"] = f"{address}?q={text.format(**words)}"
        for spec in changelist.filter_specs:
            choices = [one for one in spec.choices(changelist) if one.get("query_string", "?") != "?"]
            for choice in choices[1 : 1 + (MAX_ROWS if isinstance(spec, RelatedFieldListFilter) else MAX_CHOICES)]:
                found[f"{title}: {spec.title} {choice['display']}"] = f"{address}{choice['query_string']}"
        for place, column in enumerate(changelist.list_display):
            if changelist.get_ordering_field(column):
                found[f"{title}: by {column}"] = f"{address}?o=-{place}"
    return found


def _changelist(owner: User, name: str, address: str) -> ChangeList:
    model_admin = next(
        one for model, one in admin.site._registry.items() if model._meta.label_lower.replace(".", "_") == name
    )
    request = RequestFactory().get(address)
    request.user = owner
    return model_admin.get_changelist_instance(request)
