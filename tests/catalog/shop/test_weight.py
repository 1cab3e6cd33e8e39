"""How heavy pages are: the list of ten thousand services, and the first page that a browser gets."""

from __future__ import annotations

import gzip
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from django.contrib.staticfiles import finders
from django.test import Client
from django.urls import reverse

from catalog.models import Category, CustomerGroup, GroupMember, Service, UpstreamService
from panel.lib.links.platforms import PLATFORMS

pytestmark = pytest.mark.django_db

SERVICES, CATEGORIES = 10_000, 739
MAX_ELEMENTS, MAX_BYTES = 1_500, 40_000
GOODS = ("followers", "likes", "views", "comments", "shares", "subscribers", "plays", "saves", "members", "votes")


class Elements(HTMLParser):
    """Counts the elements of a page."""

    count = 0

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.count += 1


def elements_of(text: str) -> int:
    parser = Elements()
    parser.feed(text)
    return parser.count


def about(number: int) -> str:
    """Return a description of 300 characters that is unlike others, as owners write them."""
    words = (f"{GOODS[number * 7 // one % 10]} {number * one % 997}" for one in range(1, 30))
    return f"Starts within {number % 24} hours. " + ", ".join(words)


def names() -> Iterator[str]:
    platforms = [platform.label for platform in PLATFORMS.values()]
    for number in range(SERVICES):
        goods = GOODS[number // 31 % 10]
        yield f"{platforms[number % 31]} {goods} | Real accounts {number} | HQ ⚡ {number * 7919 % 9973}"


@pytest.fixture
def large_shop(provider: Any) -> None:
    """Ten thousand services of all platforms, each with refill and cancel, in 739 categories."""
    categories = Category.objects.bulk_create(
        Category(name=f"Category {number} of the shop", position=number) for number in range(CATEGORIES)
    )
    upstream = UpstreamService.objects.bulk_create(
        UpstreamService(
            provider=provider,
            external_id=str(number),
            name=name,
            category="Mixed",
            type="default" if number % 20 else "custom_comments",
            rate=1_000_000,
            min_quantity=10,
            max_quantity=100_000,
            refill=True,
            cancel=True,
        )
        for number, name in enumerate(names())
    )
    Service.objects.bulk_create(
        Service(
            upstream=row,
            category=categories[number % CATEGORIES],
            name=row.name,
            description=about(number),
            is_on_sale=True,
            refill_days=30,
            cost=1_000_000,
            price=1_250_000 + number,
        )
        for number, row in enumerate(upstream)
    )


@pytest.fixture
def discounted(signed_in: Client, customer: Any) -> Client:
    """A customer whose rows are the heaviest: each with the list price beside their own."""
    group = CustomerGroup.objects.create(name="Friends", discount_bp=100)
    GroupMember.objects.create(customer=customer, group=group)
    return signed_in


def test_services_when_there_are_ten_thousand_then_page_stays_light(discounted, large_shop):
    for query in ({}, {"platform": "instagram"}, {"q": "instagram", "sort": "cheapest", "page": "3"}):
        response = discounted.get(reverse("services"), query, headers={"Accept-Encoding": "gzip"})
        assert response["Content-Encoding"] == "gzip"
        text = gzip.decompress(response.content).decode()
        assert text.count("<tr>") == 51
        assert elements_of(text) <= MAX_ELEMENTS
        assert len(response.content) <= MAX_BYTES
        # A category is named in its chip alone.
        assert text.count("of the shop</span>") <= 10


# -- the first page --------------------------------------------------------------------------------

MAX_FIRST_PAGE = 90_000


def files_of(text: str) -> set[str]:
    """Return the paths of the static files that a browser loads for a page."""
    found = re.findall(r'(?:<link rel="(?:stylesheet|icon)"[^>]* href|<script src|<use href)="/static/([^"#?]+)', text)
    return set(found)


def sent_cold(client: Client, address: str) -> int:
    """Return the bytes that a browser gets that has nothing of the panel, without brotli: headers are not counted."""
    response = client.get(address, headers={"Accept-Encoding": "gzip"})
    text = gzip.decompress(response.content).decode()
    files = files_of(text)
    assert len(files) > 8
    static = sum(len(gzip.compress(Path(finders.find(name)).read_bytes(), 9)) for name in files)
    accent = client.get(re.search(r'href="(/theme\.css[^"]*)"', text)[1], headers={"Accept-Encoding": "gzip"})
    return len(response.content) + static + len(accent.content)


@pytest.mark.parametrize("name", ["home", "services", "account_login", "order_new", "order_list"])
def test_first_page_when_nothing_is_cached_then_at_most_90_kb(name, settings, signed_in, service):
    settings.PUBLIC_SHOP = True
    client = signed_in if name.startswith("order") else Client()
    assert sent_cold(client, reverse(name)) <= MAX_FIRST_PAGE
