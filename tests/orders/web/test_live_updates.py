"""Polls of pages while orders run: one light query, and only what changed in the answer."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from urllib.parse import parse_qs, urlsplit

import pytest
from django.urls import reverse
from django.utils import timezone

from orders.common.timeline import write_event
from orders.models import CancelRequest, Order, Refill
from orders.states import CancelState, RefillState, Status, Submission
from orders.web.live_updates import MAX_ROWS, Shown, order_pace, read_shown, write_shown
from tests import make
from tests.scenes import nothing_changes, statements

# About the pages alone; how orders move is tested on both databases.
pytestmark = [pytest.mark.django_db, pytest.mark.once]

SIGNED_IN = 2  # the session and the user, which every page reads


class Page(HTMLParser):
    """Collects the polls, swaps and ids of a page or a part of it."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.polls: list[str] = []
        self.triggers: list[str] = []
        self.swaps: list[str] = []
        self.ids: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        found = dict(attrs)
        if found.get("hx-trigger", "").startswith("every"):
            self.polls.append(found["hx-get"])
            self.triggers.append(found["hx-trigger"])
        if "hx-swap-oob" in found:
            self.swaps.append(found["hx-swap-oob"].replace("true", f"#{found.get('id')}").split("#")[1])
        if "id" in found:
            self.ids.append(found["id"])


def read(response) -> Page:
    assert response.status_code == 200
    return Page(response.content.decode())


def text_of(response) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", response.content.decode()))


def poll(client, address):
    return client.get(address, headers={"HX-Request": "true"})


def the_poll(page: Page) -> str:
    [address] = page.polls
    return address


def run(order: Order, **values) -> None:
    Order.objects.filter(pk=order.pk).update(**values)


@pytest.fixture
def orders(customer, service):
    """Three accepted orders that run."""
    made = [make.accepted_order(customer, service, upstream_id=f"u{number}") for number in range(3)]
    for order in made:
        run(order, status=Status.IN_PROGRESS, remains=100)
    return [Order.objects.get(pk=order.pk) for order in made]


@pytest.fixture
def order(orders):
    return orders[0]


# -- the list --------------------------------------------------------------------------------------


def list_poll(client, query="") -> str:
    return the_poll(read(client.get(reverse("order_list") + query)))


def test_list_poll_when_nothing_changed_then_one_query_no_content(signed_in, orders):
    address = list_poll(signed_in)
    with statements() as found:
        response = poll(signed_in, address)
    assert (response.status_code, response.content) == (204, b"")
    assert len(found) == SIGNED_IN + 1, found
    assert not re.search(r'"link"|"params"|JOIN|COUNT', found[-1]), found[-1]


@pytest.mark.parametrize("count", [1, 20])
def test_list_poll_when_progress_changed_then_one_query_for_all_rows(signed_in, customer, service, count):
    made = [make.accepted_order(customer, service, upstream_id=f"u{number}") for number in range(count)]
    address = list_poll(signed_in)
    for one in made:
        run(one, remains=40)
    with statements() as found:
        page = read(poll(signed_in, address))
    assert len(page.swaps) == 3 * count
    assert len(found) == SIGNED_IN + 1, found


def test_list_poll_when_row_progressed_then_only_its_cells_swapped(signed_in, orders):
    address = list_poll(signed_in)
    run(orders[1], remains=57)
    response = poll(signed_in, address)
    page = read(response)
    assert page.swaps == [f"order-{orders[1].pk}-{name}" for name in ("status", "progress", "charge")]
    assert page.ids == ["orders-poller"]
    assert "43 of 100" in text_of(response)
    # The next poll sends what is shown now.
    assert poll(signed_in, the_poll(page)).status_code == 204


def test_list_poll_when_swaps_are_sent_then_each_target_exists_once(signed_in, orders):
    whole = read(signed_in.get(reverse("order_list")))
    run(orders[0], status=Status.CANCELED, refunded=orders[0].charge)
    part = read(poll(signed_in, the_poll(whole)))
    assert len(part.swaps) == 3 + 1 + 2 + 1 + 1  # cells, the menu, chips, the balance, the message
    for target in part.swaps:
        assert whole.ids.count(target) == 1, target


