"""The staff's list of payments: what it finds by what is typed or chosen, and its export."""

from __future__ import annotations

import csv
import io
from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from billing.admin.payment_lists import found_payments
from billing.models import Payment
from panel.accounts.roles import set_up_roles
from panel.lib.admin import lists
from panel.lib.money import MICRO
from panel.ops.invariants import find_breaches
from tests import make
from tests.scenes import statements

pytestmark = pytest.mark.django_db

LIST = "admin:billing_payment_changelist"


def payment(user, *, held=False, **values):
    deposit = user and make.pending_deposit(user, "25")
    state = {"state": "held", "hold": "over_day"} if held else {}
    given = {"method": make.payment_method(), "currency": "USD", "came_in": 20 * MICRO, **state, **values}
    if deposit:
        given["method"] = deposit.method
    return Payment.objects.create(deposit=deposit, **given)


@pytest.fixture
def payments(db):
    alice, bob = make.customer(), make.customer("bob@example.org")
    return {
        "alice": payment(alice, external_id="ext-1", reference="ref-1"),
        "bob": payment(bob, external_id="ext-2", reference="ref-2", held=True),
        "nobody": payment(None, external_id="ext-3", reference="=cmd()", seen_at=timezone.now() - timedelta(days=9)),
    }


@pytest.fixture
def listed(client, payments):
    """Return the names of the payments on the list, with these parameters."""
    client.force_login(make.owner())
    names = {one.pk: name for name, one in payments.items()}

    def fetch(**params):
        return [names[one.pk] for one in client.get(reverse(LIST), params).context["cl"].result_list]

    return fetch


@pytest.mark.parametrize(
    ("typed", "found"),
    [
        ("ext-1", ["alice"]),
        ("ext", []),
        ("ref-2", ["bob"]),
        ("alice@example.org", ["alice"]),
        (" Ali", ["alice"]),
        ("example", []),
        ("", ["bob", "nobody", "alice"]),
        ("999999", []),
        ("' OR 1=1", []),
    ],
)
def test_list_when_searched_then_whole_words_and_how_addresses_begin(listed, typed, found):
    assert listed(q=typed) == found


def test_list_when_searched_by_the_request_then_its_payments(listed, payments):
    assert listed(q=str(payments["alice"].deposit_id)) == ["alice"]


@pytest.mark.parametrize(
    ("chosen", "found"),
    [
        ({}, ["bob", "nobody", "alice"]),
        ({"state__exact": "held"}, ["bob"]),
        ({"hold__exact": "over_day"}, ["bob"]),
        ({"seen_from": "2026-01-01", "seen_to": "2026-01-02"}, []),
        ({"seen_from": "soon"}, ["bob", "alice", "nobody"]),
        ({"seen_from": "2020-01-01"}, ["bob", "alice", "nobody"]),
    ],
)
def test_list_when_filtered_then_held_first_or_the_latest(listed, chosen, found):
    assert listed(**chosen) == found


def test_list_when_filtered_by_days_then_both_are_included(listed):
    day = timezone.localdate() - timedelta(days=9)
    assert listed(seen_from=day.isoformat(), seen_to=day.isoformat()) == ["nobody"]
    assert listed(seen_to=(day - timedelta(days=1)).isoformat()) == []


def test_list_when_it_grows_then_the_statements_do_not(client, listed, payments):
    def cost():
        with statements() as found:
            listed_rows = client.get(reverse(LIST)).content.decode()
        assert "$25.00" in listed_rows
        return len(found)

    cost()
    few = cost()
    for number in range(5):
        payment(make.customer(f"{number}@example.org"), external_id=f"more-{number}")
    assert cost() == few


def test_list_when_long_then_counted_to_a_limit_and_said(client, listed, monkeypatch):
    monkeypatch.setattr(lists, "MAX_COUNTED", 2)
    assert "2+ payments" in client.get(reverse(LIST)).content.decode()


def test_search_when_many_are_found_then_a_few_statements(payments, django_assert_num_queries):
    with django_assert_num_queries(5):
        found_payments(term="1")


def test_export_when_filtered_then_the_same_rows_and_no_formula_runs(client, listed):
    answer = client.get(reverse("admin:billing_payment_export"), {"q": "ext-3"})
    [row] = csv.DictReader(io.StringIO(b"".join(answer.streaming_content).decode("utf-8-sig")))
    assert (row["reference"], row["came_in"], row["customer"]) == ("'=cmd()", "20", "")


@pytest.mark.parametrize("page", ["export", "money_in", "money_in_export"])
def test_pages_when_the_person_may_see_no_payments_then_refused(client, page):
    set_up_roles()
    client.force_login(make.customer())
    assert client.get(reverse(f"admin:billing_payment_{page}")).status_code in (302, 403)


def test_deposit_when_a_gateway_counted_payments_then_linked(client, listed, payments):
    deposit = payments["alice"].deposit
    shown = client.get(reverse("admin:billing_deposit_change", args=[deposit.pk])).content.decode()
    assert f"?q={deposit.pk}" in shown
    assert find_breaches() == []
