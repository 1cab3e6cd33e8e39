"""The staff's page of an order in a real browser, by axe: what was sent, and a correction before it is sent."""

from __future__ import annotations

from typing import Any

import pytest
from django.urls import reverse
from playwright.sync_api import expect

from orders.dispatch.submit import submit_for_provider
from orders.models import Order
from orders.states import Status
from tests import make
from tests.browser.conftest import PHONE
from tests.browser.test_pages import check_page, sign_in

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

DESKTOP = {"width": 1366, "height": 900}
SCREENS = pytest.mark.parametrize(
    ("viewport", "theme"), [(DESKTOP, "light"), (PHONE, "dark")], ids=["desktop", "phone-dark"]
)
LINK = "https://www.instagram.com/p/C7mXa9LxQ?igsh=" + "x" * 120


@pytest.fixture
def provider(upstream: Any) -> Any:
    make.owner()
    return make.provider(url=upstream.url, api_key=upstream.key)


@SCREENS
def test_order_when_opened_then_all_is_told_by_axe(live_server, upstream, provider, open_page, viewport, theme):
    service = make.service(provider, name="Instagram comments, custom", type="custom_comments", external_id="2", low=1)
    upstream.set_service(2, rate="2", min=1, max=10_000, type="Custom Comments")
    comments = "\n".join(f"Comment number {n}, so nice" for n in range(12))
    order = make.order(make.customer(funds="10"), service, link=LINK, quantity=None, comments=comments)
    submit_for_provider(provider=provider)
    Order.objects.filter(pk=order.pk).update(status=Status.IN_PROGRESS, remains=5, start_count=15_320)
    page = open_page(viewport=viewport, theme=theme)
    sign_in(page, live_server.url, "owner@example.org")
    page.goto(f"{live_server.url}{reverse('admin:orders_order_change', args=[order.pk])}")
    expect(page.get_by_label("The form that was sent")).to_contain_text("the key, hidden")
    check_page(page, viewport)
    page.get_by_role("button", name="Ask now").click()
    expect(page.locator(".order-lines")).to_contain_text("Its provider is asked at once.")


def test_order_when_never_sent_then_its_link_is_corrected(live_server, provider, open_page):
    order = make.order(make.customer(funds="10"), make.service(provider), link="https://example.org/wrong")
    page = open_page(viewport=DESKTOP)
    sign_in(page, live_server.url, "owner@example.org")
    page.goto(f"{live_server.url}{reverse('admin:orders_order_change', args=[order.pk])}")
    page.locator(".order-side header").get_by_role("link", name="Correct…").click()
    page.get_by_label("Link").fill("no link at all")
    page.get_by_role("button", name="Correct it").click()
    expect(page.locator("body")).to_contain_text("Copy it again")
    page.get_by_label("Link").fill("https://example.org/right")
    page.get_by_role("button", name="Correct it").click()
    expect(page.locator(".order-lines")).to_contain_text("corrected the link from https://example.org/wrong")
    assert Order.objects.get(pk=order.pk).link == "https://example.org/right"
