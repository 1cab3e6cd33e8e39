"""Wallets in the admin: money moves only through the ledger, once per form, with a reason."""

from __future__ import annotations

from uuid import uuid4

import pytest
from django.test import Client
from django.urls import reverse

from billing.models import Entry
from billing.wallets import wallet_of
from tests import make
from tests.admin_calls import WHY, action_address

pytestmark = pytest.mark.django_db


def move(client: Client, wallet_pk: int, **changes):
    data = {"amount": "5", "kind": "deposit", "reason": "Transfer 123", "request_key": uuid4().hex}
    return client.post(action_address("billing.wallet", wallet_pk, "move_money"), {**data, **WHY, **changes})


def test_credit_when_staff_post_it_then_an_entry_with_its_reason(staff_client, staff, customer):
    wallet = wallet_of(customer=customer)
    assert move(staff_client, wallet.pk).status_code == 302
    entry = Entry.objects.get(memo="Transfer 123")
    assert (entry.amount, entry.kind, entry.actor, entry.balance_after) == (5_000_000, "deposit", staff, 15_000_000)


def test_credit_when_posted_twice_then_money_moves_once(staff_client, customer):
    wallet = wallet_of(customer=customer)
    key = uuid4().hex
    for _ in range(2):
        move(staff_client, wallet.pk, request_key=key)
    assert make.wallet(customer).balance == 15_000_000


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"amount": "0"}, "Nothing was moved"),
        ({"amount": "-5"}, "Only an adjustment"),
        ({"amount": "-50", "kind": "adjustment"}, "holds $10.00 only"),
        ({"amount": "1e3"}, "Enter a number"),
        ({"amount": "0.0000001"}, "six decimal places"),
        ({"amount": "99999999999"}, "out of range"),
        ({"reason": ""}, "required"),
        ({"kind": "refund"}, "valid choice"),
    ],
)
def test_credit_when_invalid_then_explained_and_nothing_moves(staff_client, customer, changes, words):
    wallet = wallet_of(customer=customer)
    response = move(staff_client, wallet.pk, **changes)
    assert words in response.content.decode()
    assert make.wallet(customer).balance == 10_000_000


def test_credit_page_when_opened_then_nothing_moves(staff_client, customer):
    wallet = wallet_of(customer=customer)
    staff_client.get(action_address("billing.wallet", wallet.pk, "move_money"), {"amount": "5", "kind": "deposit"})
    assert make.wallet(customer).balance == 10_000_000


def test_credit_when_not_permitted_then_refused(customer):
    helper = make.customer("helper@example.org")
    helper.is_staff = True
    helper.save()
    client = Client()
    client.force_login(helper)
    wallet = wallet_of(customer=customer)
    assert move(client, wallet.pk).status_code == 403
    assert make.wallet(customer).balance == 10_000_000


def test_wallet_and_entries_when_edited_then_refused(staff_client, customer):
    wallet = wallet_of(customer=customer)
    staff_client.post(reverse("admin:billing_wallet_change", args=[wallet.pk]), {"balance": "99"})
    entry = Entry.objects.first()
    assert staff_client.post(reverse("admin:billing_entry_delete", args=[entry.pk]), {"post": "yes"}).status_code == 403
    assert make.wallet(customer).balance == 10_000_000
