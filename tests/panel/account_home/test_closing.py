"""Closing an account: when, what goes, what stays, and who sees it."""

from __future__ import annotations

import pytest
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.usersessions.models import UserSession
from django.contrib.sessions.models import Session
from django.test import Client
from django.urls import reverse

from billing import ledger
from billing.models import Deposit, Entry, Wallet
from billing.wallets import wallet_of
from catalog.models import Favourite
from orders.checkout.create import NotEnoughFunds
from orders.models import DripFeed, Order, SavedView
from orders.states import DripState
from panel.account_home.closing import ClosingRefused, close_account
from panel.accounts.invitations import can_be_invited, renew_invitation
from panel.accounts.models import AccountMail, ApiKey, SignIn, User
from panel.activity.models import Act
from panel.api.keys.services import make_key
from panel.news.models import NewsChoice
from tests import make
from tests.logs import log_lines
from tests.scenes import at_once, kill_at_each_statement

pytestmark = pytest.mark.django_db


def close(client, **data):
    return client.post(reverse("account_close"), {"email": "alice@example.org", "seen": "10000000", **data})


def rows_of(user):
    return [
        list(model.objects.order_by("pk").values())
        for model in (User, Wallet, Entry, ApiKey, EmailAddress, AccountMail, Act, Favourite)
    ]


@pytest.fixture
def full(customer, service):
    """Give the customer one of everything that says who they are."""
    User.objects.filter(pk=customer.pk).update(first_name="Alice", last_name="Liddell", time_zone="Asia/Tokyo")
    customer.refresh_from_db()
    EmailAddress.objects.get_or_create(user=customer, email=customer.email, defaults={"verified": True})
    Authenticator.objects.create(user=customer, type="totp", data={})
    SignIn.objects.create(user=customer, outcome="signed_in", typed=customer.email, address="192.0.2.7")
    AccountMail.objects.create(user=customer, kind="notice", recipient=customer.email, body="Alice")
    Favourite.objects.create(customer=customer, service=service)
    SavedView.objects.create(customer=customer, name="Client A", query="status=partial")
    NewsChoice.objects.create(customer=customer)
    make_key(customer=customer, name="Alice's shop", networks=["192.0.2.0/24"])
    return customer


# -- what goes, and what stays ---------------------------------------------------------------------------


def test_closing_when_confirmed_then_nothing_says_who_it_was(signed_in, full, invariants_hold):
    response = close(signed_in, gives_up="on")
    assert (response.status_code, response["Location"]) == (302, reverse("home"))
    closed = User.objects.get(pk=full.pk)
    assert closed.email == f"closed-{full.pk}@closed.invalid" and closed.closed_at and not closed.is_active
    assert (closed.first_name, closed.last_name, closed.last_login) == ("", "", None)
    assert not closed.has_usable_password()
    assert closed.time_zone == ""
    for model in (EmailAddress, Authenticator, SignIn, UserSession):
        assert not model.objects.filter(user=full).exists(), model
    assert not Favourite.objects.exists() and not SavedView.objects.exists() and not NewsChoice.objects.exists()
    [key] = ApiKey.objects.all()
    assert (key.name, key.networks, key.last_address, key.is_revoked) == ("", [], None, True)
    [mail] = AccountMail.objects.all()
    assert (mail.recipient, mail.mail_due_at is None) == ("alice@example.org", False)
    assert "Alice" not in str(list(User.objects.values())) and "alice" not in str(list(ApiKey.objects.values()))


def test_closing_when_money_is_given_up_then_the_ledger_says_so(signed_in, customer, invariants_hold):
    Wallet.objects.update(credit_limit=5_000_000)
    close(signed_in, gives_up="on")
    wallet = Wallet.objects.get(customer=customer)
    last = wallet.entries.order_by("seq").last()
    assert (wallet.balance, wallet.credit_limit) == (0, 0)
    assert (last.amount, last.kind, last.key) == (-10_000_000, "adjustment", f"closing:{customer.pk}")


def test_closing_when_done_then_orders_and_entries_stay(signed_in, customer, service, invariants_hold):
    order = make.order(customer, service, quantity=100)
    Order.objects.filter(pk=order.pk).update(status="completed")
    entries = list(Entry.objects.order_by("pk").values())
    close(signed_in, gives_up="on", seen="9750000")
    assert User.objects.get(pk=customer.pk).closed_at
    assert Order.objects.get().link == order.link
    assert list(Entry.objects.order_by("pk").values())[: len(entries)] == entries


