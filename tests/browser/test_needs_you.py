"""What needs somebody, in a real browser: from the overview, each item is decided in two clicks."""

from __future__ import annotations

from typing import Any

import pytest
from django.urls import reverse
from playwright.sync_api import expect

from billing.models import Deposit
from panel.channels.models import Channel
from panel.lib import clock
from panel.ops.needs_you.queue import first_items
from tests import make
from tests.browser.conftest import DESKTOP, PHONE
from tests.browser.test_pages import check_page, sign_in
from tests.panel.ops.needs_you.conftest import deposit, one_of_each

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def owner(live_server: Any) -> Any:
    user = make.owner()
    Channel.objects.create(name="Phone", kind="webhook", target="https://x.example/", reached_at=clock.now())
    return user


def test_overview_when_two_deposits_wait_then_each_is_decided_in_two_clicks(owner, live_server, open_page):
    customer = make.customer("alice@example.org")
    deposit(customer, "50"), deposit(customer, "70")
    page = open_page(viewport=PHONE)
    sign_in(page, live_server.url, owner.email)
    page.goto(live_server.url + reverse("admin:index"))
    page.get_by_role("link", name="Deposit of alice@example.org").first.click()
    page.get_by_role("button", name="Add the money").click()
    expect(page.get_by_text("$50.00 was added to the wallet")).to_be_visible()
    expect(page.get_by_text("1 of 2 left")).to_be_visible()
    # The next one is open already: a key confirms it, but not one that is still held down.
    held = "{key: 'Enter', ctrlKey: true, repeat: true, bubbles: true}"
    page.evaluate(f"document.dispatchEvent(new KeyboardEvent('keydown', {held}))")
    assert Deposit.objects.filter(state=Deposit.State.APPROVED).count() == 1
    page.keyboard.press("Control+Enter")
    expect(page.get_by_text("Nothing waits for you")).to_be_visible()
    assert Deposit.objects.filter(state=Deposit.State.APPROVED).count() == 2


def test_items_when_each_kind_is_open_then_axe_finds_nothing(owner, live_server, open_page):
    one_of_each(make.customer("alice@example.org", funds="100"), make.service(make.provider()))
    for viewport, theme in ((DESKTOP, "light"), (PHONE, "dark")):
        page = open_page(viewport=viewport, theme=theme)
        sign_in(page, live_server.url, owner.email)
        for item in first_items(owner, later=(), count=20):
            if item.kind.key in ("doubt", "deposit", "rate"):
                page.goto(live_server.url + item.url)
                check_page(page, viewport)
