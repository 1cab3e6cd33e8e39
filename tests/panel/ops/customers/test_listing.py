"""The list of customers: what it shows to whom, its search, its pages, and its statements."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from billing.models import Entry, OrderHold
from catalog.models import CustomerGroup, GroupMember
from orders.models import CustomerFigures
from panel.account_home.closing import close_account
from panel.accounts.models import User
from panel.alerts.services import record_heartbeat
from panel.ops.customers import count, listing
from panel.ops.customers.count import count_customers
from panel.ops.customers.figures import refund_share
from tests import make, unguarded
from tests.make import micros
from tests.panel.levels.conftest import post, spend

pytestmark = pytest.mark.django_db
LIST = "/admin/customers/"


def text_of(response) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", response.content.decode().split("<main>")[1]).split())


@pytest.fixture
def owner(client):
    user = make.owner()
    client.force_login(user)
    return user


def test_list_when_money_moved_then_balance_spent_and_share_are_shown(client, owner):
    alice = make.customer("alice@example.org")
    spend(alice, "80")
    post(alice, micros("20"), Entry.Kind.REFUND)
    make.deposit(alice, "5")
    make.order(alice, make.service(make.provider(), rate="1"), quantity=1_000)
    GroupMember.objects.create(customer=alice, group=CustomerGroup.objects.create(name="Friends", discount_bp=500))
    text = text_of(client.get(LIST))
    order = alice.orders.get()
    balance = micros("25") - order.charge
    assert f"alice@example.org ${balance / 10**6:.2f} ${60 + order.charge / 10**6:.2f} 1 24." in text
    assert "Never Friends Active" in text


def test_list_when_people_are_staff_then_they_are_left_out(client, owner):
    make.staff_member("Support", "support@example.org")
    make.customer("alice@example.org")
    text = text_of(client.get(LIST))
    assert "alice@example.org" in text
    assert "support@example.org" not in text


@pytest.mark.parametrize(
    ("typed", "found"), [("ALI", "alice@"), ("alice@example.org", "alice@"), ("lice", ""), ("%", "")]
)
def test_search_when_typed_then_beginnings_are_found_alone(client, owner, typed, found):
    make.customer("alice@example.org")
    make.customer("bob@example.org")
    shown = {row.user.email.split("@")[0] + "@" for row in client.get(LIST, {"q": typed}).context["page"].rows}
    assert shown == ({found} if found else set())


def test_list_when_longer_than_a_page_then_older_ones_follow_once(client, owner, monkeypatch):
    monkeypatch.setattr(listing, "SIZE", 2)
    made = [make.customer(f"c{number}@example.org").pk for number in range(5)]
    shown, params = [], {}
    for _ in range(3):
        page = client.get(LIST, params).context["page"]
        shown += [row.user.pk for row in page.rows]
        params = dict([page.next]) if page.next else {}
    assert shown == made[::-1]


# -- sorts and filters ---------------------------------------------------------------------------------


@pytest.fixture
def crowd(owner):
    """Three customers: c spent most, a has most, b ordered most and was refunded most."""
    made = {name: make.customer(f"{name}@example.org") for name in ("a", "b", "c")}
    for name, spent, refunded, balance in (("a", "5", "1", "30"), ("b", "10", "9", "1"), ("c", "20", "0", "2")):
        spend(made[name], spent)
        if refunded != "0":
            post(made[name], micros(refunded), Entry.Kind.REFUND)
        make.deposit(made[name], balance)
    service = make.service(make.provider(), rate="0.01")
    for name, times in (("b", 2), ("a", 1)):
        for _ in range(times):
            make.order(made[name], service, quantity=10)
    User.objects.filter(pk=made["b"].pk).update(last_login=timezone.now())
    count_customers()
    return made


def names(client, **params):
    rows = client.get(LIST, params).context["page"].rows
    return "".join(row.user.email.split("@")[0] for row in rows)


@pytest.mark.parametrize(
    ("sort", "order"),
    [
        ("newest", "cba"),
        ("-newest", "abc"),
        ("balance", "abc"),
        ("-balance", "cba"),
        ("spent", "cab"),
        ("orders", "bac"),
        ("-orders", "cab"),
        ("refunds", "bac"),
        ("seen", "bca"),
        ("nonsense", "cba"),
    ],
)
def test_list_when_sorted_then_in_this_order_page_by_page(client, crowd, monkeypatch, sort, order):
    assert names(client, sort=sort) == order
    monkeypatch.setattr(listing, "SIZE", 2)
    first = client.get(LIST, {"sort": sort}).context["page"]
    assert names(client, sort=sort, **dict([first.next])) == order[2]
    second = client.get(LIST, {"sort": sort, **dict([first.next])}).context["page"]
    assert names(client, sort=sort, **dict([second.previous])) == order[:2]


def test_list_when_a_customer_is_new_then_last_until_counted(client, crowd):
    new = make.customer("d@example.org")
    spend(new, "100")
    assert names(client, sort="spent") == "cabd"
    assert names(client, sort="-spent") == "bacd"
    count_customers()
    assert names(client, sort="spent") == "dcab"


@pytest.mark.parametrize(
    ("params", "found"),
    [
        ({"q": "b"}, "b"),
        ({"group": "1"}, "c"),
        ({"group": "9"}, ""),
        ({"state": "blocked"}, "a"),
        ({"state": "active"}, "c"),
        ({"state": "held"}, "b"),
        ({"state": "invited"}, ""),
        ({"state": "closed"}, ""),
        ({"state": "nonsense"}, "cab"),
        ({"balance": "money"}, "ca"),
        ({"balance": "debt"}, "b"),
        ({"balance": "credit"}, "b"),
        ({"balance": "money", "state": "blocked"}, "a"),
    ],
)
def test_list_when_filtered_then_those_alone_in_the_chosen_order(client, crowd, params, found):
    group = CustomerGroup.objects.create(pk=1, name="Friends", discount_bp=500)
    GroupMember.objects.create(customer=crowd["c"], group=group)
    User.objects.filter(pk=crowd["a"].pk).update(is_active=False, blocked_reason="Fraud")
    wallets = unguarded.wallets().filter(customer=crowd["b"])
    wallets.update(order_hold=OrderHold.HELD, credit_limit=micros("50"))
    post(crowd["b"], -micros("20"), Entry.Kind.ADJUSTMENT)
    assert names(client, sort="spent", **params) == found


def test_list_when_role_sees_no_money_then_it_sorts_and_filters_by_none(client, crowd):
    staff = make.staff_member("Support")
    staff.groups.get().permissions.remove(*staff.groups.get().permissions.filter(codename="view_wallet"))
    client.force_login(staff)
    assert names(client, sort="spent", balance="debt") == "cba"
    text = client.get(LIST).content.decode()
    assert "sort=balance" not in text
    assert 'name="balance"' not in text


def test_head_when_sorted_by_it_then_it_turns_the_order_around(client, crowd):
    columns = {one.label: one for one in client.get(LIST, {"sort": "spent", "q": "x"}).context["columns"]}
    assert (columns["Spent"].address, columns["Spent"].sorted) == ("?q=x&sort=-spent", "descending")
    assert (columns["Orders"].address, columns["Orders"].sorted) == ("?q=x&sort=orders", "")


# -- counting ------------------------------------------------------------------------------------------


def test_count_when_something_moved_then_these_alone_are_counted(crowd, monkeypatch):
    assert CustomerFigures.objects.count() == 3
    assert count_customers() == 2  # Those who ordered or were here within the last minutes.
    monkeypatch.setattr(count, "OVERLAP", timedelta(0))
    record_heartbeat(task="count_customers", at=timezone.now() + timedelta(hours=1))
    assert count_customers() == 0
    spend(crowd["a"], "7")
    assert count_customers() == 1
    assert CustomerFigures.objects.get(pk=crowd["a"].pk).spent > micros("11")


def test_count_when_round_is_full_then_the_next_goes_on(client, crowd, monkeypatch):
    CustomerFigures.objects.all().delete()
    monkeypatch.setattr(count, "MAX_CUSTOMERS", 2)
    assert [count_customers() for _ in range(2)] == [2, 2]
    assert CustomerFigures.objects.count() == 3


def test_figures_when_account_is_closed_then_gone_for_good(client, crowd):
    alice = make.customer("alice@example.org")
    count_customers()
    close_account(customer=User.objects.get(pk=alice.pk), gives_up=0)
    assert not CustomerFigures.objects.filter(pk=alice.pk).exists()
    count_customers()
    assert not CustomerFigures.objects.filter(pk=alice.pk).exists()
    assert names(client, sort="spent") == "cab"
    assert "closed" in names(client, state="closed")


def test_list_when_customers_are_many_then_statements_stay_the_same(client, owner):
    spend(make.customer("first@example.org"), "5")
    client.get(LIST)
    with CaptureQueriesContext(
        connection,
    ) as few:
        client.get(LIST)
    for number in range(9):
        spend(make.customer(f"c{number}@example.org"), "5")
    with CaptureQueriesContext(connection) as many:
        client.get(LIST)
    assert len(many) == len(few) <= 18


def test_list_when_support_looks_then_groups_are_missing(client):
    client.force_login(make.staff_member("Support"))
    alice = make.customer("alice@example.org")
    GroupMember.objects.create(customer=alice, group=CustomerGroup.objects.create(name="Friends", discount_bp=500))
    text = text_of(client.get(LIST))
    assert "Balance" in text
    assert "Friends" not in text


def test_list_when_wallets_are_not_for_this_role_then_no_money(client):
    alice = make.customer("alice@example.org", funds="1234")
    staff = make.staff_member("Support")
    staff.groups.get().permissions.remove(*staff.groups.get().permissions.filter(codename="view_wallet"))
    client.force_login(staff)
    for address in (LIST, reverse("customer", args=[alice.pk])):
        assert "1,234" not in text_of(client.get(address))


@pytest.mark.parametrize(
    ("spent", "refunded", "share"), [(75, 25, 2_500), (0, 0, None), (0, 10, 10_000), (-5, 10, 10_000), (-10, 10, None)]
)
def test_refund_share_when_computed_then_between_none_and_all(spent, refunded, share):
    assert refund_share(spent=spent, refunded=refunded) == share
