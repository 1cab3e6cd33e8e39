"""Fees as customers and staff see them: before anything is sent, while it is waited for, and on what was added."""

from __future__ import annotations

import re
from uuid import uuid4

import pytest
from django.urls import reverse

from billing.deposits import approve_deposit
from billing.mails import write_deposit_mail
from billing.models import Deposit, Entry, PaymentMethod
from billing.statements import spent_of
from billing.wallets import wallet_of
from panel.account_home.my_data import _deposit
from panel.lib.money import CENT, MAX_MICROS
from tests import make
from tests.admin_calls import WHY

pytestmark = pytest.mark.django_db

FEE = {"fee_bp": 400, "fee_fixed": 10 * CENT, "fee_payer": "customer"}


@pytest.fixture
def method():
    return make.payment_method(**FEE)


def plain(response):
    """Return the text of a page, without tags and with single spaces."""
    text = re.sub(r"<[^>]+>", "", response.content.decode())
    return re.sub(r"\s+", " ", text)


def preview(client, method, amount):
    return plain(client.get(reverse("add_funds_preview"), {"method": method.pk, "amount": amount}))


def send(client, method, **values):
    data = {"method": method.pk, "amount": "20", "request_key": uuid4().hex, **values}
    return client.post(reverse("add_funds"), data)


# -- before ----------------------------------------------------------------------------------------------


def test_preview_when_there_is_a_fee_then_the_sum_to_pay(signed_in, method):
    assert "You get $20.00 You pay $20.90: $20.00 + fee $0.90 (4% + $0.10)" in preview(signed_in, method, "20")
    assert "What comes in" not in preview(signed_in, method, "")
    assert "You pay what you add, and a fee of 4% + $0.10." in preview(signed_in, method, "")
    assert "no fee" not in preview(signed_in, method, "20")


def test_preview_when_there_are_fee_and_bonus_then_both(signed_in):
    text = preview(signed_in, make.payment_method(**FEE, bonus_bp=500), "20")
    for words in ("You get $21.00", "$20.00 + $1.00 bonus (5%)", "You pay $20.90"):
        assert words in text


def test_preview_when_the_owner_pays_then_no_fee_is_shown(signed_in):
    text = preview(signed_in, make.payment_method(**{**FEE, "fee_payer": "owner"}), "20")
    assert "There is no fee." in text and "You pay" not in text


def test_methods_when_offered_then_each_says_its_fee(signed_in, method):
    make.payment_method(name="Card")
    text = plain(signed_in.get(reverse("add_funds")))
    assert "Fee 4% + $0.10" in text and "No fee" in text and "Amount to add in $" in text


def test_limits_when_there_is_a_fee_then_of_what_is_added(signed_in):
    method = make.payment_method(**FEE)
    assert send(signed_in, method, amount="1000").status_code == 302
    assert Deposit.objects.get().to_pay == 1_040_100_000
    assert "smallest amount" in preview(signed_in, method, "4.99")


def test_request_when_the_fee_rose_meanwhile_then_confirmed_again(signed_in, method):
    page = signed_in.get(reverse("add_funds")).content.decode()
    [seen] = re.findall(r'name="seen_fee_\d+" value="([^"]*)"', page)
    PaymentMethod.objects.update(fee_bp=500)
    response = send(signed_in, method, seen_fee=seen)
    assert "The fee has changed" in response.content.decode()
    assert not Deposit.objects.exists()
    [seen] = re.findall(r'name="seen_fee_\d+" value="([^"]*)"', response.content.decode())
    assert send(signed_in, method, seen_fee=seen).status_code == 302
    assert Deposit.objects.get().fee_bp == 500


def test_request_when_the_fee_fell_meanwhile_then_sent(signed_in, method):
    PaymentMethod.objects.update(fee_bp=0)
    assert send(signed_in, method, seen_fee="400:100000").status_code == 302


# -- after -----------------------------------------------------------------------------------------------


def test_deposit_when_it_waits_then_page_and_mail_say_the_sum(signed_in, customer, method):
    deposit = make.pending_deposit(customer, "20", method=method)
    text = plain(signed_in.get(reverse("deposit_detail", args=[deposit.pk])))
    assert "You pay $20.90: $20.00 + fee $0.90 (4% + $0.10)" in text and "you get $20.00" in text
    assert re.search(r"Amount to pay \$20\.90", text) and "Amount to add$20.00" in text
    mail = write_deposit_mail(deposit)
    assert mail and "With the fee of 4% + $0.10 you pay $20.90." in str(mail.body)


