"""The list of orders: filters, search, pages, bulk actions, and the CSV export."""

from __future__ import annotations

import csv
import io
from datetime import datetime, timedelta

import pytest
from django.contrib.messages import get_messages
from django.test import override_settings
from django.urls import reverse
from django.utils import timezone

from catalog.models import UpstreamService
from orders.models import CancelRequest, Order, Refill
from orders.states import CancelState, Status, Submission
from orders.web.selectors import services_ordered
from orders.web.views import order_list
from panel.accounts.models import User
from panel.lib.csv_files import guarded
from panel.lib.keyset_pagination import each_row, page_of
from tests import make
from tests.orders.web.listed import get, pks, run, shown, text_of
from tests.scenes import nothing_changes, statements

pytestmark = pytest.mark.django_db


# -- filters ---------------------------------------------------------------------------------------


def test_status_when_chosen_then_only_its_orders(signed_in, create_orders):
    done, running = create_orders(2, status=Status.COMPLETED), create_orders(1, status=Status.IN_PROGRESS)
    assert shown(get(signed_in, status="completed")) == pks(reversed(done))
    assert shown(get(signed_in, status="in_progress")) == pks(running)
    assert shown(get(signed_in, status="partial")) == []
    assert len(shown(get(signed_in, status="nonsense"))) == 3


def test_service_when_chosen_then_only_its_orders(signed_in, create_orders, provider, service):
    other_service = make.service(provider, external_id="7", name="Likes")
    likes, followers = create_orders(1, of=other_service), create_orders(2)
    page = get(signed_in, service=other_service.pk)
    assert shown(page) == pks(likes)
    assert f"{other_service.pk} · Likes" in text_of(page)
    assert shown(get(signed_in, service=service.pk)) == pks(reversed(followers))


def test_services_when_listed_then_only_those_ordered(signed_in, create_orders, customer, other, provider):
    never = make.service(provider, external_id="8", name="Never ordered")
    theirs = make.service(provider, external_id="9", name="Of another")
    make.order(other, theirs)
    create_orders(3)
    offered = services_ordered(customer=customer, most=10)
    assert [name for _, name in offered] == ["Followers"]
    assert services_ordered(customer=customer, most=0) is None
    page = get(signed_in, service=never.pk)
    assert "You have no orders of this service." in text_of(page)
    assert get(signed_in, service=theirs.pk).context["form"].errors


def test_services_when_too_many_to_list_then_a_field_for_the_id(signed_in, create_orders, service, monkeypatch):
    monkeypatch.setattr(order_list, "MAX_SERVICES", 0)
    [order] = create_orders()
    page = get(signed_in, service=service.pk)
    assert shown(page) == [order.pk] and f"Service {service.pk}" in text_of(page)
    assert shown(get(signed_in, service=service.pk + 1)) == []
    assert "Enter the ID of a service." in text_of(get(signed_in, service="-1"))


@override_settings(TIME_ZONE="America/New_York")
def test_days_when_given_then_inclusive_and_in_the_sites_time_zone(signed_in, create_orders):
    moments = ["2026-03-07T04:59:59", "2026-03-07T05:00:00", "2026-03-09T03:59:59", "2026-03-09T04:00:00"]
    orders = create_orders(4)
    for order, moment in zip(orders, moments, strict=True):
        run(order, created_at=datetime.fromisoformat(f"{moment}+00:00"))
    # The 8th, when clocks are put forward, has 23 hours.
    assert shown(get(signed_in, since="2026-03-07", until="2026-03-08")) == pks([orders[2], orders[1]])
    assert shown(get(signed_in, since="2026-03-09")) == [orders[3].pk]
    assert shown(get(signed_in, until="2026-03-06")) == [orders[0].pk]


@pytest.mark.parametrize(
    ("query", "field", "words"),
    [
        ({"since": "yesterday"}, "since", "Enter a date"),
        ({"since": "2026-02-30"}, "since", "Enter a date"),
        ({"since": "0001-01-01"}, "since", "between 2000 and 2099"),
        ({"until": "9999-12-31"}, "until", "between 2000 and 2099"),
        ({"since": "2026-02-02", "until": "2026-02-01"}, "until", "before the first"),
        ({"service": "x"}, "service", "no orders of this service"),
        ({"service": "9" * 40}, "service", "no orders of this service"),
        ({"sort": "random"}, "sort", "Choose one of the list"),
        ({"q": "a\x00b"}, "q", "invisible"),
        ({"q": "a" * 5_000}, "q", "This is too long"),
    ],
)
def test_filter_when_invalid_then_its_error_and_the_others_apply(signed_in, create_orders, query, field, words):
    create_orders(1, status=Status.COMPLETED)
    [running] = create_orders(1, status=Status.IN_PROGRESS)
    page = get(signed_in, status="in_progress", **query)
    assert shown(page) == [running.pk]
    assert words in " ".join(page.context["form"].errors[field])
    assert words in text_of(page)
    refused = signed_in.get(reverse("order_export"), {"status": "in_progress", **query})
    assert refused.status_code == 302 and "status=in_progress" in refused.url


