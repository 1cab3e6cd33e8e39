"""Viewing a customer's pages: who may, until when, and that nobody is signed in by it."""

from __future__ import annotations

from contextlib import nullcontext
from datetime import timedelta

import pytest
from django.conf import settings
from django.contrib import messages
from django.contrib.admin.models import LogEntry
from django.core.signals import got_request_exception
from django.db import connection
from django.http import HttpResponse, StreamingHttpResponse
from django.urls import reverse

from billing.models import Deposit
from orders.models import Order
from panel.account_home.closing import close_account
from panel.accounts.models import User
from panel.accounts.view_as import grant, middleware
from panel.accounts.view_as.grant import MAX_AGE, address_of
from panel.accounts.visits import KEPT
from panel.api.keys.services import make_key
from panel.lib import clock
from panel.lib.read_only import WriteRefused, read_only
from tests import make

pytestmark = pytest.mark.django_db


def begin(client, customer, role="Support"):
    """Sign in as somebody of the staff, and view the customer's pages. Return the staff."""
    staff = make.staff_member(role)
    client.force_login(staff)
    response = client.post(reverse("customer_view_as", args=[customer.pk]))
    assert response["Location"] == address_of(customer.pk, "orders/")
    return staff


def wallet(client, customer):
    return client.get(address_of(customer.pk, "wallet/"))


def lines_of(customer):
    entries = LogEntry.objects.filter(object_id=str(customer.pk), content_type__model="user").order_by("pk")
    return [(entry.user.email, entry.get_change_message()) for entry in entries]


def refused(client, customer):
    response = wallet(client, customer)
    return response.status_code == 403 and "$10.00" not in response.content.decode()


@pytest.fixture
def staff(client, customer):
    return begin(client, customer)


# -- what is seen ------------------------------------------------------------------------------------------


def test_page_when_viewed_then_the_customers_with_the_banner(client, staff, customer):
    make.deposit(staff, "77")
    text = wallet(client, customer).content.decode()
    assert "$10.00" in text
    assert "$77.00" not in text
    assert "You see what <bdi>alice@example.org</bdi> sees." in text
    assert f'href="/view-as/{customer.pk}/orders/"' in text
    assert f'action="/admin/customers/{customer.pk}/view-as/leave/"' in text


def test_own_pages_and_admin_when_viewing_then_as_before(client, staff, customer):
    make.deposit(staff, "77")
    wallet(client, customer)
    own = client.get(reverse("wallet"))
    assert "$77.00" in own.content.decode()
    assert "is-viewing" not in own.content.decode()
    page = client.get(reverse("customer", args=[customer.pk]))
    assert page.wsgi_request.user == staff
    assert client.session["_auth_user_id"] == str(staff.pk)


def test_customer_when_viewed_then_not_signed_in(client, staff, customer):
    before = User.objects.values().get(pk=customer.pk)
    response = wallet(client, customer)
    assert User.objects.values().get(pk=customer.pk) == before
    assert response.wsgi_request.user == staff
    assert not response.cookies.keys() - {settings.CSRF_COOKIE_NAME}


@pytest.mark.parametrize("method", ["post", "put", "patch", "delete", "options", "trace"])
def test_post_when_viewing_then_refused_in_words(client, staff, customer, method):
    response = getattr(client, method)(address_of(customer.pk, "account/"))
    assert response.status_code == 403
    assert "Nothing was changed" in response.content.decode()


def test_page_when_not_there_then_not_found(client, staff, customer):
    response = client.get(address_of(customer.pk, "orders/999/"))
    assert response.status_code == 404
    assert "is-viewing" in response.content.decode()


def test_order_when_from_the_api_then_the_key_is_not_named(client, staff, customer):
    key = make_key(customer=customer, name="My other shop").key
    order = make.order(customer, make.service(make.provider()))
    Order.objects.filter(pk=order.pk).update(api_key_ref=key.pk)
    text = client.get(address_of(customer.pk, f"orders/{order.pk}/")).content.decode()
    assert "is-viewing" in text
    assert "My other shop" not in text


def test_order_when_anothers_then_not_found(client, staff, customer):
    other = make.order(make.customer("bob@example.org", funds="5"), make.service(make.provider()))
    assert client.get(address_of(customer.pk, f"orders/{other.pk}/")).status_code == 404