@pytest.mark.parametrize("query", ["?status=in_progress", "?q=example", "?since=2020-01-01&sort=highest"])
def test_list_poll_when_filtered_then_swaps_only_what_that_page_has(signed_in, orders, query):
    whole = read(signed_in.get(reverse("order_list") + query))
    run(orders[0], status=Status.CANCELED, refunded=orders[0].charge)
    part = read(poll(signed_in, the_poll(whole)))
    assert f"order-{orders[0].pk}-status" in part.swaps
    for target in part.swaps:
        assert whole.ids.count(target) == 1, target
    again = read(poll(signed_in, the_poll(whole)))
    assert ("counted" in the_poll(again)) == ("counted" in the_poll(whole))


def test_list_poll_when_order_ends_then_counts_balance_and_message(signed_in, customer, service, orders):
    run(make.accepted_order(customer, service, upstream_id="ended"), status=Status.PARTIAL, remains=40)
    address = list_poll(signed_in)
    run(orders[2], status=Status.PARTIAL, remains=40, refunded=100_000)
    make.deposit(customer, "0.1")
    response = poll(signed_in, address)
    page, words = read(response), response.content.decode()
    assert 'id="count-in_progress" hx-swap-oob="true">2<' in words
    assert 'id="count-partial" hx-swap-oob="true">2<' in words
    assert 'id="count-all" hx-swap-oob="true">4<' in words
    assert "count-canceled" not in words  # The page has no such chip.
    assert "$9.10" in words and "balance" in page.swaps  # $10, less 4 × $0.25, plus the refund of $0.10
    assert "$0.15" in words  # charge less refund
    assert f"Order {orders[2].pk}: Partial." in text_of(response)
    assert str(orders[2].pk) not in [part.split("-")[0] for part in shown_by(page).split(".")]


def shown_by(page: Page) -> str:
    return parse_qs(urlsplit(the_poll(page)).query)["shown"][0]


def test_list_poll_when_status_changed_then_chips_but_not_balance(signed_in, orders):
    run(orders[0], status=Status.PENDING)
    address = list_poll(signed_in)
    run(orders[0], status=Status.IN_PROGRESS)
    page = read(poll(signed_in, address))
    assert "count-pending" in page.swaps and "balance" not in page.swaps


def test_list_poll_when_all_ended_then_polling_stops(signed_in, orders):
    address = list_poll(signed_in)
    Order.objects.update(status=Status.COMPLETED)
    page = read(poll(signed_in, address))
    assert page.polls == [] and "orders-poller" in page.ids
    assert read(signed_in.get(reverse("order_list"))).polls == []


def test_list_when_an_order_leaves_the_filter_then_still_shown(signed_in, orders):
    address = list_poll(signed_in, "?status=in_progress")
    run(orders[0], status=Status.COMPLETED)
    response = poll(signed_in, address)
    assert f"order-{orders[0].pk}-status" in read(response).swaps
    assert "Completed" in text_of(response)
    assert f"order-{orders[0].pk}-status" not in read(signed_in.get(reverse("order_list") + "?status=in_progress")).ids


def test_list_when_paged_then_polls_only_its_own_rows(signed_in, customer, service):
    for number in range(30):
        make.accepted_order(customer, service, quantity=10, upstream_id=f"u{number}")
    first = signed_in.get(reverse("order_list"))
    second = signed_in.get(reverse("order_list"), dict([first.context["page"].next]))
    assert [shown_by(read(page)).count(".") + 1 for page in (first, second)] == [25, 5]


def test_list_poll_when_order_is_anothers_then_nothing_is_revealed(signed_in, other, service):
    theirs = make.accepted_order(other, service)
    shown = f"{theirs.pk}-pending--1"
    response = poll(signed_in, reverse("orders_live") + f"?shown={shown}")
    page = read(response)
    assert (page.swaps, page.polls) == ([], [])
    assert str(theirs.pk) not in text_of(response)


