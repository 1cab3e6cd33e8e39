"""The list of customers and a customer's page in a real browser, and what a blocked customer reads."""

from __future__ import annotations

import os
import re

import pytest
from django.urls import reverse
from playwright.sync_api import expect

from catalog.models import CustomerGroup, CustomerPrice, GroupMember
from panel.accounts.blocking import block
from panel.accounts.customer_notes import write_note
from panel.api.keys.services import make_key
from panel.ops.customers.tabs import TABS
from tests import make
from tests.browser.conftest import PHONE
from tests.browser.test_pages import check_page, sign_in
from tests.panel.levels.conftest import spend

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

WIDE = {"width": 1366, "height": 768}
EACH_SCREEN = pytest.mark.parametrize(
    ("viewport", "theme"), [(WIDE, "light"), (WIDE, "dark"), (PHONE, "light"), (PHONE, "dark")]
)
LONG = "a-reseller-with-a-very-long-address@customers.example.org"


@pytest.fixture
def alice(db):
    """Alice, with something on each tab, and others of whom one is blocked."""
    owner = make.owner()
    alice = make.customer("alice@example.org", funds="54.70")
    spend(alice, "40")
    service = make.service(make.provider(), name="Followers of a very long name " * 6)
    for number in range(3):
        make.accepted_order(alice, service, upstream_id=f"u{number}", link=f"https://example.com/{'x' * 80}")
    make.pending_deposit(alice)
    make_key(customer=alice, name="My shop")
    CustomerPrice.objects.create(customer=alice, service=service, price=3_000_000)
    GroupMember.objects.create(customer=alice, group=CustomerGroup.objects.create(name="Regulars", discount_bp=300))
    note = "Asked twice for refills; agreed to send screenshots first."
    write_note(customer=alice, author=owner, text=note, request_key="0" * 32)
    block(customer=make.customer(LONG), reason="Three payments were taken back.")
    return alice


def shoot(page, name):
    if os.environ.get("SHOTS"):
        page.screenshot(path=f"{os.environ['SHOTS']}/{name}.png", full_page=True)


@EACH_SCREEN
def test_customers_when_opened_then_axe_finds_nothing(live_server, open_page, alice, viewport, theme):
    page = open_page(viewport=viewport, theme=theme)
    sign_in(page, live_server.url, "owner@example.org")
    page.goto(live_server.url + reverse("customers"))
    check_page(page, viewport)
    shoot(page, f"list-{viewport['width']}-{theme}")
    if viewport is PHONE:
        page.get_by_label("Sorted by").select_option("Lowest balance")
    else:
        for _ in range(2):
            page.get_by_role("columnheader", name="Balance").get_by_role("link").click()
        expect(page.get_by_role("columnheader", name="Balance")).to_have_attribute("aria-sort", "ascending")
    page.get_by_label("E-mail address begins with").fill("alice")
    page.get_by_role("button", name="Show", exact=True).click()
    expect(page).to_have_url(re.compile("sort=-balance"))
    check_page(page, viewport)
    expect(page.get_by_text(LONG)).to_be_hidden()
    page.get_by_role("link", name="alice@example.org").click()
    for tab in TABS:
        page.get_by_role("navigation", name="Parts").get_by_role("link", name=tab.title).click()
        expect(page.get_by_role("region", name=tab.title)).to_be_visible()
        check_page(page, viewport)
        shoot(page, f"{tab.key}-{viewport['width']}-{theme}")


def test_customer_when_blocked_then_reads_why_at_sign_in(live_server, open_page, alice):
    page = open_page(viewport=PHONE)
    sign_in(page, live_server.url, "owner@example.org")
    page.goto(live_server.url + reverse("customer", args=[alice.pk]))
    page.get_by_role("link", name="Block…").click()
    page.get_by_label("Reason").fill("Write to us about the payment of 4 March.")
    check_page(page, PHONE)
    page.get_by_role("button", name="Block the account").click()
    expect(page.get_by_text("The customer reads: Write to us about the payment of 4 March.")).to_be_visible()
    shoot(page, "blocked-390")
    page = open_page(viewport=PHONE)
    page.goto(live_server.url + reverse("account_login"))
    page.get_by_label("E-mail").fill("alice@example.org")
    page.get_by_label("Password", exact=True).fill("correct horse battery")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_text("Write to us about the payment of 4 March.")).to_be_visible()
    check_page(page, PHONE)
    shoot(page, "reason-390")
