"""Every list of the admin is bounded: pages by key, counts up to a limit, searches by index, few statements."""

from __future__ import annotations

import re
from types import SimpleNamespace
from typing import Any

import pytest
from django.contrib.admin import ShowFacets, site
from django.test import Client
from django.urls import reverse

from billing.models import ComparedDay, Coupon, Deposit, Entry, Payment, PaymentMethod
from catalog.models import Category, CustomerGroup, PricePolicy, Provider, ProviderWord, Service, TypeWord
from orders.models import MoneyDay, SendingStop
from panel.accounts.admin import UserAdmin
from panel.accounts.models import Role, User
from panel.channels.models import Channel
from panel.lib.admin import lists, searches
from panel.lib.admin.searches import found_rows
from panel.staff.models import StaffDeed, StaffLimit
from tests import make
from tests.scenes import statements

pytestmark = pytest.mark.django_db

# What the owner makes, or what is bounded by it. Every other list is long, also a new one.
SHORT: set[Any] = {Category, Channel, Coupon, CustomerGroup, PaymentMethod, Provider, ProviderWord, Role, SendingStop}
SHORT |= {Service}
# Their pages are no lists of rows.
NO_LISTS: set[Any] = {ComparedDay, MoneyDay, PricePolicy, StaffDeed, StaffLimit, TypeWord}
LONG = {model: one for model, one in site._registry.items() if model not in SHORT | NO_LISTS}
NAMES = [model._meta.label for model in LONG]
PART_OF_TEXT = re.compile(r"UPPER\(|LIKE '%|REGEXP")
LATEST = f"LIMIT {searches.MAX_READ}"
TYPED = ("1000", "alice@example.org", "nothing-has-this", "#7", "Ünïcode", "%", "9" * 30, "192.0.2.1", "a\0b", "😀")


def listed(model_admin: Any, rf: Any, user: User, **params: str) -> Any:
    request = rf.get("/", params)
    request.user, request._messages = user, SimpleNamespace(add=lambda *args: None)
    return model_admin.get_changelist_instance(request)


def test_lists_when_not_short_then_named_as_such():
    assert {model for model, one in site._registry.items() if one.is_short} == SHORT


@pytest.mark.parametrize("model_admin", LONG.values(), ids=NAMES)
def test_lists_when_opened_then_a_bounded_page_and_count(model_admin, rf, staff):
    make.customer("alice@example.org", funds="5")
    with statements() as found:
        shown = listed(model_admin, rf, staff)
        list(shown.result_list)
    assert shown.list_per_page <= 50
    assert hasattr(shown, "keyset")
    assert not shown.date_hierarchy
    assert model_admin.show_facets is ShowFacets.NEVER
    for one in found:
        assert "LIMIT" in one or "COUNT(" not in one, one
        assert " OFFSET " not in one, one


@pytest.mark.parametrize(
    "model_admin", [one for one in LONG.values() if one.search_fields], ids=lambda one: one.opts.label
)
def test_lists_when_searched_then_no_statement_reads_a_whole_table(model_admin, rf, staff):
    make.customer("alice@example.org", funds="5")
    for typed in TYPED:
        with statements() as found:
            listed(model_admin, rf, staff, q=typed)
        for one in found:
            assert LATEST in one or not PART_OF_TEXT.search(one), one
            assert "LIMIT" in one or "COUNT(" not in one, one


@pytest.mark.parametrize("model_admin", LONG.values(), ids=NAMES)
def test_lists_when_sortable_then_by_columns_without_nulls(model_admin, rf, staff):
    shown = listed(model_admin, rf, staff)
    for place, column in enumerate(shown.list_display):
        list(listed(model_admin, rf, staff, o=f"-{place}").result_list)
        if column in shown.sortable_by:
            field = model_admin.opts.get_field(shown.get_ordering_field(column))
            assert (field.unique or field.db_index) and not field.null


@pytest.mark.parametrize(
    "name", ["accounts_user", "billing_wallet", "billing_entry", "billing_deposit", "accounts_apikey"]
)
def test_lists_when_a_page_has_more_rows_then_no_more_statements(name, client, monkeypatch):
    client.force_login(make.owner())
    method = make.payment_method()
    for number in range(12):
        user = make.customer(f"{number}@example.org", funds="5")
        make.pending_deposit(user, method=method)
        user.api_keys.create(name="Shop", digest=f"{number:064}", ending="abcd")
    model_admin = next(
        one for model, one in site._registry.items() if model._meta.label_lower == name.replace("_", ".")
    )
    cost = {}
    for rows in (2, 2, 10):
        monkeypatch.setattr(type(model_admin), "list_per_page", rows)
        with statements() as found:
            page = client.get(reverse(f"admin:{name}_changelist"))
        assert len(page.context["cl"].result_list) == rows
        cost[rows] = len(found)
    assert cost[2] == cost[10]