def test_list_poll_when_anothers_order_is_mixed_in_then_ignored(signed_in, other, service, orders):
    theirs = make.accepted_order(other, service, upstream_id="theirs")
    address = f"{list_poll(signed_in)}.{theirs.pk}-pending--1"
    assert poll(signed_in, address).status_code == 204
    run(orders[0], remains=3)
    assert f"{theirs.pk}-" not in shown_by(read(poll(signed_in, address)))


@pytest.mark.parametrize(
    "shown",
    [
        "",
        "x",
        "1",
        "1-2-3",
        "-1-pending--1",
        "1-pending--",
        "1-PENDING--1",
        "1-pending--1-1",
        "9" * 40 + "-pending--1",
        "١-pending--1",
        "1 OR 1=1-pending--1",
        "\x00",
        "1-pending--1\n",
        "....",
        "%",
    ],
)
def test_list_poll_when_malformed_then_no_query(signed_in, shown):
    with nothing_changes(), statements() as found:
        response = signed_in.get(reverse("orders_live"), {"shown": shown})
    assert read(response).polls == []
    assert len(found) == SIGNED_IN, found


def test_list_poll_when_given_too_many_ids_then_a_hundred_are_read(signed_in, orders):
    strangers = ".".join(f"{number}-pending--1" for number in range(10**9, 10**9 + MAX_ROWS))
    page = read(signed_in.get(reverse("orders_live"), {"shown": f"{strangers}.{write_shown(orders)}"}))
    assert (page.polls, page.swaps) == ([], [])
    assert len(read_shown(f"{strangers}.{write_shown(orders)}")) == MAX_ROWS


def test_list_poll_when_signed_out_then_redirected_to_sign_in(client, orders):
    response = client.get(reverse("orders_live"), {"shown": write_shown(orders)})
    assert response.status_code == 302 and reverse("account_login") in response.url


def test_shown_when_written_then_read_back_the_same(orders):
    run(orders[0], remains=None)
    stored = list(Order.objects.order_by("pk"))
    assert read_shown(write_shown(stored)) == {one.pk: Shown.of(one) for one in stored}
    assert [Shown.of(one).delivered for one in stored] == ["", "0", "0"]


# -- the page of an order --------------------------------------------------------------------------


def order_poll(client, order) -> str:
    return the_poll(read(client.get(reverse("order_detail", args=[order.pk]))))


def test_order_poll_when_nothing_changed_then_one_query_no_content(signed_in, order):
    address = order_poll(signed_in, order)
    with statements() as found:
        response = poll(signed_in, address)
    assert (response.status_code, response.content) == (204, b"")
    assert len(found) == SIGNED_IN + 1, found
    assert not re.search(r'"link"|"params"', found[-1]), found[-1]


def change_progress(order):
    run(order, remains=5)


def change_start_count(order):
    run(order, start_count=5)


def change_status(order):
    run(order, status=Status.COMPLETED)


def change_refund(order):
    run(order, refunded=1)


def change_check(order):
    run(order, checked_at=timezone.now())


def change_timeline(order):
    write_event(order_id=order.pk, kind="note", text="Something happened")


def change_cancel(order):
    CancelRequest.objects.create(order=order, provider_id=order.provider_id)


def change_cancel_state(order):
    CancelRequest.objects.update(state=CancelState.REFUSED, finished_at=timezone.now())


def change_refill(order):
    Refill.objects.create(order=order, provider_id=order.provider_id)


def change_refill_state(order):
    Refill.objects.update(state=RefillState.IN_PROGRESS)


@pytest.mark.parametrize(
    ("before", "change"),
    [
        (None, change_progress),
        (None, change_start_count),
        (None, change_status),
        (None, change_refund),
        (None, change_check),
        (None, change_timeline),
        (None, change_cancel),
        (change_cancel, change_cancel_state),
        (None, change_refill),
        (change_refill, change_refill_state),
    ],
)
def test_order_poll_when_anything_changed_then_the_part_is_rendered(signed_in, order, before, change):
    if before:
        before(order)
    address = order_poll(signed_in, order)
    assert poll(signed_in, address).status_code == 204
    change(order)
    page = read(poll(signed_in, address))
    assert "order-live" in page.ids
    assert len(page.ids) == len(set(page.ids))


