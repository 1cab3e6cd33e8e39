"""Reversals in the admin: settled with a note, and the hold of the customer's orders that they may bring."""

from __future__ import annotations

import pytest
from django.contrib.admin.models import LogEntry
from django.urls import reverse

from billing.models import Payment, Reversal, Wallet
from billing.order_holds import hold_orders
from panel.accounts.roles import set_up_roles
from panel.lib.money import MICRO
from tests import make

pytestmark = pytest.mark.django_db


@pytest.fixture
def reversal():
    deposit = make.pending_deposit(make.customer(), "20")
    payment = Payment.objects.create(
        method=deposit.method, external_id="p-1", deposit=deposit, currency="USD", came_in=20 * MICRO
    )
    made = Reversal.objects.create(payment=payment, amount=20 * MICRO)
    hold_orders(reversal=made, customer_id=deposit.customer_id)
    return made


def page(reversal, name="change"):
    return reverse(f"admin:billing_reversal_{name}", args=[reversal.pk])


def hold():
    return Wallet.objects.get().order_hold


def test_reversal_when_it_holds_orders_then_seen_on_all_pages_and_released_once(client, reversal):
    client.force_login(make.owner())
    customer = reversal.payment.deposit.customer
    for address in (
        page(reversal),
        reverse("admin:billing_wallet_change", args=[customer.wallet.pk]),
        reverse("admin:accounts_user_change", args=[customer.pk]),
    ):
        assert "Held" in client.get(address).content.decode()
    for _ in range(2):
        client.post(page(reversal, "release"), {"seen": "open:True"})
    assert (hold(), Reversal.objects.get().state) == ("ending", "open")
    assert LogEntry.objects.filter(change_message__contains="may order again").count() == 1
    assert "Held" not in client.get(reverse("admin:accounts_user_change", args=[customer.pk])).content.decode()


def test_reversal_when_settled_then_the_hold_is_released(client, reversal):
    client.force_login(make.owner())
    client.post(page(reversal, "settle"), {"seen": "open", "note": "Debited."})
    assert (hold(), Reversal.objects.get().state) == ("ending", "settled")


def test_release_when_the_person_may_not_decide_then_refused(client, reversal):
    set_up_roles()
    client.force_login(make.staff_member("Support"))
    assert client.post(page(reversal, "release"), {"seen": "open:True"}).status_code == 403
    assert hold() == "held"
