"""The account's home and the file of one's own data."""

from __future__ import annotations

import json

import pytest
from django.urls import reverse

from catalog.models import CustomerGroup, Favourite, GroupMember
from orders.models import Order
from panel.account_home.overview import overview_of
from panel.accounts.models import SignIn
from panel.api.keys.services import make_key
from tests import make
from tests.scenes import statements

pytestmark = pytest.mark.django_db


def data_of(client):
    response = client.get(reverse("account_data"))
    assert response.status_code == 200 and response["Cache-Control"] == "no-store"
    return json.loads(response.getvalue())


def test_home_when_opened_then_spent_open_and_last_orders(signed_in, customer, service):
    first = make.order(customer, service, quantity=100)
    Order.objects.filter(pk=first.pk).update(status="completed")
    for _ in range(6):
        make.order(customer, service, quantity=100)
    overview = overview_of(customer=customer)
    assert (overview.spent.in_all, overview.spent.this_month) == (7 * 250_000, 7 * 250_000)
    assert (overview.open_orders, overview.are_more_open, len(overview.latest)) == (6, False, 5)
    text = signed_in.get(reverse("account")).content.decode()
    assert "$1.75" in text and service.name in text and "Your level" not in text
    for name in ("wallet_statements", "account_data", "account_close", "mfa_index", "api_keys", "news_choices"):
        assert f'href="{reverse(name)}"' in text


def test_home_when_in_a_group_then_its_discount_but_not_its_name(signed_in, customer):
    group = CustomerGroup.objects.create(name="Slow payers", discount_bp=750)
    GroupMember.objects.create(customer=customer, group=group)
    text = signed_in.get(reverse("account")).content.decode()
    assert "7.5% <small>off list prices" in text and "Slow payers" not in text


def test_home_when_there_are_more_orders_then_as_many_statements(customer, service):
    make.order(customer, service)
    overview_of(customer=customer)  # Sums up what came in before this month, once.
    with statements() as few:
        overview_of(customer=customer)
    for _ in range(4):
        make.order(customer, service)
    with statements() as many:
        overview_of(customer=customer)
    assert len(many) == len(few) <= 8


def test_data_when_downloaded_then_all_of_the_customer_and_no_secret(signed_in, customer, service):
    order = make.order(customer, service, quantity=100, link="https://example.org/é")
    drip = make.drip(customer, service)
    make.payment_method()
    deposit = make.pending_deposit(customer, "20.5")
    made = make_key(customer=customer, name="Shop")
    Favourite.objects.create(customer=customer, service=service)
    SignIn.objects.create(user=customer, outcome=SignIn.Outcome.SIGNED_IN, address="192.0.2.7")
    other = make.customer("bob@example.org", funds="5")
    make.order(other, service, link="https://example.org/bob")
    data = data_of(signed_in)
    assert data["profile"]["email"] == customer.email
    assert {order.pk} < {one["number"] for one in data["orders"]}
    assert "https://example.org/é" in {one["link"] for one in data["orders"]}
    assert [one["number"] for one in data["drip_feeds"]] == [drip.pk]
    assert [(one["number"], one["amount"]) for one in data["deposits"]] == [(deposit.pk, "20.5")]
    assert [one["name"] for one in data["api_keys"]] == ["Shop"]
    assert data["favorites"] == [{"service": service.pk, "name": service.name}]
    assert data["sign_ins"][0]["address"] == "192.0.2.7"
    assert {one["kind"] for one in data["transactions"]} == {"deposit", "order", "drip_feed"}
    text = json.dumps(data)
    assert made.secret not in text and made.key.digest not in text and customer.password not in text
    assert "bob" not in text


def test_data_when_rows_are_many_then_read_in_chunks(customer, service, signed_in, monkeypatch):
    for _ in range(5):
        make.order(customer, service)
    from panel.account_home import my_data

    original = my_data.each_row
    monkeypatch.setattr(my_data, "each_row", lambda rows, **values: original(rows, **{**values, "size": 2}))
    assert len(data_of(signed_in)["orders"]) == 5 and len(data_of(signed_in)["transactions"]) == 6


def test_data_when_real_sign_in_times_then_asked_again(signed_in, real_sign_in_times):
    response = signed_in.get(reverse("account_data"))
    assert response.status_code == 302 and "reauthenticate" in response["Location"]