def test_order_poll_when_order_ends_then_balance_and_message_shown(signed_in, order):
    address = order_poll(signed_in, order)
    change_progress(order)
    assert read(poll(signed_in, address)).swaps == ["balance"]
    change_status(order)
    response = poll(signed_in, address)
    assert read(response).swaps == ["balance", "news"]
    assert f"Order {order.pk}: Completed." in text_of(response)


def test_order_poll_when_rendered_then_it_has_the_new_version(signed_in, order):
    address = order_poll(signed_in, order)
    change_progress(order)
    again = the_poll(read(poll(signed_in, address)))
    assert again != address
    assert poll(signed_in, again).status_code == 204


@pytest.mark.parametrize("version", ["", "x", "0" * 16, "\x00"])
def test_order_poll_when_version_is_malformed_then_part_is_shown(signed_in, order, version):
    assert read(signed_in.get(reverse("order_live", args=[order.pk]), {"version": version})).polls


@pytest.mark.parametrize("number", ["0", "9" * 18, "9" * 40])
def test_order_poll_when_the_order_does_not_exist_then_404(signed_in, number):
    assert signed_in.get(f"{reverse('order_list')}{number}/live/").status_code == 404


def test_order_page_when_changed_meanwhile_then_shown_by_next_poll(signed_in, order, monkeypatch):
    from orders.web import selectors

    timeline_of = selectors.timeline_of

    def change_meanwhile(**values):
        run(order, remains=5)
        return timeline_of(**values)

    monkeypatch.setattr(selectors, "timeline_of", change_meanwhile)
    address = order_poll(signed_in, order)
    assert "order-live" in read(poll(signed_in, address)).ids


def test_order_page_when_history_is_long_then_queries_do_not_grow(signed_in, order):
    counts = []
    for _ in range(2):
        with statements() as found:
            signed_in.get(reverse("order_detail", args=[order.pk]))
        counts.append(len(found))
        run(order, status=Status.COMPLETED)
        for number in range(20):
            write_event(order_id=order.pk, kind="note", text=f"Line {number}")
            Refill.objects.create(order=order, provider_id=order.provider_id, state=RefillState.REJECTED)
    assert max(counts) <= 12, counts


OPEN_CANCEL, OPEN_REFILL = CancelState.ACCEPTED, RefillState.PENDING


@pytest.mark.parametrize(
    ("status", "cancel", "refill", "pace"),
    [
        (Status.PENDING, None, None, 3),
        (Status.IN_PROGRESS, OPEN_CANCEL, None, 3),
        (Status.COMPLETED, OPEN_CANCEL, None, 3),
        (Status.COMPLETED, CancelState.ENDED, OPEN_REFILL, 15),
        (Status.COMPLETED, None, OPEN_REFILL, 15),
        (Status.COMPLETED, None, RefillState.UNFOLLOWED, 0),
        (Status.COMPLETED, None, RefillState.COMPLETED, 0),
        (Status.COMPLETED, CancelState.REFUSED, None, 0),
        (Status.PARTIAL, None, None, 0),
        (Status.CANCELED, CancelState.ENDED, None, 0),
    ],
)
def test_pace_when_final_and_nothing_is_open_then_zero(signed_in, order, status, cancel, refill, pace):
    assert order_pace(status=status, cancel_state=cancel, refill_state=refill) == pace
    run(order, status=status)
    if cancel:
        CancelRequest.objects.create(order=order, provider_id=order.provider_id, state=cancel)
    if refill:
        Refill.objects.create(order=order, provider_id=order.provider_id, state=refill)
    page = read(signed_in.get(reverse("order_detail", args=[order.pk])))
    assert [trigger.split(",")[0] for trigger in page.triggers] == ([f"every {pace}s"] if pace else [])


def test_order_poll_when_sent_meanwhile_then_polling_continues(signed_in, customer, service):
    queued = make.order(customer, service)
    address = order_poll(signed_in, queued)
    run(queued, submission=Submission.ACCEPTED, upstream_id="77")
    assert read(poll(signed_in, address)).polls