def test_deposit_when_added_then_every_page_says_paid_fee_and_added(signed_in, customer, staff, method):
    deposit = make.pending_deposit(customer, "20", method=method)
    approve_deposit(deposit_id=deposit.pk, credited=20_900_000, actor=staff)
    deposit.refresh_from_db()
    text = plain(signed_in.get(reverse("deposit_detail", args=[deposit.pk])))
    assert "$20.00 is in your wallet" in text and "Came in$20.90" in text and "Fee$0.90" in text
    assert "$20.90 came in. $0.90 of it is the fee." in text
    slip = plain(signed_in.get(reverse("deposit_slip", args=[deposit.pk])))
    for words in ("Funds for the wallet$20.00", "Fee$0.90", "Paid$20.90", "Added to the wallet$20.00"):
        assert words in slip
    assert "$20.90 came in. Less the fee of $0.90, $20.00 is in your wallet now." in str(
        write_deposit_mail(deposit).body
    )
    data = _deposit(deposit)
    assert (data["came_in"], data["fee"]) == ("20.9", "0.9")


def test_wallet_when_a_fee_was_taken_then_listed_filtered_and_no_spending(signed_in, customer, staff, method):
    before = spent_of(wallet=wallet_of(customer=customer)).in_all
    deposit = make.pending_deposit(customer, "20", method=method)
    approve_deposit(deposit_id=deposit.pk, credited=20_900_000, actor=staff)
    assert spent_of(wallet=wallet_of(customer=customer)).in_all == before
    page = signed_in.get(reverse("wallet"), {"kind": "fee"})
    assert [row.record.kind for row in page.context["table"].rows] == ["fee"]
    assert reverse("deposit_detail", args=[deposit.pk]) in page.content.decode()
    at = Entry.objects.get(kind="fee").created_at
    statement = plain(signed_in.get(reverse("wallet_statement", args=[at.year, at.month])))
    assert "Fees" in statement and "−$0.90" in statement


# -- staff -----------------------------------------------------------------------------------------------


def test_approval_when_there_is_a_fee_then_the_sum_is_proposed(staff_client, customer, method):
    deposit = make.pending_deposit(customer, "20", method=method)
    address = reverse("admin:billing_deposit_approve", args=[deposit.pk])
    page = staff_client.get(address).content.decode()
    assert 'value="20.9"' in page and "$20.90 by Bank transfer" in page
    assert "Fee: $0.90 of the customer, who was to pay $20.90 (4% + $0.10)" in page
    staff_client.post(address, {"credited": "20.90", "seen": "pending", **WHY})
    detail = plain(staff_client.get(reverse("admin:billing_deposit_change", args=[deposit.pk])))
    assert "$20.90 − $0.90 fee" in detail


def test_deposit_when_the_owner_pays_then_staff_see_the_cost(staff_client, customer):
    method = make.payment_method(**{**FEE, "fee_payer": "owner"})
    deposit = make.pending_deposit(customer, "20", method=method)
    page = plain(staff_client.get(reverse("admin:billing_deposit_change", args=[deposit.pk])))
    assert "$0.90, which you pay (4% + $0.10)" in page


WAY = {
    "name": "Bank transfer",
    "kind": "transfer",
    "instructions": "Pay to account 1.",
    "minimum": "5",
    "maximum": "1000",
    "bonus_bp": "0",
    "hours_open": "72",
    "position": "0",
    "is_active": "on",
}


def test_method_when_its_fee_is_typed_then_stored_and_shown(staff_client):
    method = make.payment_method()
    address = reverse("admin:billing_paymentmethod_change", args=[method.pk])
    assert "who adds $20.00 pays $20.90" in staff_client.get(address).content.decode()
    changes = {"fee_bp": "2,9", "fee_fixed": "0.30", "fee_payer": "customer"}
    assert staff_client.post(address, {**WAY, **changes}).status_code == 302
    method.refresh_from_db()
    assert (method.fee_bp, method.fee_fixed, method.fee_payer) == (290, 30 * CENT, "customer")
    assert "who adds $20.00 pays $20.88" in staff_client.get(address).content.decode()
    assert "2.9% + $0.30" in plain(staff_client.get(reverse("admin:billing_paymentmethod_changelist")))


def test_method_when_its_fee_is_left_empty_then_none(staff_client):
    method = make.payment_method(**FEE)
    address = reverse("admin:billing_paymentmethod_change", args=[method.pk])
    staff_client.post(address, {**WAY, "fee_bp": "", "fee_fixed": "", "fee_payer": ""})
    method.refresh_from_db()
    assert (method.fee_bp, method.fee_fixed, method.fee_payer) == (0, 0, "owner")


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"fee_bp": "-1"}, "fee_bp"),
        ({"fee_bp": "50.01"}, "fee_bp"),
        ({"fee_fixed": "-0.01"}, "fee_fixed"),
        ({"fee_payer": "nobody"}, "fee_payer"),
        ({"maximum": str(MAX_MICROS // 10**6), "fee_fixed": "0.01"}, "maximum"),
    ],
)
def test_method_when_its_fee_cannot_be_then_its_error(staff_client, changes, field):
    method = make.payment_method()
    response = staff_client.post(reverse("admin:billing_paymentmethod_change", args=[method.pk]), {**WAY, **changes})
    assert set(response.context["adminform"].form.errors) == {field}
    method.refresh_from_db()
    assert not method.all_fee_terms
