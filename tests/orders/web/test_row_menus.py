"""The menu of each row of the list of orders, and the question before one is canceled."""

from __future__ import annotations

import re
from datetime import timedelta
from urllib.parse import unquote

import pytest
from django.urls import reverse
from django.utils import timezone

from catalog.models import UpstreamService
from orders.models import CancelRequest, Order, Refill
from orders.requests.cancel import cancelable, may_cancel
from orders.requests.refill import may_refill, refillable
from orders.states import CancelState, RefillState, Status
from orders.web.row_menus import help_url
from tests import make
from tests.orders.web.listed import get, run, text_of
from tests.scenes import nothing_changes, statements

pytestmark = pytest.mark.django_db

KEYS = {"a": "again", "r": "refill", "l": "copy", "h": "help", "c": "cancel"}


def menu_of(page, order) -> list[str]:
    """Return what the row's menu offers, in its order."""
    words = text_of(page).split(f'id="order-{order.pk}-menu"')[1].split('class="popup-ask"')[0]
    return [KEYS[key] for key in re.findall(r'data-key="(.)"', words)]


def question(client, order, *, part=True):
    headers = {"HX-Request": "true"} if part else {}
    return client.get(reverse("order_cancel", args=[order.pk]), headers=headers)


@pytest.fixture
def scenes(customer, service, create_orders):
    """Orders in each state that allows or forbids something, by name."""
    now = timezone.now()
    done = create_orders(5, status=Status.COMPLETED, finished_at=now)
    runs = create_orders(5, status=Status.IN_PROGRESS)

    def cancel(order, state, **values):
        CancelRequest.objects.create(order=order, provider_id=order.provider_id, state=state, **values)

    def refill(order, state, **values):
        Refill.objects.create(order=order, provider_id=order.provider_id, state=state, **values)

    cancel(runs[1], CancelState.WAITING)
    cancel(runs[2], CancelState.REFUSED, finished_at=now)
    cancel(runs[3], CancelState.REFUSED, finished_at=now - timedelta(hours=2))
    cancel(runs[4], CancelState.ACCEPTED, asked_at=now)
    refill(done[1], RefillState.WAITING)
    refill(done[2], RefillState.REFUSED, finished_at=now)
    refill(done[3], RefillState.REFUSED, finished_at=now - timedelta(hours=2))
    refill(done[4], RefillState.COMPLETED, asked_at=now - timedelta(hours=2))
    return {
        "queued": make.order(customer, service),
        **{f"done {number}": order for number, order in enumerate(done)},
        **{f"runs {number}": order for number, order in enumerate(runs)},
    }


def test_menus_when_shown_then_only_what_is_possible_now(signed_in, scenes):
    page = get(signed_in)
    offered = {name: set(menu_of(page, order)) - {"again", "copy"} for name, order in scenes.items()}
    assert offered == {
        "queued": {"cancel"},
        "done 0": {"refill"},
        "done 1": set(),
        "done 2": set(),
        "done 3": {"refill"},
        "done 4": set(),
        "runs 0": {"cancel"},
        "runs 1": set(),
        "runs 2": set(),
        "runs 3": {"cancel"},
        "runs 4": set(),
    }
    assert menu_of(page, scenes["queued"]) == ["again", "copy", "cancel"]


def test_menus_when_asked_for_many_then_as_for_each(scenes):
    orders = list(Order.objects.select_related("service__upstream"))
    assert cancelable(orders) == {order.pk for order in orders if may_cancel(order)}
    assert refillable(orders) == {order.pk for order in orders if may_refill(order)}
    UpstreamService.objects.update(cancel=False, refill=False)
    orders = list(Order.objects.select_related("service__upstream"))
    assert cancelable(orders) == {scenes["queued"].pk} and refillable(orders) == set()


def test_list_when_rows_are_many_then_statements_stay_the_same(signed_in, customer, service, create_orders):
    counts = []
    for _ in range(2):
        create_orders(4, status=Status.IN_PROGRESS)
        create_orders(4, status=Status.COMPLETED)
        make.order(customer, service, quantity=10)
        with statements() as found:
            get(signed_in)
        counts.append(len(found))
    assert counts[0] == counts[1] <= 12, counts


# -- the question before a cancel ------------------------------------------------------------------


