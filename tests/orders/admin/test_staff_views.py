"""What each of the staff keeps of the list of orders: saved views, columns, and the sums of what matches."""

from __future__ import annotations

import pytest
from django.contrib.admin.models import LogEntry
from django.urls import reverse

from orders.admin.lists import saved_views
from orders.admin.lists.columns import COLUMNS, shown_columns
from orders.admin.lists.saved_views import ViewRefused, save_view
from orders.models import Order, OrderColumns, StaffView
from panel.accounts.models import User
from panel.accounts.roles import SUPPORT
from tests import make

pytestmark = pytest.mark.django_db

LIST = "admin:orders_order_changelist"
SAVE, CHANGE = "admin:orders_order_save_view", "admin:orders_order_change_view"
COLUMNS_PAGE, SUMS = "admin:orders_order_columns", "admin:orders_order_sums"


@pytest.fixture
def offer(provider):
    return make.service(provider, name="Instagram followers")


@pytest.fixture
def support(client):
    person = make.staff_member(SUPPORT)
    client.force_login(person)
    return person


def tabs(client, **query):
    return {tab.name: tab for tab in client.get(reverse(LIST), query).context["cl"].tabs}


def save(client, name="Mine", query="status=pending", **more):
    return client.post(reverse(SAVE), {"name": name, "query": query, **more}, follow=True)


def change(client, view, do, **more):
    return client.post(reverse(CHANGE), {"view": view.pk, "do": do, **more}, follow=True)


# -- saved views -------------------------------------------------------------------------------------


def test_view_when_saved_then_a_tab_with_its_filters(client, support, customer, offer, provider):
    order = make.order(customer, offer)
    answer = save(client, query=f"status=pending&provider={provider.pk}&after=0.5")
    view = StaffView.objects.get()
    assert (view.user, view.query) == (support, f"provider={provider.pk}&status=pending")
    assert [one.pk for one in answer.context["cl"].result_list] == [order.pk]
    assert tabs(client, provider=provider.pk, status="pending", saved=view.pk)["Mine"].is_current
    assert not tabs(client)["Mine"].is_current
    save(client, query=view.query)
    assert StaffView.objects.count() == 1


@pytest.mark.parametrize(
    ("name", "query", "said"),
    [
        ("", "status=pending", "Give the view a name"),
        ("x" * 41, "status=pending", "at most 40 characters"),
        ("x", "", "Set a filter"),
        ("x", "status=nothing", "is set to what is not there"),
        ("x", "provider=99999", "is set to what is not there"),
        ("x", "since=2026-02-02&until=2026-01-01", "is set to what is not there"),
        ("x", "charge__gt=1", "cannot be saved"),
        ("x", "expected_cost__gt=1", "cannot be saved"),
    ],
)
def test_view_when_it_cannot_be_saved_then_said_why(client, support, name, query, said):
    # The list itself refuses a filter by a cost: what is asked for here is the answer before it.
    answer = client.post(reverse(SAVE), {"name": name, "query": query})
    assert any(said in str(message) for message in answer.wsgi_request._messages)
    assert f"naming={name[:40]}" in answer["Location"]
    assert not StaffView.objects.exists()


def test_view_when_name_is_taken_or_there_are_too_many_then_refused(client, support, monkeypatch):
    save(client)
    with pytest.raises(ViewRefused, match="already"):
        save_view(user=support, name="Mine", query="status=partial")
    monkeypatch.setattr(saved_views, "MAX_VIEWS", 1)
    with pytest.raises(ViewRefused, match="You have 1 views"):
        save_view(user=support, name="Other", query="status=partial")
    save_view(user=make.staff_member(SUPPORT, "other@example.org"), name="Mine", query="status=partial")


def test_view_when_changed_then_as_said(client, support):
    for name in ("First", "Second"):
        save(client, name)
    first, second = StaffView.objects.all()
    change(client, second, "earlier")
    assert list(StaffView.objects.values_list("name", flat=True)) == ["Second", "First"]
    change(client, second, "earlier")
    change(client, first, "rename", name="Best")
    change(client, first, "update", query="status=partial")
    first.refresh_from_db()
    assert (first.name, first.query) == ("Best", "status=partial")
    assert "There is a view called “Second” already" in change(client, first, "rename", name="Second").content.decode()
    change(client, first, "delete")
    assert list(StaffView.objects.all()) == [second]
    assert "not there any more" in change(client, first, "delete").content.decode()