# -- until when ----------------------------------------------------------------------------------------------


def test_view_when_time_is_over_then_refused_and_logged(client, staff, customer, monkeypatch):
    assert wallet(client, customer).status_code == 200
    later = clock.now() + MAX_AGE
    monkeypatch.setattr(clock, "now", lambda: later)
    assert refused(client, customer)
    assert lines_of(customer)[-1] == (staff.email, "Viewing the customer's pages ended: the 15 minutes are over.")
    # A clock that is set back revives nothing.
    monkeypatch.undo()
    assert refused(client, customer)


def test_view_when_the_clock_was_set_back_then_refused(client, staff, customer, monkeypatch):
    before = clock.now() - timedelta(minutes=1)
    monkeypatch.setattr(clock, "now", lambda: before)
    assert refused(client, customer)


def take_right(staff):
    staff.groups.clear()


def take_entries(staff):
    [role] = staff.groups.all()
    role.permissions.remove(role.permissions.get(codename="view_entry"))


def take_drip_feeds(staff):
    [role] = staff.groups.all()
    role.permissions.remove(role.permissions.get(codename="view_dripfeed"))


def take_staff(staff):
    User.objects.filter(pk=staff.pk).update(is_staff=False)


def switch_off(staff):
    User.objects.filter(pk=staff.pk).update(is_active=False)


@pytest.mark.parametrize("lose", [take_right, take_entries, take_drip_feeds, take_staff, switch_off])
def test_view_when_staff_lose_what_it_takes_then_over(client, staff, customer, lose):
    assert wallet(client, customer).status_code == 200
    lose(staff)
    response = wallet(client, customer)
    assert response.status_code in (302, 403, 404)
    assert "$10.00" not in response.content.decode()


@pytest.mark.parametrize("change", [{"is_staff": True}, {"is_superuser": True}, {"closed_at": "2026-01-01 00:00Z"}])
def test_view_when_the_account_is_no_customers_then_over(client, staff, customer, change):
    User.objects.filter(pk=customer.pk).update(**change)
    assert refused(client, customer)


def test_view_when_left_then_over_and_logged(client, staff, customer):
    response = client.post(reverse("customer_view_as_leave", args=[customer.pk]))
    assert response["Location"] == reverse("customer", args=[customer.pk])
    assert refused(client, customer)
    begun, ended = lines_of(customer)
    assert begun[0] == staff.email
    assert begun[1].startswith("Began to view the customer's pages, reading only, until ")
    assert ended == (staff.email, "Viewing the customer's pages ended: they left.")


@pytest.mark.parametrize("way", ["admin:logout", "account_logout"])
def test_view_when_staff_sign_out_then_over_and_logged(client, staff, customer, way):
    client.post(reverse(way))
    assert wallet(client, customer).url.startswith(reverse("account_login"))
    client.force_login(staff)
    assert refused(client, customer)
    assert lines_of(customer)[-1][1] == "Viewing the customer's pages ended: they signed out."


def test_view_when_another_begins_then_the_first_is_over(client, staff, customer):
    bob = make.customer("bob@example.org")
    client.post(reverse("customer_view_as", args=[bob.pk]))
    assert wallet(client, bob).status_code == 200
    assert refused(client, customer)
    assert wallet(client, bob).status_code == 200


# -- whose it is ---------------------------------------------------------------------------------------------


def test_view_when_opened_in_another_session_then_refused(client, staff, customer):
    other = type(client)()
    other.force_login(staff)
    assert refused(other, customer)
    other.force_login(make.staff_member("Manager"))
    assert refused(other, customer)


def test_view_when_the_grant_is_anothers_then_refused(client, staff, customer):
    """As if a session had gone over to somebody else of the staff."""
    kept = client.session[KEPT]
    client.force_login(make.staff_member("Manager"))
    session = client.session
    session[KEPT] = kept
    session.save()
    assert refused(client, customer)


def test_view_when_opened_by_customers_or_visitors_then_nothing(client, customer):
    bob = make.customer("bob@example.org")
    address = address_of(bob.pk, "wallet/")
    assert client.get(address).url.startswith(reverse("account_login"))
    client.force_login(customer)
    assert client.get(address).status_code == 404
    assert client.get(address_of(customer.pk, "wallet/")).status_code == 404


