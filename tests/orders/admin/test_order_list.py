"""The staff's list of orders: what it finds, how it is read page by page, and what is done to several orders."""

from __future__ import annotations

from datetime import timedelta
from uuid import uuid4

import pytest
from django.urls import reverse
from django.utils import timezone

from catalog.models import Category, Service, ServiceFigures
from orders.admin.all_orders import OrderAdmin
from orders.admin.order_rows import shown_link
from orders.checkout.bulk_orders import create_bulk
from orders.checkout.bulk_quotes import quote_bulk
from orders.models import Order, OrderPoll
from orders.states import ReviewReason, Status, Submission
from panel.accounts.roles import SUPPORT
from panel.lib.admin import lists
from panel.lib.time_limit import TookTooLong
from tests import make
from tests.scenes import nothing_changes, statements

pytestmark = pytest.mark.django_db

LIST = "admin:orders_order_changelist"


@pytest.fixture
def offer(provider):
    return make.service(provider, name="Instagram followers")


def listed(client, **query):
    """Return the numbers of the orders on the page."""
    answer = client.get(reverse(LIST), query)
    assert answer.status_code == 200, answer
    return [order.pk for order in answer.context["cl"].result_list]


def ended(order):
    Order.objects.filter(pk=order.pk).update(status=Status.COMPLETED, remains=0, finished_at=timezone.now())
    return order.pk


# -- pages and lines ---------------------------------------------------------------------------------


def test_list_when_read_page_by_page_then_each_order_once(staff_client, customer, offer, monkeypatch):
    monkeypatch.setattr(OrderAdmin, "list_per_page", 2)
    pks = [make.order(customer, offer).pk for _ in range(5)]
    address, seen = reverse(LIST), []
    while address:
        changes = staff_client.get(address).context["cl"]
        seen.append([order.pk for order in changes.result_list])
        address = changes.next_page and f"{reverse(LIST)}{changes.next_page}"
    assert seen == [pks[4:2:-1], pks[2:0:-1], pks[:1]]
    back = staff_client.get(f"{reverse(LIST)}{changes.previous_page}").context["cl"]
    assert [order.pk for order in back.result_list] == pks[2:0:-1]


def test_list_when_it_has_more_orders_then_no_more_statements(staff_client, customer, offer):
    make.accepted_order(customer, offer)
    listed(staff_client)
    with statements() as few:
        listed(staff_client)
    for number in range(5):
        make.accepted_order(make.customer(f"c{number}@example.org", funds="10"), offer, upstream_id=f"u{number}")
    with statements() as many:
        listed(staff_client)
    assert len(many) == len(few) <= 23


def test_line_when_staff_may_not_see_costs_then_without_profit(client, staff_client, customer, offer):
    make.accepted_order(customer, offer)
    assert "Profit</th>" in staff_client.get(reverse(LIST)).content.decode()
    client.force_login(make.staff_member(SUPPORT))
    page = client.get(reverse(LIST)).content.decode()
    assert "$0.25" in page
    assert "Profit</th>" not in page
    assert "$0.05" not in page


def test_line_when_order_is_late_then_by_how_much(staff_client, customer, offer):
    order, other = make.accepted_order(customer, offer), make.accepted_order(customer, offer, upstream_id="2")
    ServiceFigures.objects.create(service=offer, timed=5, slow_seconds=3_600)
    Order.objects.filter(pk=order.pk).update(created_at=timezone.now() - timedelta(hours=5))
    assert listed(staff_client, view="late") == [order.pk]
    page = staff_client.get(reverse(LIST)).content.decode()
    assert page.count("Late by 3 h") == 1
    assert "Pending" in page
    ended(order)
    assert listed(staff_client, view="late") == []
    assert sorted(listed(staff_client)) == [order.pk, other.pk]


@pytest.mark.parametrize(
    ("link", "has_mark", "shown"),
    [
        ("https://www.instagram.com/marble.studio", True, "/marble.studio"),
        ("https://example.com/a", False, "example.com/a"),
        ("marble.studio", True, "marble.studio"),
        ("https://[broken", True, "https://[broken"),
        ("https://instagram.com/", True, "instagram.com/"),
    ],
)
def test_shown_link_when_its_mark_says_the_host_then_only_the_path(link, has_mark, shown):
    assert "".join(shown_link(link, has_mark=has_mark)) == shown


# -- search and filters ------------------------------------------------------------------------------


def test_search_when_exact_key_typed_then_its_orders_alone(staff_client, customer, offer):
    other = make.customer("bob@example.org", funds="10")
    first = make.accepted_order(customer, offer, upstream_id="up-1", link="https://www.instagram.com/marble")
    second = make.accepted_order(other, offer, upstream_id="up-2", link="https://www.instagram.com/slate")
    for term in (str(first.pk), f"#{first.pk}", "up-1", customer.email.upper(), "instagram.com/marble"):
        assert listed(staff_client, q=term) == [first.pk], term
    assert listed(staff_client, q="instagram.com/mar") == []
    assert listed(staff_client, q="nobody@example.org") == []
    assert listed(staff_client, q="  ") == [second.pk, first.pk]


