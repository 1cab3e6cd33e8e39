"""A letter about an order carries its facts, and nothing of what customers or providers wrote adds a header to it."""

from __future__ import annotations

from datetime import UTC, datetime
from urllib.parse import parse_qs, urlsplit

import pytest
from django.urls import reverse

from orders.models import Order
from orders.states import Status
from orders.web.help import chat_link, facts_of, mail_link, reasons_of
from orders.web.order_title import icon_of, title_of
from tests import make

NOON = datetime(2026, 11, 28, 12, 0, tzinfo=UTC)


def order(**values: object) -> Order:
    known = {
        "pk": 4812,
        "service_id": 3,
        "service_name": "Followers & more",
        "service_type": "default",
        "link": "https://example.com/?a=1&b=2#c",
        "status": Status.PARTIAL,
        "quantity": 1_000,
        "remains": 157,
        "start_count": 10_385,
        "charge": 100,
        "created_at": NOON,
    }
    return Order(**{**known, **values})


def read(link: str) -> tuple[str, str, str]:
    """Return recipient, subject and body of a `mailto:` address, as a mail program reads them."""
    parts = urlsplit(link)
    assert "+" not in parts.query  # Mail programs do not read it as a space.
    query = parse_qs(parts.query, strict_parsing=True)
    assert set(query) == {"subject", "body"}
    return parts.path, query["subject"][0], query["body"][0]


def test_letter_when_written_then_it_has_the_facts():
    reasons = reasons_of(order=order(), email="help@example.org", chat="", now=NOON)
    assert [one.name for one in reasons] == ["nothing", "dropped", "link", "other"]
    to, subject, body = read(reasons[1].mail_url)
    assert (to, subject) == ("help@example.org", "Order 4812: It dropped")
    for fact in (
        "Service: 3 · Followers & more",
        "Link: https://example.com/?a=1&b=2#c",
        "Status: Partial",
        "Delivered: 843 of 1,000",
        "Start count: 10,385",
        "As of: 28 Nov 2026, 12:00 UTC",
    ):
        assert fact in body.split("\r\n")


def test_letter_when_the_texts_are_hostile_then_they_stay_in_it():
    evil = "x\r\nBcc: a@b.example&bcc=a@b.example?subject=y"
    reasons = reasons_of(order=order(link=evil, service_name=evil), email="help@example.org", chat="", now=NOON)
    _, subject, body = read(reasons[0].mail_url)
    assert subject == "Order 4812: Nothing arrived"
    assert "Link: x Bcc: a@b.example&bcc=a@b.example?subject=y" in body.split("\r\n")
    assert urlsplit(mail_link("a?bcc=b@example.org", "s", "t")).path == "a%3Fbcc%3Db@example.org"


def test_chat_when_it_takes_a_text_then_the_facts_are_in_it():
    assert chat_link("https://wa.me/15550100", "a b&c") == "https://wa.me/15550100?text=a%20b%26c"
    assert chat_link("https://t.me/owner", "x") == "https://t.me/owner?text=x"
    assert chat_link("https://chat.example/room", "x") == "https://chat.example/room"
    assert chat_link("https://wa.me/1?text=hi", "x") == "https://wa.me/1?text=hi"
    assert chat_link("", "x") == ""


def test_reasons_when_the_owner_has_no_address_then_none_are_offered():
    assert reasons_of(order=order(), email="", chat="", now=NOON) == []


def test_facts_when_nothing_is_known_then_dashes():
    facts = facts_of(order(remains=None, start_count=None, status=Status.PENDING), now=NOON)
    assert "Delivered: — of 1,000" in facts
    assert "Start count: —" in facts


@pytest.mark.parametrize(
    ("values", "title", "icon"),
    [
        ({"status": Status.PENDING}, "Order 4812", ""),
        ({"status": Status.PROCESSING, "remains": None}, "▶ Order 4812", "favicons/running.svg"),
        ({"status": Status.IN_PROGRESS}, "▶ 84% · Order 4812", "favicons/running.svg"),
        ({"status": Status.COMPLETED}, "✓ Order 4812", "favicons/completed.svg"),
        ({"status": Status.PARTIAL}, "◔ Partial · Order 4812", "favicons/partial.svg"),
        ({"status": Status.CANCELED}, "✕ Canceled · Order 4812", "favicons/canceled.svg"),
    ],
)
def test_title_when_an_order_stands_so_then_it_says_so(values, title, icon):
    assert (title_of(order(**values)), icon_of(order(**values))) == (title, icon)


@pytest.mark.django_db
def test_page_when_the_owner_has_an_address_then_it_offers_help(signed_in, customer, service, settings):
    address = reverse("order_detail", args=[make.order(customer, service).pk])
    assert "Something wrong?" not in signed_in.get(address).content.decode()
    settings.SUPPORT_EMAIL = "help@example.org"
    page = signed_in.get(address).content.decode()
    assert "Something wrong?" in page
    assert page.count('href="mailto:help@example.org?subject=Order%20') == 4
    assert "to paste into the chat" not in page
    settings.SUPPORT_URL = "https://chat.example/room"
    assert "to paste into the chat" in signed_in.get(address).content.decode()