# -- pages and counts ------------------------------------------------------------------------------------


@pytest.fixture
def owner_client(client) -> Client:
    client.force_login(make.owner())
    return client


def test_list_when_long_then_walked_by_older_and_newer(owner_client, monkeypatch):
    monkeypatch.setattr(UserAdmin, "list_per_page", 3)
    User.objects.bulk_create(User(email=f"{number:02}@example.org") for number in range(7))
    address = reverse("admin:accounts_user_changelist")
    page = owner_client.get(address, {"is_active__exact": "1"})
    shown = list(page.context["cl"].result_list)
    while link := page.context["cl"].next_page:
        assert "Older" in page.content.decode() and "is_active__exact=1" in link
        page = owner_client.get(f"{address}{link}")
        shown += page.context["cl"].result_list
    assert shown == list(User.objects.order_by("-pk")) and len(shown) == 8
    text = page.content.decode()
    assert "Newer" in text and "First page" in text and "Older" not in text
    assert page.context["cl"].first_page == "?is_active__exact=1"
    # A search begins with the first page.
    assert 'name="after"' not in text


def test_list_when_it_has_more_than_are_counted_then_said(owner_client, monkeypatch):
    monkeypatch.setattr(lists, "MAX_COUNTED", 2)
    address = reverse("admin:accounts_user_changelist")
    User.objects.bulk_create(User(email=f"{number:02}@example.org") for number in range(3))
    assert "2+ users" in owner_client.get(address).content.decode()
    assert "2+ users" in owner_client.get(address, {"q": "0", "is_active__exact": "1"}).content.decode()
    assert "1 user<" in owner_client.get(address, {"q": "01@"}).content.decode()


def test_entries_when_sorting_is_requested_then_latest_stay_first(customer, owner_client):
    for amount in ("3", "1", "2"):
        make.deposit(customer, amount)
    address = reverse("admin:billing_entry_changelist")
    for column in range(9):
        found = [entry.pk for entry in owner_client.get(address, {"o": str(column)}).context["cl"].result_list]
        assert found == list(Entry.objects.order_by("-pk").values_list("pk", flat=True))


# -- searches --------------------------------------------------------------------------------------------


def found(rows: Any, term: str, *fields: str) -> list[str]:
    return [
        f"{one.customer.email[0]}{one.reference}" for one in found_rows(rows.order_by("pk"), fields=fields, term=term)
    ]


@pytest.mark.parametrize(
    ("term", "fields", "expected"),
    [
        ("ALI", ("^customer__email",), ["aOne", "aTwo"]),
        ("example", ("^customer__email",), []),
        ("bob@example.org", ("=customer__email",), ["bTwo"]),
        ("Two", ("=reference",), ["aTwo", "bTwo"]),
        ("two", ("=reference",), []),
        (" One ", ("=reference", "^customer__email"), ["aOne"]),
        ("bob", ("=reference", "^customer__email"), ["bTwo"]),
        ("tw", ("reference",), ["aTwo", "bTwo"]),
        ("nonsense", ("=pk",), []),
        ("9" * 40, ("=pk", "=customer"), []),
    ],
)
def test_search_when_typed_then_finds_by_whole_value_beginning_or_part(term, fields, expected):
    alice, bob = make.customer("alice@example.org"), make.customer("bob@example.org")
    for user, reference in ((alice, "One"), (alice, "Two"), (bob, "Two")):
        last = make.pending_deposit(user, reference=reference)
    assert found(Deposit.objects, term, *fields) == expected
    assert found(Deposit.objects, f"#{last.pk}", "=pk") == ["bTwo"]


def test_search_when_many_rows_are_related_then_all_are_found(monkeypatch):
    monkeypatch.setattr(searches, "MAX_NAMED", 1)
    monkeypatch.setattr(searches, "MAX_RELATED", 1)
    alice, bob = make.customer("alice@example.org"), make.customer("bob@example.org")
    for user in (alice, alice, bob):
        deposit = make.pending_deposit(user)
        values = {"method": deposit.method, "external_id": str(deposit.pk), "currency": "USD", "came_in": 10**6}
        Payment.objects.create(deposit=deposit, **values)
    payments = found_rows(Payment.objects.all(), fields=("^deposit__customer__email",), term="alice")
    assert {payment.deposit.customer for payment in payments} == {alice} and len(payments) == 2


def test_search_when_a_part_is_in_an_old_row_then_not_read(monkeypatch):
    monkeypatch.setattr(searches, "MAX_READ", 1)
    alice, bob = make.customer("alice@example.org"), make.customer("bob@example.org")
    for user in (alice, bob):
        make.pending_deposit(user, reference="Same")
    assert found(Deposit.objects, "same", "reference") == ["bSame"]