def test_question_when_unsent_then_says_what_comes_back(signed_in, customer, service):
    make.deposit(customer, "10")
    order = make.order(customer, service)
    with nothing_changes():
        part, page = question(signed_in, order), question(signed_in, order, part=False)
    for answer in (part, page):
        assert f"Cancel order {order.pk}?" in text_of(answer) and "$0.25" in text_of(answer)
        assert "Yes, cancel" in text_of(answer) and "Keep it" in text_of(answer)
    assert "<html" not in text_of(part) and "<html" in text_of(page)
    assert "HX-Request" in part["Vary"]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("done 0", "It has ended already."),
        ("runs 1", "You asked to cancel it already."),
        ("runs 2", "The provider refused it within the last hour."),
    ],
)
def test_question_when_too_late_then_says_why_and_offers_nothing(signed_in, scenes, name, words):
    for part in (True, False):
        text = text_of(question(signed_in, scenes[name], part=part))
        assert words in text and "Yes, cancel" not in text


def test_question_when_of_another_then_404(signed_in, other, service):
    assert question(signed_in, make.order(other, service)).status_code == 404


# -- what a script sends after its wait --------------------------------------------------------------


def send(client, order, **values):
    return client.post(reverse("order_bulk"), {"wish": "cancel", "confirmed": "1", "order": order.pk, **values})


def test_cancel_when_a_script_sends_it_then_it_gets_the_words(signed_in, customer, service):
    make.deposit(customer, "10")
    order = make.order(customer, service)
    address = reverse("order_bulk")
    values = {"wish": "cancel", "confirmed": "1", "order": order.pk}
    answer = signed_in.post(address, values, headers={"HX-Request": "true"})
    assert answer.content.decode() == "1 order was canceled. $0.25 is back in your wallet."
    assert answer["Content-Type"].startswith("text/plain")
    assert Order.objects.get().status == Status.CANCELED
    again = signed_in.post(address, values, headers={"HX-Request": "true"})
    assert again.content.decode() == "1 order was canceled already."


def test_cancel_when_the_page_is_left_then_the_next_page_tells(signed_in, customer, service):
    make.deposit(customer, "10")
    order = make.order(customer, service)
    answer = send(signed_in, order, late="a1b2")
    assert (answer.status_code, answer.content) == (204, b"")
    assert "order_wish_a1b2" in answer.cookies  # By which the next page knows that it came here.
    assert "1 order was canceled. $0.25 is back in your wallet." in text_of(get(signed_in))


@pytest.mark.parametrize("late", ["", "a; b", "\r\n", "é", "a" * 21])
def test_cancel_when_its_id_is_odd_then_no_cookie(signed_in, customer, service, late):
    answer = send(signed_in, make.order(customer, service), late=late)
    assert answer.status_code == 204
    assert not [name for name in answer.cookies if name.startswith("order_wish")]


# -- help --------------------------------------------------------------------------------------------


def test_help_when_by_mail_then_the_facts_are_filled_in(signed_in, create_orders, settings):
    settings.SUPPORT_EMAIL = "help@example.org"
    [order] = create_orders(1, link="https://example.com/a?b=1&c=2")
    run(order, status=Status.PARTIAL, remains=40, service_name='Likes & "more"')
    order.refresh_from_db()
    url = help_url(order)
    assert url.startswith(f"mailto:help@example.org?subject=Order%20{order.pk}&body=")
    body = unquote(url.split("&body=")[1])
    for fact in (f"Order: {order.pk}", 'Likes & "more"', "a?b=1&c=2", "Status: Partial", "Delivered: 60"):
        assert fact in body, fact
    assert url.count("&") == 1
    assert menu_of(get(signed_in), order)[-1] == "help"


@pytest.mark.parametrize(
    ("chat", "is_filled"),
    [("https://wa.me/123", True), ("https://t.me/upmark", True), ("https://chat.example.org/x", False)],
)
def test_help_when_by_chat_then_its_address(create_orders, settings, chat, is_filled):
    settings.SUPPORT_EMAIL, settings.SUPPORT_URL = "", chat
    [order] = create_orders()
    assert help_url(order).startswith(chat)
    assert (f"Order: {order.pk}" in unquote(help_url(order))) == is_filled
