"""What begins and ends a visit: once, for good, and in the log of the customer."""

from __future__ import annotations

from datetime import timedelta
from importlib import import_module

import pytest
from django.conf import settings
from django.contrib.auth import SESSION_KEY
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from django_structlog.signals import bind_extra_request_finished_metadata
from structlog.contextvars import get_contextvars

from catalog.models import PricePolicy
from panel.accounts.adapter import AccountAdapter
from panel.accounts.addresses import change_address
from panel.accounts.models import User, Visit
from panel.accounts.view_as.grant import MAX_AGE, address_of
from panel.accounts.visits import end
from panel.lib import clock
from panel.ops.customers import view_as
from panel.ops.pruning.old_rows import prune_visits
from tests import make
from tests.panel.accounts.view_as.test_view import begin, lines_of, refused, wallet

pytestmark = pytest.mark.django_db
Store = import_module(settings.SESSION_ENGINE).SessionStore


@pytest.fixture
def staff(client, customer):
    return begin(client, customer)


def leave(client, customer):
    return client.post(reverse("customer_view_as_leave", args=[customer.pk]))


def ends_of(customer):
    start = "Viewing the customer's pages ended: "
    return [line.removeprefix(start) for _, line in lines_of(customer) if line.startswith(start)]


def test_visit_when_left_and_an_older_session_is_stored_then_over(client, staff, customer):
    """A session is stored whole: a request that began before the staff left brings back what they had."""
    slow = Store(client.session.session_key)
    slow["noted"] = True
    leave(client, customer)
    slow.save()
    assert SESSION_KEY in client.session
    assert refused(client, customer)
    leave(client, customer)
    assert ends_of(customer) == ["they left."]


def test_visit_when_ended_twice_at_once_then_logged_once(staff, customer):
    visit = Visit.objects.get()
    end(visit, how=Visit.End.LEFT)
    end(visit, how=Visit.End.SIGNED_OUT)
    assert ends_of(customer) == ["they left."]


def test_visit_when_begun_again_then_said_so(client, staff, customer):
    client.post(reverse("customer_view_as", args=[customer.pk]))
    assert wallet(client, customer).status_code == 200
    assert ends_of(customer) == ["they opened them again."]


def test_visit_when_left_after_its_time_then_ended_by_it(client, staff, customer, monkeypatch):
    later = clock.now() + MAX_AGE
    monkeypatch.setattr(clock, "now", lambda: later)
    leave(client, customer)
    assert ends_of(customer) == ["the 15 minutes are over."]


def test_visit_when_staff_are_away_for_long_then_over_and_logged(client, staff, customer):
    session = client.session
    session["staff"] = [0.0, 1.0]
    session.save()
    assert wallet(client, customer).status_code == 302
    assert ends_of(customer) == ["they were signed out, being away for long."]


def set_password(client, staff):
    AccountAdapter().set_password(staff, "another long one, 77")


def end_sessions(client, staff):
    client.post(reverse("usersessions_list"))


def move(client, staff):
    change_address(user=staff, address="elsewhere@example.org")


@pytest.mark.parametrize("change", [set_password, end_sessions, move])
def test_visit_when_sessions_of_staff_end_then_over_and_logged(client, staff, customer, change):
    change(client, User.objects.get(pk=staff.pk))
    assert "$10.00" not in wallet(client, customer).content.decode()
    assert ends_of(customer) == ["their password or address changed, or they ended their sessions."]


def test_visit_when_a_page_was_answered_then_the_log_names_the_customer(client, staff, customer):
    named = []

    def note(**kwargs):
        named.append(get_contextvars().get("viewed_customer"))

    bind_extra_request_finished_metadata.connect(note)
    try:
        wallet(client, customer)
        client.get(reverse("wallet"))
    finally:
        bind_extra_request_finished_metadata.disconnect(note)
    assert named == [customer.pk, None]


def test_begin_when_nobody_looked_before_then_pages_open(client):
    make.service(make.provider())
    PricePolicy.objects.all().delete()
    new = User.objects.create_user("new@example.org")
    begin(client, new)
    for page in ("wallet/", "services/", "orders/new/"):
        assert client.get(address_of(new.pk, page)).status_code == 200, page


def test_begin_when_the_wallet_cannot_be_opened_then_no_visit(client, customer, monkeypatch):
    monkeypatch.setattr(view_as, "wallet_of", lambda **kwargs: 1 / 0)
    client.force_login(make.staff_member("Support"))
    client.raise_request_exception = False
    assert client.post(reverse("customer_view_as", args=[customer.pk])).status_code == 500
    assert refused(client, customer)
    assert not lines_of(customer)


def test_banner_when_the_customer_is_elsewhere_then_in_the_panels_zone(client, customer, monkeypatch):
    User.objects.filter(pk=customer.pk).update(time_zone="Asia/Tokyo")
    now = timezone.now().replace(hour=7, minute=5)
    monkeypatch.setattr(clock, "now", lambda: now)
    begin(client, customer)
    assert "Ends at 07:20 UTC" in wallet(client, customer).content.decode()


def test_visits_when_old_then_pruned(staff, customer):
    old = Visit.objects.get()
    new = begin(Client(), customer, role="Manager")
    long_ago = timezone.now() - timedelta(days=200)
    Visit.objects.filter(pk=old.pk).update(began_at=long_ago, until=long_ago + MAX_AGE)
    assert (prune_visits(), prune_visits()) == (1, None)
    assert Visit.objects.get().staff == new