def test_sort_when_charges_are_equal_then_by_number(signed_in, create_orders):
    orders = create_orders(4)
    for order, charge in zip(orders, (500, 900, 500, 100), strict=True):
        run(order, charge=charge)
    a, b, c, d = pks(orders)
    assert shown(get(signed_in, sort="highest")) == [b, c, a, d]
    assert shown(get(signed_in, sort="lowest")) == [d, a, c, b]
    assert shown(get(signed_in, sort="oldest")) == [a, b, c, d]
    assert shown(get(signed_in, sort="newest")) == [d, c, b, a]


def test_chips_when_filters_are_set_then_each_removes_only_its_own(signed_in, create_orders, service):
    create_orders()
    today = timezone.localdate().isoformat()
    page = get(signed_in, q="example", service=service.pk, since=today, status="pending", sort="oldest", after="1.1")
    chips = {chip.key: chip for chip in page.context["taken"]}
    assert set(chips) == {"q", "service", "since"}
    assert "since=" not in chips["since"].url
    for kept in ("q=example", f"service={service.pk}", "status=pending", "sort=oldest"):
        assert kept in chips["since"].url, kept
    assert "after" not in chips["since"].url
    statuses = {chip.key: chip for chip in page.context["chips"]}
    assert statuses["pending"].is_active and not statuses["all"].is_active
    assert "status" not in statuses["all"].url and "q=example" in statuses["all"].url


def test_counts_when_other_filters_are_set_then_hidden(signed_in, create_orders):
    create_orders(2, status=Status.COMPLETED)
    assert 'id="count-completed">2<' in text_of(get(signed_in, status="partial"))
    assert "count-completed" not in text_of(get(signed_in, q="example"))


def test_counts_when_many_then_they_stop_at_a_thousand(signed_in, create_orders, monkeypatch):
    monkeypatch.setattr("orders.web.selectors.COUNTED", 2)
    create_orders(3, status=Status.COMPLETED)
    create_orders(2, status=Status.PARTIAL)
    page = text_of(get(signed_in))
    assert 'id="count-completed">2+<' in page and 'id="count-partial">2<' in page and 'id="count-all">2+<' in page


def test_list_when_nothing_matches_then_says_what_to_do(signed_in, create_orders):
    assert "Place your first order" in text_of(get(signed_in))
    create_orders()
    page = text_of(get(signed_in, q="nothing-like-this"))
    assert "No orders match" in page and "Show all orders" in page and "Take off a filter" in page


# -- pages -----------------------------------------------------------------------------------------


def walk(client, way, **query) -> list[list[int]]:
    """Return the orders of each page, from `query` on in the given direction."""
    pages = []
    while True:
        page = get(client, **query)
        pages.append(shown(page))
        create_orders = getattr(page.context["page"], way)
        if create_orders is None:
            return pages
        query = {name: value for name, value in query.items() if name not in ("before", "after")}
        query[create_orders[0]] = create_orders[1]
        assert len(pages) < 20