def test_view_when_of_somebody_else_then_neither_seen_nor_changed(client, support):
    other = save_view(user=make.staff_member(SUPPORT, "other@example.org"), name="Theirs", query="status=partial")
    assert "Theirs" not in tabs(client)
    change(client, other, "delete")
    assert StaffView.objects.get() == other


def test_view_when_shared_then_all_see_it_and_owners_alone_change_it(client, staff_client, support):
    save(client)
    own = StaffView.objects.get()
    assert client.post(reverse(CHANGE), {"view": own.pk, "do": "share"}).status_code == 403
    assert client.post(reverse(SAVE), {"name": "x", "query": "status=pending", "is_shared": "1"}).status_code == 403
    staff_client.post(reverse(SAVE), {"name": "For all", "query": "status=partial", "is_shared": "1"})
    shared = StaffView.objects.get(name="For all")
    assert tabs(client)["For all"].note == "Shared"
    assert client.post(reverse(CHANGE), {"view": shared.pk, "do": "delete"}).status_code == 403
    assert LogEntry.objects.filter(object_id=shared.pk).count() == 1
    change(staff_client, shared, "unshare")
    assert "For all" not in tabs(client)


def test_view_when_its_provider_is_gone_then_says_so(client, support):
    view = StaffView.objects.create(user=support, name="Old", query="provider=99999")
    page = client.get(reverse(LIST), {"provider": 99999, "saved": view.pk}).content.decode()
    assert "asks for what is not there: the provider 99999" in page


# -- columns -----------------------------------------------------------------------------------------


def heads(client):
    return [one.column.title for one in client.get(reverse(LIST)).context["cl"].columns if one.fits]


def test_columns_when_chosen_then_kept_and_reset(staff_client, customer, offer):
    make.order(customer, offer)
    first = heads(staff_client)
    assert first == ["Customer", "Service", "Link", "Delivered", "Charge", "Profit", "Status", "Age"]
    staff_client.post(reverse(COLUMNS_PAGE), {"columns": ["provider", "cost", "refunded", "source", "x"]})
    assert heads(staff_client) == ["Provider", "Ordered with", "Refunded", "Cost"]
    page = staff_client.get(reverse(LIST)).content.decode()
    # Phones show service, charge and status all the same.
    assert page.count("is-only-narrow") == 6
    staff_client.post(reverse(COLUMNS_PAGE), {"do": "reset"})
    assert heads(staff_client) == first
    assert not OrderColumns.objects.exists()


def test_columns_when_they_tell_costs_then_for_who_sees_costs_alone(client, support, customer, offer):
    make.order(customer, offer)
    client.post(reverse(COLUMNS_PAGE), {"columns": ["cost", "profit", "status"]})
    assert heads(client) == ["Status"]
    page = client.get(reverse(LIST)).content.decode()
    assert "$0.05" not in page and "data-profit" not in page and "data-charge" in page


def test_columns_when_all_are_shown_then_no_more_statements(staff_client, customer, offer, django_assert_num_queries):
    OrderColumns.objects.create(user=User.objects.get(is_superuser=True), keys=[one.key for one in COLUMNS])
    make.order(customer, offer)
    staff_client.get(reverse(LIST))
    with django_assert_num_queries(26, exact=False) as few:
        staff_client.get(reverse(LIST))
    for number in range(3):
        other = make.service(make.provider(name=f"P{number}"), name=f"S{number}")
        make.order(make.customer(f"c{number}@example.org", funds="10"), other)
    with django_assert_num_queries(len(few)):
        staff_client.get(reverse(LIST))


def test_columns_when_the_first_ones_then_they_fit_into_1366_pixels():
    first = shown_columns([one.key for one in COLUMNS if one.is_first])
    assert max(one.fits for one in first) <= 1_040


# -- sums --------------------------------------------------------------------------------------------


def test_sums_when_asked_then_of_all_that_match(client, staff_client, customer, offer, monkeypatch):
    for number in range(3):
        make.accepted_order(customer, offer, upstream_id=f"{number}")
    Order.objects.filter(upstream_id="2").update(status="completed")
    words = staff_client.get(reverse(SUMS), {"status": "pending"}).json()["words"]
    assert words == "2 orders, $0.50 charged, about $0.10 profit"
    client.force_login(make.staff_member(SUPPORT))
    assert client.get(reverse(SUMS), {"status": "pending"}).json()["words"] == "2 orders, $0.50 charged"
    monkeypatch.setattr("orders.admin.lists.pages.MAX_SUMMED", 1)
    assert "more than 1 orders" in client.get(reverse(SUMS)).json()["words"]
