"""The list of customers: what it shows to whom, its search, its pages, and its statements."""

from __future__ import annotations

import re

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from billing.models import Entry
from catalog.models import CustomerGroup, GroupMember
from panel.ops.customers import listing
from panel.ops.customers.figures import refund_share
from tests import make
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
    assert len(many) == len(few) <= 16


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