def test_search_when_many_ids_pasted_then_those_and_what_is_missing(staff_client, customer, offer):
    first, second, third = (make.accepted_order(customer, offer, upstream_id=f"up-{one}") for one in range(3))
    answer = staff_client.get(reverse(LIST), {"q": f"{first.pk},up-2; up-2 99999999\nup-x"})
    assert [order.pk for order in answer.context["cl"].result_list] == [third.pk, first.pk]
    assert "No order has: 99999999, up-x." in answer.content.decode()
    assert second.pk not in listed(staff_client, q=f"{first.pk} {third.pk}")


def test_search_when_too_many_ids_pasted_then_said_and_none(staff_client, customer, offer):
    order = make.accepted_order(customer, offer)
    answer = staff_client.get(reverse(LIST), {"q": " ".join([str(order.pk)] * 201)})
    assert not answer.context["cl"].result_list
    assert "201 ids are too many" in answer.content.decode()


def test_filters_when_set_then_their_orders_and_a_chip(staff_client, customer, offer, provider):
    category = offer.category_id
    other = make.service(provider, external_id="2", name="Views")
    Service.objects.filter(pk=other.pk).update(category=Category.objects.create(name="Other"))
    first, second = make.accepted_order(customer, offer), make.accepted_order(customer, other, upstream_id="2")
    Order.objects.filter(pk=second.pk).update(api_key_ref=7, created_at=timezone.now() - timedelta(days=9))
    today = timezone.localdate()
    for query, expected in (
        ({"service": offer.pk}, [first.pk]),
        ({"category": category}, [first.pk]),
        ({"provider": provider.pk}, [second.pk, first.pk]),
        ({"provider": "99999"}, []),
        ({"customer": customer.email}, [second.pk, first.pk]),
        ({"customer": "nobody@example.org"}, []),
        ({"source": "browser"}, [first.pk]),
        ({"source": "api"}, [second.pk]),
        ({"source": "bulk"}, []),
        ({"service": "INSTAGRAM"}, [first.pk]),
        ({"service": "nothing like it"}, []),
        ({"status": "pending"}, [second.pk, first.pk]),
        ({"status": "completed"}, []),
        ({"status": "x"}, []),
        ({"age": "24h"}, [first.pk]),
        ({"age": "30d"}, [first.pk, second.pk]),
        ({"source": "drip"}, []),
        ({"since": today - timedelta(days=1)}, [first.pk]),
        ({"until": today - timedelta(days=1)}, [second.pk]),
    ):
        answer = staff_client.get(reverse(LIST), query)
        assert [order.pk for order in answer.context["cl"].result_list] == expected, query
        assert len(answer.context["cl"].chips) == 1, query
    assert listed(staff_client, service="x") == []
    assert listed(staff_client, service="", since="") == [second.pk, first.pk]


def test_filters_when_of_mass_orders_then_their_lines_alone(staff_client, customer, offer):
    make.order(customer, offer)
    quote = quote_bulk(customer=customer, text=f"{offer.pk} | https://example.com/a | 100")
    create_bulk(
        customer=customer, text=f"{offer.pk} | https://example.com/a | 100", request_key=uuid4().hex, seal=quote.seal
    )
    line = Order.objects.latest("pk")
    assert listed(staff_client, source="bulk") == [line.pk]
    assert line.pk not in listed(staff_client, source="browser")


def test_filter_when_its_row_is_gone_then_chip_says_so(staff_client, customer, offer):
    make.order(customer, offer)
    answer = staff_client.get(reverse(LIST), {"provider": "99999"})
    assert [chip.value for chip in answer.context["cl"].chips] == ["99999 (does not exist)"]


def test_list_when_it_takes_too_long_then_says_how_to_narrow_it(staff_client, customer, offer, monkeypatch):
    make.order(customer, offer)

    def stop(*args, **kwargs):
        raise TookTooLong

    monkeypatch.setattr(lists, "page_in_order", stop)
    answer = staff_client.get(reverse(LIST), {"status": "pending"})
    assert answer.status_code == 200
    assert "Narrow it by when the orders were created" in answer.content.decode()


def test_services_when_suggested_then_by_number_or_words(staff_client, offer, provider):
    other = make.service(provider, external_id="2", name="Views")
    address = reverse("admin:orders_order_suggest_services")
    for typed, found in (("VIEW", [other.pk]), (str(offer.pk), [offer.pk]), ("", []), ("zzz", [])):
        services = staff_client.get(address, {"q": typed}).json()["services"]
        assert [one["number"] for one in services] == found, typed