def test_begin_when_not_a_customers_then_refused(client, customer):
    boss = make.owner()
    client.force_login(boss)
    gone = make.customer("gone@example.org")
    close_account(customer=gone, gives_up=0)
    for account in (boss, make.staff_member("Manager"), gone):
        response = client.post(reverse("customer_view_as", args=[account.pk]))
        assert "none of the staff&#x27;s" in response.content.decode()
        assert KEPT not in client.session
        assert not [line for _, line in lines_of(account) if "view" in line]


def test_begin_when_opened_then_changes_nothing_before_the_post(client, customer):
    client.force_login(make.staff_member("Support"))
    assert client.get(reverse("customer_view_as", args=[customer.pk])).status_code == 200
    assert KEPT not in client.session


def test_begin_when_signed_in_long_ago_then_asked_again(client, customer, real_sign_in_times):
    client.force_login(make.staff_member("Support"))
    response = client.post(reverse("customer_view_as", args=[customer.pk]))
    assert response.url.startswith(reverse("account_reauthenticate"))
    assert KEPT not in client.session


def test_view_when_a_second_factor_is_missing_then_over(client, staff, customer, monkeypatch):
    monkeypatch.setattr(grant, "lacks_second_factor", lambda user: True)
    assert refused(client, customer)


# -- the database is only read -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE accounts_user SET first_name = 'x'",
        "WITH a AS (SELECT 1) UPDATE accounts_user SET first_name = 'x'",
        "WITH a AS (SELECT 1)UPDATE accounts_user SET first_name = 'x'",
        "WITH a AS (SELECT 1)/**/UPDATE accounts_user SET first_name = 'x'",
        "SELECT 1 INTO x",
        "SELECT nextval('billing_entry_id_seq')",
        "  delete from billing_wallet",
        "CREATE TABLE x (a int)",
        "SELECT 1 FROM billing_wallet FOR UPDATE",
    ],
)
def test_statement_when_it_would_change_then_does_not_run(db, statement):
    with read_only(), connection.cursor() as cursor, pytest.raises(WriteRefused):
        cursor.execute(statement)


def test_page_when_it_writes_then_refused_and_nothing_written(client, staff, customer, monkeypatch):
    def writes(**kwargs):
        with connection.cursor() as cursor:
            cursor.execute("UPDATE accounts_user SET first_name = 'Seen'")
        return Deposit.objects.none()

    monkeypatch.setattr("billing.web.views.wallet.waiting_deposits", writes)
    response = wallet(client, customer)
    assert response.status_code == 403
    assert "Staff do not see this page" in response.content.decode()
    customer.refresh_from_db()
    assert customer.first_name == ""
    monkeypatch.setattr(middleware, "read_only", nullcontext)
    assert wallet(client, customer).status_code == 200
    customer.refresh_from_db()
    assert customer.first_name == "Seen"


def test_page_when_it_keeps_something_then_forgotten(client, staff, customer, monkeypatch):
    def keeps(request, *args):
        request.session["kept"] = "by the page"
        messages.info(request, "Hello, Alice")
        response = HttpResponse()
        response.set_cookie("kept", "by the page")
        return response

    monkeypatch.setattr("panel.news.views.render", keeps)
    response = client.get(address_of(customer.pk, "news/"))
    assert response.status_code == 200
    assert not response.cookies
    assert "kept" not in client.session
    assert "Hello, Alice" not in client.get(reverse("wallet")).content.decode()


def test_page_when_it_is_a_file_then_refused(client, staff, customer, monkeypatch):
    monkeypatch.setattr("panel.news.views.render", lambda *args: StreamingHttpResponse(iter([b"x"])))
    assert client.get(address_of(customer.pk, "news/")).status_code == 403


def test_page_when_it_fails_then_the_error_can_be_written(client, staff, customer, monkeypatch):
    def report(**kwargs):
        User.objects.filter(pk=customer.pk).update(first_name="Told")

    monkeypatch.setattr("billing.web.views.wallet.waiting_deposits", lambda **kwargs: 1 / 0)
    client.raise_request_exception = False
    got_request_exception.connect(report)
    try:
        assert wallet(client, customer).status_code == 500
    finally:
        got_request_exception.disconnect(report)
    customer.refresh_from_db()
    assert customer.first_name == "Told"
