"""Search in the list of orders: by numbers, links and names of services."""

from __future__ import annotations

import pytest

from orders.models import Order
from orders.states import Status
from orders.web import order_search
from orders.web.order_search import read_numbers
from orders.web.views import order_list
from tests import make
from tests.orders.web.listed import get, pks, shown, text_of
from tests.scenes import statements

pytestmark = pytest.mark.django_db


def test_search_when_a_number_then_that_order_and_links_with_it(signed_in, create_orders):
    first = create_orders(1, link="https://example.com/one")[0]
    second = create_orders(1, link=f"https://example.com/reel/{first.pk}77")[0]
    assert shown(get(signed_in, q=str(first.pk))) == pks([second, first])
    for text in ("#{}", "order {}", "Order #{}", "orders: {}", " id {} "):
        assert shown(get(signed_in, q=text.format(first.pk))) == [first.pk], text
    assert shown(get(signed_in, q="9" * 30)) == []
    assert shown(get(signed_in, q="１")) == []


@pytest.mark.parametrize(
    "text",
    ["https://www.Instagram.com/Anna/", "instagram.com/Anna", "agram.com/an", " ANNA ", "http://instagram.com/Anna"],
)
def test_search_when_a_link_or_part_then_found_however_written(signed_in, create_orders, text):
    [order] = create_orders(1, link="https://instagram.com/Anna")
    create_orders(1, link="https://example.com/b")
    assert shown(get(signed_in, q=text)) == [order.pk]


@pytest.mark.parametrize("text", ["%", "_", "\\", "'", "' OR 1=1 --", "\u202e", "www.", "/", "http://"])
def test_search_when_it_holds_wildcards_then_taken_literally(signed_in, create_orders, text):
    create_orders(1, link="https://example.com/abc")
    assert shown(get(signed_in, q=text)) in ([], pks(Order.objects.all()) if text == "/" else [])


def test_search_when_it_matches_anothers_orders_then_nothing(signed_in, create_orders, other, service):
    theirs = make.order(other, service, link="https://example.com/theirs")
    create_orders()
    assert shown(get(signed_in, q="theirs")) == []
    assert shown(get(signed_in, q=str(theirs.pk))) == []


def test_search_when_orders_are_many_then_parts_only_in_the_newest(signed_in, create_orders, monkeypatch):
    monkeypatch.setattr(order_search, "LOOKED_THROUGH", 2)
    monkeypatch.setattr(order_list, "LOOKED_THROUGH", 2)
    old, *_ = create_orders(3, link="https://example.com/abc")
    page = get(signed_in, q="/abc")
    assert old.pk not in shown(page) and len(shown(page)) == 2
    assert "Your newest 2 orders were searched" in text_of(page)
    assert old.pk in shown(get(signed_in, q="example.com/abc"))
    assert old.pk in shown(get(signed_in, q=str(old.pk)))


def test_search_when_too_much_matches_then_the_newest_with_a_hint(signed_in, create_orders, monkeypatch):
    monkeypatch.setattr(order_search, "MAX_FOUND", 2)
    monkeypatch.setattr(order_list, "MAX_FOUND", 2)
    orders = create_orders(3)
    page = get(signed_in, q="example", sort="oldest")
    assert shown(page) == pks(orders[1:])
    assert "The newest 2 orders that match are shown" in text_of(page)


def test_search_when_other_filters_are_set_then_both_apply(signed_in, create_orders):
    create_orders(2, status=Status.COMPLETED)
    [running] = create_orders(1, status=Status.IN_PROGRESS)
    assert shown(get(signed_in, q="example", status="in_progress")) == [running.pk]
    assert shown(get(signed_in, q=str(running.pk), status="completed")) == []


@pytest.mark.parametrize("between", [" ", ", ", ",", "; ", "\n", "\r\n", " #", "  "])
def test_search_when_many_numbers_then_exactly_those_orders(signed_in, create_orders, between):
    a, b, c = create_orders(3, link="https://example.com/1/2/3")
    found = get(signed_in, q=between.join(str(pk) for pk in (c.pk, a.pk, a.pk)))
    assert shown(found) == pks([c, a]), b
    assert "Not found among these orders" not in text_of(found)


def test_search_when_a_number_of_many_is_none_of_mine_then_said(signed_in, create_orders, other, service):
    theirs = make.order(other, service)
    [mine] = create_orders()
    page = get(signed_in, q=f"{mine.pk}, {theirs.pk}")
    assert shown(page) == [mine.pk]
    assert f"Not found among these orders: {theirs.pk}." in text_of(page)


def test_search_when_many_numbers_then_other_filters_apply(signed_in, create_orders):
    done, running = create_orders(1, status=Status.COMPLETED), create_orders(1, status=Status.IN_PROGRESS)
    page = get(signed_in, q=f"{done[0].pk} {running[0].pk}", status="completed")
    assert shown(page) == pks(done)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("7, 8, 9a", "“9a” is not an order number."),
        (" ".join(["7"] * 201), "at most 200 order numbers"),
        ("7 " * 2_000, "at most 200 order numbers"),
    ],
)
def test_search_when_the_numbers_are_wrong_then_said_at_the_field(signed_in, create_orders, text, words):
    create_orders()
    page = get(signed_in, q=text)
    assert words in " ".join(page.context["form"].errors["q"]) and words in text_of(page)
    assert 'aria-invalid="true"' in text_of(page)


def test_search_when_a_services_name_then_its_orders(signed_in, create_orders, provider):
    likes = make.service(provider, external_id="7", name="Instagram likes, fast")
    wanted = create_orders(2, of=likes, link="https://example.com/one")
    create_orders(2, link="https://example.com/two")
    for text in ("likes", "LIKES insta", "fast likes"):
        assert shown(get(signed_in, q=text)) == pks(reversed(wanted)), text
    assert shown(get(signed_in, q="likes slow")) == []


def test_search_when_services_are_too_many_to_list_then_found_by_name_still(signed_in, create_orders, monkeypatch):
    monkeypatch.setattr(order_list, "MAX_SERVICES", 0)
    [order] = create_orders()
    assert shown(get(signed_in, q="followers")) == [order.pk]


@pytest.mark.parametrize("text", ["likes", "example", "7", "7 8 9", "order 7"])
def test_search_when_orders_are_many_then_statements_stay_the_same(signed_in, create_orders, text):
    counts = []
    for _ in range(2):
        create_orders(8)
        with statements() as found:
            get(signed_in, q=text)
        counts.append(len(found))
    assert counts[0] == counts[1] <= 14, counts


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("7", None),
        ("#7", [7]),
        ("order 7", [7]),
        ("7 8", [7, 8]),
        ("orders 7,8;7", [7, 8]),
        ("north 7", None),
        ("idol", None),
        ("order", None),
        ("#", None),
        ("24 likes", None),
        ("instagram.com/7", None),
        ("1,000 likes, fast", None),
        (f"7 {'9' * 30}", None),
    ],
)
def test_numbers_when_read_then_lists_of_them_only(text, numbers):
    assert read_numbers(text) == numbers