def test_closing_when_done_then_the_owner_sees_it(signed_in, customer, staff_client):
    close(signed_in, gives_up="on")
    act = Act.objects.latest("pk")
    assert (act.user_id, act.object_id) == (customer.pk, str(customer.pk))
    assert "closed the account" in act.change_message and "alice" not in act.object_repr
    page = staff_client.get(reverse("admin:accounts_user_change", args=[customer.pk])).content.decode()
    assert "Closed" in staff_client.get(reverse("admin:accounts_user_changelist")).content.decode()
    assert 'name="is_active"' not in page and 'name="first_name"' not in page


def test_closing_when_done_then_every_session_ended_and_the_address_is_free(signed_in, customer, client):
    elsewhere = Client()
    elsewhere.force_login(customer)
    elsewhere.get(reverse("account"))
    key = elsewhere.session.session_key
    UserSession.objects.get_or_create(session_key=key, defaults={"user": customer, "ip": "192.0.2.7"})
    close(signed_in, gives_up="on")
    assert signed_in.get(reverse("account")).status_code == 302
    assert elsewhere.get(reverse("account")).status_code == 302
    assert not Session.objects.filter(session_key=key).exists()
    again = make.customer("alice@example.org")
    assert wallet_of(customer=again).balance == 0


def test_closed_account_when_invited_or_moved_then_stays_closed(signed_in, customer, staff_client):
    close(signed_in, gives_up="on")
    closed = User.objects.get(pk=customer.pk)
    assert not can_be_invited(closed) and not renew_invitation(user=closed)
    url = reverse("admin:accounts_user_change_address", args=[closed.pk])
    staff_client.post(url, {"address": "thief@example.org", "post": "yes"})
    assert User.objects.get(pk=customer.pk).email == closed.email


GONE = {
    "account.EmailAddress.user",
    "mfa.Authenticator.user",
    "usersessions.UserSession.user",
    "accounts.AccountMail.user",
    "accounts.SignIn.user",
    "accounts.CustomerNote.customer",
    "catalog.Favourite.customer",
    "news.NewsItem.customer",
    "news.NewsMail.customer",
    "news.NewsChoice.customer",
    "orders.CustomerFigures.customer",
    "orders.OrderDraft.customer",
    "orders.OrderColumns.user",
    "orders.SavedView.customer",
    "orders.StaffView.user",
}
KEPT = {
    # Revoked and emptied.
    "accounts.ApiKey.customer",
    # What was sold and paid, and the terms of it.
    "billing.Deposit.customer",
    "billing.Redemption.customer",
    "billing.Wallet.customer",
    "catalog.CustomerPrice.customer",
    "catalog.GroupMember.customer",
    "levels.LevelMove.customer",
    "orders.DripFeed.customer",
    "orders.Order.customer",
    # What people of the staff did. Customers have no roles.
    "admin.LogEntry.user",
    "staff.SecondLook.customer",
    "staff.StaffDeed.customer",
    "accounts.Visit.customer",
    "accounts.User_groups.user",
    "accounts.User_user_permissions.user",
}


def test_tables_when_they_refer_to_a_customer_then_it_is_decided_what_closing_does():
    """A new table is added to GONE and to `_forget`, or to KEPT."""
    found = {
        f"{one.related_model._meta.app_label}.{one.related_model.__name__}.{one.field.name}"
        for one in User._meta.get_fields(include_hidden=True)
        # Other columns name the person who acted, mostly of the staff.
        if one.auto_created and not one.concrete and one.field.name in ("user", "customer")
    }
    assert found - GONE - KEPT == set() == (GONE | KEPT) - found


# -- when it is refused ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({"gives_up": "on", "email": "bob@example.org"}, "not the address of this account"),
        ({"gives_up": "on", "email": ""}, "Type the e-mail address"),
        ({}, "Check this box"),
    ],
)
def test_form_when_not_confirmed_then_says_what_to_do_and_keeps_the_rest(signed_in, customer, data, words):
    before = rows_of(customer)
    text = close(signed_in, **data).content.decode()
    assert words in text and "I give up the $10.00" in text
    assert rows_of(customer) == before
    if data.get("email"):
        assert f'value="{data["email"]}"' in text