def test_pages_when_walked_then_each_order_once_and_back_the_same(signed_in, create_orders):
    for number, order in enumerate(create_orders(60)):
        # Equal charges and moments at the borders of pages.
        run(order, charge=1_000 * (1 + number // 40), created_at=timezone.now() - timedelta(days=number // 30))
    for query in ({}, {"sort": "oldest"}, {"sort": "highest"}, {"sort": "lowest"}, {"since": "2020-01-01"}):
        there = walk(signed_in, "next", **query)
        assert [len(page) for page in there] == [25, 25, 10], query
        assert len({pk for page in there for pk in page}) == 60, query
        place_of_last = get_last(signed_in, query)
        back = walk(signed_in, "previous", **query, **place_of_last)
        assert back == there[::-1], query


def get_last(client, query) -> dict[str, str]:
    found: dict[str, str] = {}
    while True:
        create_orders = get(client, **query, **found).context["page"].next
        if create_orders is None:
            return found
        found = dict([create_orders])


def test_page_when_its_border_row_is_gone_then_it_continues_there(customer, create_orders):
    orders = create_orders(6)
    rows = Order.objects.filter(customer=customer)
    first = page_of(rows, params={}, size=2)
    run(orders[4], customer=make.customer("carol@example.org"))  # As if it were deleted.
    second = page_of(rows, params=dict([first.next]), size=2)
    assert pks(second.rows) == pks([orders[3], orders[2]])


def test_page_when_all_its_rows_moved_away_then_the_first_is_shown(signed_in, create_orders):
    orders = create_orders(30, status=Status.PENDING)
    place_of_next = get(signed_in, status="pending").context["page"].next
    for order in orders[:5]:
        run(order, status=Status.COMPLETED)
    assert len(shown(get(signed_in, status="pending", **dict([place_of_next])))) == 25


MALFORMED = ["", "x", "1", ".", "1.", ".1", "1.1.1", "1.-5", "９.９", "9" * 60, "\x00"]
# Places where no order is.
DISTANT = ["-1.5", f"{'9' * 18}.{'9' * 18}"]


@pytest.mark.parametrize("value", [*MALFORMED, *DISTANT])
def test_page_when_its_position_is_malformed_then_some_page_is_returned(customer, create_orders, value):
    newer, older = pks(create_orders(2))[::-1]
    rows = Order.objects.filter(customer=customer)
    for key in ("pk", "charge", "created_at"):
        for descending in (True, False):
            for name in ("after", "before"):
                found = page_of(rows, params={name: value}, key=key, descending=descending)
                assert sorted(pks(found.rows)) == [older, newer], (key, descending, name)


@pytest.mark.parametrize("value", ["x", "1.-5", *DISTANT, "\x00"])
def test_page_when_its_position_is_malformed_then_it_opens(signed_in, create_orders, value):
    create_orders(2)
    assert len(shown(get(signed_in, since="2020-01-01", sort="highest", after=value))) == 2


def test_list_when_rows_are_many_then_queries_stay_the_same(signed_in, create_orders, service):
    counts = set()
    for _ in range(2):
        create_orders(13)
        for query in ({}, {"q": "example", "service": service.pk, "since": "2020-01-01", "sort": "highest"}):
            with statements() as found:
                get(signed_in, **query)
            counts.add((len(query), len(found)))
    assert len(counts) == 2 and max(count for _, count in counts) <= 12, counts


# -- several at once -------------------------------------------------------------------------------


def bulk(client, action, orders, **values):
    return client.post(
        reverse("order_bulk"), {"wish": action, "order": [str(getattr(one, "pk", one)) for one in orders], **values}
    )


def messages_of(response) -> str:
    return " ".join(str(message) for message in get_messages(response.wsgi_request))


@pytest.fixture
def mixed(customer, service, create_orders):
    """Two unsent orders, one that runs, one that ended."""
    queued = [make.order(customer, service) for _ in range(2)]
    [running], [ended] = create_orders(1, status=Status.IN_PROGRESS), create_orders(1, status=Status.COMPLETED)
    return [*queued, running, ended]


def test_bulk_cancel_when_requested_then_previewed_without_changes(signed_in, mixed):
    with nothing_changes():
        page = bulk(signed_in, "cancel", mixed)
    text = text_of(page)
    assert "Cancel 3 orders?" in text and "$0.50" in text and "We ask the provider to stop it" in text
    assert "1 has been sent already. We ask the provider to stop it and refund" in text
    assert "It has ended already." in text
    assert text.count('name="order"') == 3
    assert CancelRequest.objects.count() == 0


def test_bulk_cancel_when_confirmed_then_each_by_its_own_rules(signed_in, customer, mixed, invariants_hold):
    before = make.wallet(customer).balance
    response = bulk(signed_in, "cancel", mixed, confirmed="1", query="status=pending&page=3&evil=//x")
    assert response.url == f"{reverse('order_list')}?status=pending"
    assert messages_of(response) == (
        "2 orders were canceled. $0.50 is back in your wallet. Cancellation requested for 1 order. "
        "1 order was not changed: It has ended already."
    )
    assert make.wallet(customer).balance == before + 500_000
    assert [Order.objects.get(pk=one.pk).status for one in mixed] == [
        "canceled",
        "canceled",
        "in_progress",
        "completed",
    ]
    assert CancelRequest.objects.get().order_id == mixed[2].pk


def test_bulk_cancel_when_posted_twice_then_done_once(signed_in, customer, mixed, invariants_hold):
    bulk(signed_in, "cancel", mixed, confirmed="1")
    balance = make.wallet(customer).balance
    response = bulk(signed_in, "cancel", mixed, confirmed="1")
    assert messages_of(response).endswith(
        "Cancellation requested for 1 order. 2 orders were canceled already. "
        "1 order was not changed: It has ended already."
    )
    assert make.wallet(customer).balance == balance
    assert CancelRequest.objects.count() == 1


def test_bulk_cancel_when_none_is_possible_then_no_button(signed_in, create_orders):
    UpstreamService.objects.update(cancel=False)
    refused, ended = create_orders(1, status=Status.IN_PROGRESS), create_orders(1, status=Status.PARTIAL)
    text = text_of(bulk(signed_in, "cancel", [*refused, *ended]))
    assert "Nothing to cancel" in text and "cannot be canceled once it was sent" in text
    assert "confirmed" not in text


def test_bulk_cancel_when_refused_lately_then_says_so(signed_in, create_orders):
    [order] = create_orders(1, status=Status.IN_PROGRESS)
    CancelRequest.objects.create(
        order=order, provider_id=order.provider_id, state=CancelState.REFUSED, finished_at=timezone.now()
    )
    assert "refused it within the last hour" in text_of(bulk(signed_in, "cancel", [order]))
    assert "1 order was not changed: The provider has refused" in messages_of(
        bulk(signed_in, "cancel", [order], confirmed="1")
    )


def test_bulk_cancel_when_orders_are_many_then_queries_stay_the_same(signed_in, create_orders):
    counts: list[int] = []
    known: list[Order] = []
    for _ in range(2):
        known += create_orders(10, status=Status.IN_PROGRESS)
        with statements() as found:
            bulk(signed_in, "cancel", known)
        counts.append(len(found))
    assert counts[0] == counts[1] <= 12, counts


def test_bulk_refill_when_requested_then_only_completed_accepted(signed_in, create_orders, invariants_hold):
    done, running = create_orders(2, status=Status.COMPLETED), create_orders(1, status=Status.IN_PROGRESS)
    response = bulk(signed_in, "refill", [*done, *running])
    assert (
        messages_of(response)
        == "Refill requested for 2 orders. 1 order was not changed: Only a completed order can be refilled."
    )
    assert set(Refill.objects.values_list("order_id", flat=True)) == set(pks(done))
    again = bulk(signed_in, "refill", done)
    assert "2 orders were not changed: A refill of this order is under way." in messages_of(again)
    assert Refill.objects.count() == 2


@pytest.mark.parametrize("action", ["cancel", "refill"])
def test_bulk_when_anothers_orders_are_included_then_ignored(signed_in, create_orders, other, service, action):
    theirs = make.accepted_order(other, service, upstream_id="theirs")
    run(theirs, status=Status.COMPLETED if action == "refill" else Status.IN_PROGRESS)
    [mine] = create_orders(1, status=Status.COMPLETED if action == "refill" else Status.IN_PROGRESS)
    with nothing_changes():
        assert bulk(signed_in, action, [theirs], confirmed="1").status_code == 404
    words = messages_of(bulk(signed_in, action, [theirs, mine], confirmed="1"))
    assert words in ("Cancellation requested for 1 order.", "Refill requested for 1 order.")
    requests = CancelRequest if action == "cancel" else Refill
    assert list(requests.objects.values_list("order_id", flat=True)) == [mine.pk]


@pytest.mark.parametrize("ids", [["x"], ["0"], ["9" * 40], ["１"], ["-1"], ["1 OR 1=1"], ["\x00"]])
def test_bulk_when_malformed_then_404_and_nothing_changes(signed_in, mixed, ids):
    with nothing_changes():
        assert bulk(signed_in, "cancel", ids, confirmed="1").status_code == 404


def test_bulk_when_none_or_too_many_selected_then_nothing_changes(signed_in, mixed, create_orders, monkeypatch):
    with nothing_changes():
        assert "Choose at least one order" in messages_of(bulk(signed_in, "cancel", []))
        assert bulk(signed_in, "", mixed, confirmed="1").status_code == 302
        for module in ("orders.requests.bulk.MAX_ORDERS", "orders.web.views.bulk_actions.MAX_ORDERS"):
            monkeypatch.setattr(module, 3)
        assert "Choose at most 3 orders" in messages_of(bulk(signed_in, "cancel", mixed, confirmed="1"))
        assert "Choose at most 3 orders" in messages_of(bulk(signed_in, "cancel", mixed))
        assert "Choose at most 3 orders" in messages_of(bulk(signed_in, "refill", mixed))


def test_bulk_when_one_fails_on_our_side_then_the_others_proceed(signed_in, customer, service, monkeypatch):
    first, second = make.order(customer, service), make.order(customer, service)
    from orders.requests import bulk as bulk_requests

    cancel_order = bulk_requests.cancel_order

    def stumble(*, order, actor):
        if order.pk == second.pk:
            raise RuntimeError("broken")
        return cancel_order(order=order, actor=actor)

    monkeypatch.setattr(bulk_requests, "cancel_order", stumble)
    words = messages_of(bulk(signed_in, "cancel", [first, second], confirmed="1"))
    assert "1 order was canceled. $0.25" in words and "1 order was not changed: Something went wrong" in words
    assert Order.objects.get(pk=first.pk).submission == Submission.WITHDRAWN


# -- the CSV export --------------------------------------------------------------------------------


def rows_of(response) -> list[dict[str, str]]:
    assert response.status_code == 200
    text = b"".join(response.streaming_content).decode("utf-8-sig")
    return list(csv.DictReader(io.StringIO(text)))


def export(client, **query):
    return client.get(reverse("order_export"), query)


def test_export_when_filtered_then_all_its_orders_and_nobody_elses(
    signed_in, create_orders, other, service, monkeypatch
):
    monkeypatch.setattr("orders.web.csv_export.ROWS", 2)
    make.order(other, service)
    done, running = create_orders(5, status=Status.COMPLETED), create_orders(2, status=Status.IN_PROGRESS)
    assert [int(row["order"]) for row in rows_of(export(signed_in))] == pks(reversed([*done, *running]))
    found = rows_of(export(signed_in, status="completed", sort="oldest", after="3.3"))
    assert [int(row["order"]) for row in found] == pks(done)


def test_export_when_read_then_money_times_and_counts_are_plain(signed_in, create_orders, service):
    [order] = create_orders(1, link="https://example.com/a")
    run(
        order,
        status=Status.PARTIAL,
        remains=40,
        start_count=7,
        refunded=100_000,
        created_at=datetime.fromisoformat("2026-03-07T05:00:00+00:00"),
        finished_at=datetime.fromisoformat("2026-03-07T06:00:00.5+00:00"),
    )
    assert rows_of(export(signed_in)) == [
        {
            "order": str(order.pk),
            "ordered_at": "2026-03-07T05:00:00+00:00",
            "ended_at": "2026-03-07T06:00:00+00:00",
            "status": "Partial",
            "service": str(service.pk),
            "service_name": "Followers",
            "link": "https://example.com/a",
            "quantity": "100",
            "delivered": "60",
            "start_count": "7",
            "charge": "0.25",
            "refunded": "0.1",
            "paid": "0.15",
            "drip_feed": "",
            "run": "",
        }
    ]


def test_export_when_the_reader_is_in_another_zone_then_times_are_theirs(signed_in, customer, create_orders):
    User.objects.filter(pk=customer.pk).update(time_zone="Asia/Tokyo")
    [order] = create_orders(1)
    run(order, created_at=datetime.fromisoformat("2026-03-07T20:00:00+00:00"))
    [row] = rows_of(export(signed_in))
    assert (row["ordered_at"], row["ended_at"]) == ("2026-03-08T05:00:00+09:00", "")


@pytest.mark.parametrize("evil", ["=HYPERLINK(1)", "+1+cmd", "-2+3", "@SUM(1)", "\t=1"])
def test_export_when_a_cell_looks_like_a_formula_then_quoted(signed_in, create_orders, evil):
    [order] = create_orders()
    run(order, link=evil, service_name=f'{evil}\n"second, line"')
    [row] = rows_of(export(signed_in))
    assert row["link"] == guarded(evil) != evil and row["service_name"].startswith(guarded(evil))


def test_export_when_rows_are_many_then_read_in_short_statements(signed_in, create_orders, monkeypatch):
    monkeypatch.setattr("orders.web.csv_export.ROWS", 5)
    create_orders(20)
    response = export(signed_in)
    lines = iter(response.streaming_content)
    with statements() as found:
        for _ in range(4):
            next(lines)
    assert len(found) == 1 and "LIMIT 5" in found[0], found
    assert len(list(lines)) == 17


def test_export_when_signed_out_then_redirected_to_sign_in(client):
    assert reverse("account_login") in export(client).url


def test_each_row_when_rows_move_meanwhile_then_none_is_read_twice(customer, service):
    """An export of pending orders must not restart because the last of them were sent meanwhile."""
    for _ in range(4):
        make.order(customer, service, quantity=10)
    rows = each_row(Order.objects.filter(status=Status.PENDING), size=2)
    read = [next(rows).pk, next(rows).pk]
    Order.objects.exclude(pk__in=read).update(status=Status.PROCESSING)
    assert list(rows) == []
    assert len(set(read)) == 2
