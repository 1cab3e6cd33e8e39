"""The order form asks before an order that may be meant otherwise, and takes one yes."""

from __future__ import annotations

import re

import pytest
from django.urls import reverse

from orders.models import Order
from tests import make
from tests.api_calls import add, new_key
from tests.orders.web.test_order_form import page_of, post
from tests.scenes import nothing_changes

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("invariants_hold")]

POST = "https://youtu.be/dQw4w9WgXcQ"
ASKED = "This link leads to YouTube; the service is for Instagram."


@pytest.fixture
def likes(db):
    return make.service(make.provider(), name="Instagram Followers")


def answer_in(response) -> str:
    """Return the yes that the page would send."""
    found = re.search(r'name="answered" value="([0-9a-f]+)"', response.content.decode())
    return found[1] if found else ""


def test_order_when_the_platform_is_another_then_one_yes_is_enough(signed_in, likes):
    with nothing_changes():
        page = post(signed_in, likes, link=POST, quantity="100")
    text = page.content.decode()
    assert ASKED in text and "Nothing was ordered yet." in text and "Order anyway for $0.25" in text
    assert f'value="{POST}"' in text
    answer = post(signed_in, likes, link=POST, quantity="100", answered=answer_in(page))
    assert (answer.status_code, Order.objects.get().link) == (302, POST)


@pytest.mark.parametrize("answered", ["", "x", "0" * 16])
def test_order_when_the_yes_is_to_something_else_then_asked(signed_in, likes, answered):
    with nothing_changes():
        assert ASKED in post(signed_in, likes, link=POST, quantity="100", answered=answered).content.decode()
    other = answer_in(post(signed_in, likes, link=POST, quantity="100"))
    with nothing_changes():
        post(signed_in, likes, link="https://t.me/natgeo", quantity="100", answered=other)


def test_order_when_nothing_is_asked_then_created_at_once(signed_in, likes):
    assert post(signed_in, likes, link="https://instagram.com/natgeo", quantity="100").status_code == 302


def test_summary_when_typed_then_it_asks_before_the_click(signed_in, likes):
    typed = {"service": likes.pk, "link": POST, "quantity": "1.000"}
    live = signed_in.post(reverse("order_quote"), typed, headers={"HX-Request": "true"})
    text = live.content.decode()
    assert ASKED in text and "“1.000” is read as 1,000." in text and "Order anyway for $2.50" in text
    answer = post(signed_in, likes, link=POST, quantity="1.000", answered=answer_in(live))
    assert (answer.status_code, Order.objects.get().quantity) == (302, 1_000)


def test_order_when_it_has_mistakes_too_then_both_are_shown(signed_in, likes):
    with nothing_changes():
        text = post(signed_in, likes, link=POST, quantity="x").content.decode()
    assert ASKED in text and "Write a whole number in digits" in text and "Nothing was ordered yet." not in text


def test_comments_when_meant_as_several_then_split_by_a_button(signed_in):
    comments = make.service(make.provider(), type="custom_comments", low=1)
    typed = r"nice\nwow | ever"
    with nothing_changes():
        page = post(signed_in, comments, comments=typed)
    text = page.content.decode()
    assert "Is this one comment, or 2?" in text and "Line 1 holds “ | ”" in text
    split = post(signed_in, comments, comments=typed, preview="split:comments")
    assert split.context["form"]["comments"].value() == "nice\nwow | ever"
    assert "Order for" in split.content.decode()
    post(signed_in, comments, comments=typed, answered=answer_in(page))
    assert Order.objects.get().params == {"comments": typed}


@pytest.mark.parametrize("name", ["service", "request_key", "csrfmiddlewaretoken", "seen_charge", "x", ""])
def test_split_when_forged_then_nothing_but_lines_changes(signed_in, likes, name):
    answer = post(signed_in, likes, quantity="100", preview=f"split:{name}")
    assert (answer.status_code, answer.context["form"].chosen) == (200, likes)


def test_program_when_the_link_is_odd_then_not_asked(customer, likes):
    assert "order" in add(new_key(customer), likes, link=POST)


def test_mass_order_when_the_link_is_odd_then_a_warning_at_the_line(signed_in, likes):
    lines = f"{likes.pk} | {POST} | 1.000"
    text = signed_in.post(reverse("mass_order"), {"lines": lines}).content.decode()
    assert ASKED in text and "youtu.be/dQw4w9WgXcQ" in text and "1,000" in text and "$2.50" in text


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("", ("A public address", 'inputmode="url"', ">Link to the profile<")),
        ("username", ("The name alone", 'placeholder="natgeo"', ">Username<")),
        ("phone", ("With the code of its country", 'inputmode="tel"', ">Phone number<")),
        ("keyword", ("The words to search for", ">Keyword<")),
    ],
)
def test_form_when_the_service_takes_something_else_then_it_says_so(signed_in, likes, kind, words):
    likes.link_kind = kind
    likes.save()
    text = page_of(signed_in, service=likes.pk)
    assert [word for word in words if word not in text] == []


def test_link_when_refused_for_its_kind_then_told_at_the_field(signed_in, likes):
    likes.link_kind = "username"
    likes.save()
    with nothing_changes():
        form = post(signed_in, likes, link="https://instagram.com/natgeo", quantity="100").context["form"]
    assert form.errors["link"] == ["This service takes the username alone, such as natgeo, not an address."]
    assert post(signed_in, likes, link="", quantity="100").context["form"].errors["link"] == [
        "Enter the username to deliver to."
    ]