def test_form_when_the_balance_changed_then_nothing_is_given_up(signed_in, customer):
    ledger.post(wallet_id=wallet_of(customer=customer).pk, amount=5_000_000, kind="deposit", key="late")
    response = signed_in.post(
        reverse("account_close"), {"email": customer.email, "seen": "10000000", "gives_up": "on"}, follow=True
    )
    assert "Your balance changed meanwhile" in response.content.decode()
    assert not User.objects.get(pk=customer.pk).closed_at and wallet_of(customer=customer).balance == 15_000_000


def test_closing_when_something_is_open_then_refused_with_each_reason(signed_in, customer, service):
    make.order(customer, service)
    make.drip(customer, service)
    make.payment_method()
    make.pending_deposit(customer)
    ledger_balance = wallet_of(customer=customer).balance
    text = signed_in.get(reverse("account_close")).content.decode()
    for words in ("Orders are still running", "drip-feed is still running", "deposit is on its way"):
        assert words in text
    assert 'name="email"' not in text
    close(signed_in, gives_up="on", seen=str(ledger_balance))
    assert not User.objects.get(pk=customer.pk).closed_at


def test_closing_when_all_has_ended_then_offered(signed_in, customer, service):
    make.order(customer, service)
    make.payment_method()
    make.pending_deposit(customer)
    Order.objects.update(status="canceled")
    DripFeed.objects.exclude(state=DripState.STOPPED).delete()
    Deposit.objects.filter(state="pending").update(state="canceled", decided_at="2026-11-01T00:00Z")
    assert 'name="email"' in signed_in.get(reverse("account_close")).content.decode()


def test_closing_when_the_balance_is_below_zero_then_refused(signed_in, customer):
    Wallet.objects.update(credit_limit=20_000_000)
    ledger.post(wallet_id=wallet_of(customer=customer).pk, amount=-12_000_000, kind="adjustment", key="debt")
    assert "Your balance is" in signed_in.get(reverse("account_close")).content.decode()
    with pytest.raises(ClosingRefused):
        close_account(customer=customer, gives_up=-2_000_000)


def test_closing_when_of_staff_then_refused(staff):
    with pytest.raises(ClosingRefused):
        close_account(customer=staff, gives_up=0)


def test_closing_when_real_sign_in_times_then_asked_again(signed_in, real_sign_in_times):
    response = signed_in.get(reverse("account_close"))
    assert response.status_code == 302 and "reauthenticate" in response["Location"]
    assert close(signed_in, gives_up="on").status_code == 302
    assert not User.objects.exclude(closed_at=None).exists()


# -- at once ---------------------------------------------------------------------------------------------


def test_closing_when_the_process_dies_anywhere_then_nothing_or_all(full):
    before = rows_of(full)

    def check():
        assert rows_of(full) == before

    kills = kill_at_each_statement(lambda: close_account(customer=full, gives_up=10_000_000), check)
    assert kills > 10 and User.objects.get(pk=full.pk).closed_at


def test_closing_when_the_account_changed_since_it_was_read_then_refused(customer):
    User.objects.filter(pk=customer.pk).update(session_generation=7)
    with pytest.raises(ClosingRefused, match="changed meanwhile"):
        close_account(customer=customer, gives_up=10_000_000)
    assert wallet_of(customer=customer).balance == 10_000_000


@pytest.mark.django_db(transaction=True)
def test_closing_when_sent_twice_at_once_then_closed_once(customer):
    results = at_once(2, lambda number: close_account(customer=customer, gives_up=10_000_000))
    assert sorted(type(one).__name__ for one in results) == ["ClosingRefused", "NoneType"]
    assert Entry.objects.filter(kind="adjustment").count() == 1


@pytest.mark.django_db(transaction=True)
def test_closing_when_an_order_is_created_at_the_same_time_then_one_of_them(customer, service, invariants_hold):
    def act(number):
        if number:
            return make.order(customer, service)
        return close_account(customer=customer, gives_up=10_000_000)

    closed, order = at_once(2, act)
    if isinstance(order, Order):
        assert isinstance(closed, ClosingRefused) and not User.objects.get(pk=customer.pk).closed_at
    else:
        assert isinstance(order, NotEnoughFunds) and closed is None and not Order.objects.exists()


def test_closing_when_done_then_logged_without_the_address(customer):
    with log_lines() as stream:
        close_account(customer=customer, gives_up=10_000_000)
    assert "account closed" in stream.getvalue() and "alice" not in stream.getvalue()
