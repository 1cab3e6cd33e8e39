"""The bell, the page of news, and the page of what is mailed."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from panel.accounts.models import User
from panel.news.choices import choice_of
from panel.news.models import NewsItem
from tests.scenes import statements

pytestmark = pytest.mark.django_db


def told(customer: User, items: int = 1, *, name: str = "Followers", **values: Any) -> None:
    """Create items of the customer, the newest first."""
    now = timezone.now()
    NewsItem.objects.bulk_create(
        NewsItem(
            customer=customer,
            **{
                "kind": "order_ended",
                "word": "completed",
                "number": number + 1,
                "key": f"{name}:{number}",
                "name": name,
                "happened_at": now - timedelta(minutes=number),
                **values,
            },
        )
        for number in range(items)
    )


@pytest.fixture
def client(customer: User) -> Client:
    client = Client()
    client.force_login(customer)
    return client


def test_bell_when_items_are_unread_then_counted_to_99(client, customer, other):
    told(other, 3)
    assert 'aria-label="News"' in client.get("/account/").content.decode()
    told(customer, 2)
    assert "News, 2 unread" in client.get("/account/").content.decode()
    told(customer, 150, name="More")
    assert "News, 99+ unread" in client.get("/account/").content.decode()


def test_bell_when_shown_then_one_statement_however_many(client, customer):
    def of_news() -> list[str]:
        with statements() as found:
            client.get("/account/")
        return [one for one in found if "news_newsitem" in one]

    told(customer, 300)
    [only] = of_news()
    assert "LIMIT 100" in only


def test_page_when_opened_then_own_items_escaped_and_nothing_is_marked(client, customer, other):
    told(customer, name="<script>x</script>")
    told(other, name="Of another")
    page = client.get("/news/").content.decode()
    assert "<bdi>&lt;script&gt;x&lt;/script&gt;</bdi>" in page and "Of another" not in page
    assert not NewsItem.objects.exclude(seen_at=None).exists()


def test_page_when_empty_then_says_what_comes(client):
    page = client.get("/news/").content.decode()
    assert "No news yet" in page and "Mark all as read" not in page


def test_page_when_long_then_pages_without_gaps(client, customer):
    told(customer, 60)
    seen, address = [], "/news/"
    while address:
        page = client.get(address)
        seen += [line.item.number for line in page.context["lines"]]
        place = page.context["page"].next
        address = place and f"/news/?{place[0]}={place[1]}"
    assert seen == list(range(1, 61))


def test_page_when_long_then_as_many_statements_as_short(client, customer):
    told(customer, 1)
    client.get("/news/")
    with statements() as few:
        client.get("/news/")
    told(customer, 50, name="More")
    with statements() as many:
        client.get("/news/")
    assert len(many) == len(few) <= 7


def test_marking_when_posted_then_own_items_that_were_shown(client, customer, other):
    told(other)
    told(customer, 2)
    until = client.get("/news/").context["page"].rows[0].happened_at
    told(customer, name="Later", happened_at=timezone.now() + timedelta(seconds=5))
    assert client.post("/news/seen/", {"until": until.isoformat()}).status_code == 302
    assert list(NewsItem.objects.filter(seen_at=None).values_list("name", flat=True)) == ["Later", "Followers"]
    assert NewsItem.objects.get(customer=other).seen_at is None


@pytest.mark.parametrize("until", ["", "x", "2026-13-45T99:99", "9999-12-31T23:59:59-12:00", "2026-01-01T00:00:00"])
def test_marking_when_the_moment_is_odd_then_no_error(until, client, customer):
    told(customer)
    assert client.post("/news/seen/", {"until": until}).status_code == 302


def test_choices_when_saved_then_kept_and_odd_ones_refused(client, customer):
    kinds = ("order_ended", "refunded", "refill_ended", "order_offered", "favourite_price")
    paces = dict.fromkeys(kinds, "never") | {"order_ended": "at_once", "refunded": "daily"}
    assert client.post("/account/news/", paces).status_code == 302
    assert (choice_of(customer).order_ended, choice_of(customer).refunded) == ("at_once", "daily")
    page = client.get("/account/news/").content.decode()
    assert '<option value="daily" selected>' in page
    assert client.post("/account/news/", {**paces, "refunded": "hourly"}).status_code == 200
    assert choice_of(customer).refunded == "daily"


@pytest.mark.parametrize(
    ("kind", "word", "path"),
    [
        ("order_ended", "canceled", "/orders/?status=canceled"),
        ("refunded", "", "/wallet/?kind=refund"),
        ("refill_ended", "completed", "/orders/"),
        ("favourite_price", "dearer", "/services/changes/?kind=dearer&amp;favorites=1"),
    ],
)
def test_item_when_it_is_about_many_then_leads_to_their_list(kind, word, path, client, customer):
    told(customer, kind=kind, word=word, count=1_200, number=None, amount=5_000_000)
    page = client.get("/news/").content.decode()
    assert f'href="{path}"' in page and "<bdi>1,200</bdi>" in page
    assert client.get(path.replace("&amp;", "&")).status_code == 200
