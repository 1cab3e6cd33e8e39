"""Search everything, in a real browser: opened by keys, typed, chosen and opened without a mouse."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from tests import make
from tests.browser.conftest import DESKTOP, PHONE
from tests.browser.test_pages import check_page, sign_in

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def open_admin(live_server, open_page):
    make.owner()

    def open_it(**options):
        page = open_page(**options)
        sign_in(page, live_server.url, "owner@example.org")
        page.goto(f"{live_server.url}/admin/")
        return page

    return open_it


def test_search_when_typed_by_keys_alone_then_the_order_opens(open_admin):
    order = make.accepted_order(make.customer(funds="50"), make.service(make.provider()), upstream_id="up-77")
    page = open_admin()
    page.keyboard.press("Control+k")
    box = page.get_by_label("Search everything", exact=True)
    expect(box).to_be_focused()
    box.press_sequentially("nothing-has-this")
    expect(page.get_by_role("status")).to_contain_text("Looked in order numbers")
    box.fill("up-77")
    expect(page.locator("#command-results li")).to_contain_text([f"Order {order.pk}"])
    box.press("Enter")
    expect(page).to_have_url(re.compile(rf"/orders/order/{order.pk}/change/"))


@pytest.mark.parametrize(("viewport", "theme"), [(DESKTOP, "dark"), (PHONE, "light")], ids=["desktop", "phone"])
def test_search_when_found_then_sound(open_admin, viewport, theme):
    make.customer("studio@example.org")
    page = open_admin(viewport=viewport, theme=theme)
    page.keyboard.press("Control+k")
    page.get_by_label("Search everything", exact=True).fill("st")
    expect(page.locator("#command-results")).to_contain_text("studio@example.org")
    check_page(page, viewport)
    page.keyboard.press("Escape")
    page.keyboard.press("Escape")
    expect(page.locator(".find-box")).to_be_hidden()
