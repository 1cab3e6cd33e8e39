"""Addresses of the pages that the bench opens: each list with its filters, searches, sort orders and a deep page."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

from django.contrib import admin
from django.contrib.admin import RelatedFieldListFilter
from django.test import Client, RequestFactory
from django.urls import reverse
from django.utils import timezone

from billing.models import Deposit, Wallet
from orders.models import Order
from panel.accounts.models import User
from panel.lib.admin.lists import LongChangeList
from panel.lib.ordered_pages import place_of
from panel.ops.customers.listing import SORTS
from tests.bench.pages_urls import EMPTY

# The deep page of a list is at this share of its length.
DEEP = 0.98
# What each list of the admin is searched for. Every list is opened; those that are not named here have no search.
SEARCHES = {
    "accounts_user": {"an address": "{email}", "a part of it": "lopez"},
    "accounts_apikey": {"an address": "{email}", "an ending": "0007"},
    "accounts_role": {"a word": "Manager"},
    "accounts_signin": {"an address": "{email}"},
    "activity_act": {"an address": "{email}", "an object": "{order}"},
    "billing_bankline": {"an address": "{email}", "a request": "{order}"},
    "billing_coupon": {"a code": "WELCOME"},
    "billing_deposit": {"an address": "{email}", "a reference": "TRX-007919", "a number": "7919"},
    "billing_entry": {"an address": "{email}", "an order": "{order}", "a key": "order:{order}:charge"},
    "billing_gatewaycall": {"an id": "evt-7919"},
    "billing_invoice": {"an id": "inv-7919"},
    "billing_payment": {"an address": "{email}", "an id": "TRX-007919"},
    "billing_wallet": {"an address": "{email}"},
    "catalog_catalogchange": {"a word": "Instagram"},
    "catalog_category": {"a word": "Instagram"},
    "catalog_customergroup": {"a word": "VIP"},
    "catalog_customerprice": {"an address": "{email}", "a number": "17"},
    "catalog_groupmember": {"an address": "{email}"},
    "catalog_pricechange": {"a word": "Instagram"},
    "catalog_provider": {"a word": "Panel"},
    "catalog_providerword": {"a word": "success"},
    "catalog_service": {"a word": "Instagram", "an id": "17"},
    "levels_levelmove": {"an address": "{email}"},
    "mfa_authenticator": {"an address": "{email}"},
    "ops_errorreport": {"a number": "7K3F9Q"},
    "orders_dripfeed": {"an address": "{email}", "a link": "{link}"},
    "orders_order": {
        "a number": "{order}",
        "an upstream id": "{upstream}",
        "an address": "{email}",
        "a link": "{link}",
        "nothing": "nothing-has-this",
    },
    "orders_orderinreview": {"an address": "{email}", "a number": "{order}"},
    "orders_orphan": {"an id": "7919"},
    "staff_secondlook": {"an address": "{email}"},
}
# Parameters of lists with a form of their own for filters.
FORMS = {
    "orders_order": {
        **{f"view {view}": f"view={view}" for view in ("open", "late", "needs-you", "ended")},
        **{f"source {source}": f"source={source}" for source in ("browser", "api", "drip")},
        "a customer": "customer={email}",
        "a service": "service={service}",
        "a provider": "provider={provider}",
        "a provider, open": "provider={provider}&view=open",
        "a category": "category={category}",
        "two days": "since={since}&until={until}",
        "a customer of a provider": "customer={email}&provider={provider}",
    },
    "billing_payment": {"two days": "seen_from={since}&seen_to={until}"},
}
# How many choices of a filter are opened; fewer where they are rows of another table, since these are alike.
MAX_CHOICES, MAX_ROWS = 4, 1


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
    middle = Order.objects.filter(customer=customer, upstream_id__isnull=False).select_related("service")[40]
    wallet = Wallet.objects.get(customer=customer)
    day = timezone.localdate(middle.created_at)
    words = {
        "email": customer.email,
        "order": middle.pk,
        "upstream": middle.upstream_id,
        "link": middle.link,
        "service": middle.service_id,
        "provider": middle.provider_id,
        "category": middle.service.category_id,
        "since": day,
        "until": day + timedelta(days=1),
    }
    found = {
        "baseline: an empty view": EMPTY,
        "dashboard": reverse("admin:index"),
        **{f"profit: {days} days": f"{reverse('admin:orders_order_profit')}?days={days}" for days in (7, 30, 90)},
        "order": reverse("admin:orders_order_change", args=[middle.pk]),
        "account": reverse("admin:accounts_user_change", args=[customer.pk]),
        "customers": reverse("customers"),
        "customers: search an address": f"{reverse('customers')}?{urlencode({'q': customer.email})}",
        "wallet": reverse("admin:billing_wallet_change", args=[wallet.pk]),
        "deposit": reverse("admin:billing_deposit_change", args=[Deposit.objects.order_by("pk")[0].pk]),
        "entries: of one wallet": f"{reverse('admin:billing_entry_changelist')}?wallet__id__exact={wallet.pk}",
        "late orders": reverse("admin:orders_lateorders_changelist"),
        **{f"customers: by {sort}": f"{reverse('customers')}?sort={sort}" for sort in SORTS},
        "customers: by spent, with money": f"{reverse('customers')}?sort=spent&balance=money",
        "customers: by spent, an address": f"{reverse('customers')}?sort=spent&q={customer.email[:4]}",
        "metrics": reverse("metrics"),
    }
    for model_admin in admin.site._registry.values():
        found.update(_of_list(model_admin, owner, words))
    return found


def _of_list(model_admin: admin.ModelAdmin, owner: User, words: dict[str, object]) -> dict[str, str]:
    """Return the addresses of one list; none if its page is no list."""
    opts = model_admin.model._meta
    name = f"{opts.app_label}_{opts.model_name}"
    title, address = str(opts.verbose_name_plural), reverse(f"admin:{name}_changelist")
    if not _is_list(owner, address):
        return {}
    found = {title: address}
    request = RequestFactory().get(address)
    request.user = owner
    changelist = model_admin.get_changelist_instance(request)
    if query := _deep(changelist):
        found[f"{title}: deep"] = f"{address}{query}"
    for what, text in SEARCHES.get(name, {}).items():
        found[f"{title}: search {what}"] = f"{address}?{urlencode({'q': text.format(**words)})}"
    for what, text in FORMS.get(name, {}).items():
        found[f"{title}: {what}"] = f"{address}?{text.format(**words)}"
    for spec in changelist.filter_specs if name not in FORMS or name == "billing_payment" else ():
        choices = [one for one in spec.choices(changelist) if one.get("query_string", "?") != "?"]
        for choice in choices[1 : 1 + (MAX_ROWS if isinstance(spec, RelatedFieldListFilter) else MAX_CHOICES)]:
            found[f"{title}: {spec.title} {choice['display']}"] = f"{address}{choice['query_string']}"
    for place, column in enumerate(changelist.list_display):
        is_sortable = changelist.sortable_by is None or column in changelist.sortable_by
        if is_sortable and changelist.get_ordering_field(column):
            found[f"{title}: by {column}"] = f"{address}?o=-{place}"
    return found


def _is_list(owner: User, address: str) -> bool:
    """Return True if a list of rows is at this address: some models have a page of their own there, or lead away."""
    client = Client(headers={"host": "localhost"})
    client.force_login(owner)
    response: Any = client.get(address)
    return response.status_code == 200 and "cl" in (response.context_data or {})


def _deep(changelist: Any) -> str:
    """Return the parameters of a page near the end of the list; "" if it has not so many pages."""
    if isinstance(changelist, LongChangeList):
        rows = changelist.queryset
        from_end = int(rows.count() * (1 - DEEP))
        if from_end <= changelist.list_per_page:
            return ""
        return f"?{urlencode({'after': place_of(rows.reverse(), from_end)})}"
    pages = changelist.paginator.num_pages
    return f"?p={int(pages * DEEP)}" if pages > 2 else ""