def test_filters_when_days_end_before_they_begin_then_ignored(staff_client, customer, offer):
    order = make.accepted_order(customer, offer)
    answer = staff_client.get(reverse(LIST), {"since": "2026-02-02", "until": "2026-01-01"})
    assert [one.pk for one in answer.context["cl"].result_list] == [order.pk]
    assert "They were ignored." in answer.content.decode()


def test_filters_when_by_day_then_pages_in_the_order_of_days(staff_client, customer, offer, monkeypatch):
    monkeypatch.setattr(OrderAdmin, "list_per_page", 1)
    now = timezone.now()
    older, newer = make.order(customer, offer).pk, make.order(customer, offer).pk
    Order.objects.filter(pk=older).update(created_at=now)
    Order.objects.filter(pk=newer).update(created_at=now - timedelta(days=1))
    query = {"since": timezone.localdate() - timedelta(days=3)}
    changes = staff_client.get(reverse(LIST), query).context["cl"]
    following = staff_client.get(f"{reverse(LIST)}{changes.next_page}").context["cl"]
    assert [one.pk for page in (changes, following) for one in page.result_list] == [older, newer]


def test_views_when_chosen_then_their_orders(staff_client, customer, offer):
    waiting, done, review = (make.accepted_order(customer, offer, upstream_id=f"{one}") for one in range(3))
    ended(done)
    Order.objects.filter(pk=review.pk).update(review_reason=ReviewReason.LOST_UPSTREAM, review_since=timezone.now())
    assert listed(staff_client, view="open") == [review.pk, waiting.pk]
    assert listed(staff_client, view="ended") == [done.pk]
    assert listed(staff_client, view="needs-you") == [review.pk]
    assert listed(staff_client, view="x") == []
    counts = {tab.name: tab.shown for tab in staff_client.get(reverse(LIST)).context["cl"].tabs}
    assert counts == {"All": "", "Open": "2", "Late": "0", "Needs you": "1", "Ended": ""}


# -- several orders ----------------------------------------------------------------------------------


def act(client, name, *orders):
    return client.post(reverse(LIST), {"action": name, "_selected_action": [order.pk for order in orders]})


def test_ask_when_confirmed_then_open_orders_are_due_and_rest_told(staff_client, customer, offer):
    followed, done = (make.accepted_order(customer, offer, upstream_id=f"{one}") for one in range(2))
    unsent = make.order(customer, offer)
    later = timezone.now() + timedelta(days=1)
    OrderPoll.objects.update(due_at=later, unchanged=9)
    ended(done)
    with nothing_changes():
        preview = act(staff_client, "ask_many", followed, done, unsent)
    page = preview.content.decode()
    assert "Ask about 1 order now" in page and "$0.25" in page
    assert "1</b> left alone: ended already" in page
    assert "1</b> left alone: not sent yet" in page
    address = reverse("admin:orders_order_ask_selected")
    answer = staff_client.post(address, {"orders": preview.context["selection"]}, follow=True)
    assert "Providers are asked about 1 in the next seconds; 1 left alone" in answer.content.decode()
    polls = dict(OrderPoll.objects.values_list("order", "unchanged"))
    assert polls == {followed.pk: 0, done.pk: 9}
    assert OrderPoll.objects.get(order=followed).due_at < later
    assert staff_client.get(address).status_code == 405


def test_ask_when_selection_cannot_be_read_then_nothing_is_asked(staff_client, customer, offer):
    make.accepted_order(customer, offer)
    with nothing_changes():
        answer = staff_client.post(reverse("admin:orders_order_ask_selected"), {"orders": "1,x"}, follow=True)
    assert "Nothing was sent" in answer.content.decode()


def test_export_when_selected_then_costs_only_for_who_sees_them(client, staff_client, customer, offer):
    first, second = (make.accepted_order(customer, offer, upstream_id=f"{one}") for one in range(2))
    rows = b"".join(act(staff_client, "export_many", first).streaming_content).decode("utf-8-sig").splitlines()
    assert len(rows) == 2
    assert rows[0].endswith("charge,refunded,cost,profit,is_estimated")
    assert rows[1].startswith(f"{first.pk},") and rows[1].endswith(",0.25,0,0.2,0.05,yes")
    client.force_login(make.staff_member(SUPPORT))
    rows = b"".join(act(client, "export_many", first, second).streaming_content).decode().splitlines()
    assert len(rows) == 3
    assert "cost" not in rows[0] and not rows[1].endswith("yes")


def test_cancel_when_previewed_then_the_money_of_what_is_asked_for(staff_client, customer, offer):
    order = make.accepted_order(customer, offer)
    assert "up to $0.25" in act(staff_client, "cancel_many", order).content.decode()
    assert Order.objects.get().submission == Submission.ACCEPTED
