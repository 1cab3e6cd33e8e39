"""The staff's list of orders in a real browser, by axe: its lines, its filters, and the bar of what is selected."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from django.urls import reverse
from django.utils import timezone
from playwright.sync_api import expect

from catalog.models import ServiceFigures
from orders.models import Order
from orders.states import ReviewReason, Status
from tests import make
from tests.browser.conftest import PHONE
from tests.browser.test_pages import check_page, sign_in

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

LIST = "admin:orders_order_changelist"
DESKTOP = {"width": 1366, "height": 900}
SCREENS = pytest.mark.parametrize(
    ("viewport", "theme"),
    [(DESKTOP, "light"), (DESKTOP, "dark"), (PHONE, "light"), (PHONE, "dark")],
    ids=["desktop", "desktop-dark", "phone", "phone-dark"],
)
NAMES = ("Instagram followers, standard", "YouTube views, retention 60 s", "TikTok likes " + "of a long name " * 12)
LINKS = (
    "https://www.instagram.com/marble.studio",
    "https://youtu.be/dQw4w9WgXcQ",
    "https://tiktok.com/@home" + "x" * 90,
)


@pytest.fixture
def shop(live_server: Any, upstream: Any) -> Any:
    """Orders of each status, a late one, one in review, and one not sent."""
    make.owner()
    provider = make.provider(url=upstream.url, api_key=upstream.key)
    services = [make.service(provider, external_id=str(n + 1), name=name) for n, name in enumerate(NAMES)]
    ServiceFigures.objects.create(service=services[0], timed=9, slow_seconds=3_600)
    customers = [make.customer(f"customer-number-{n}@example.org", funds="100") for n in range(3)]
    now = timezone.now()
    for number, status in enumerate((*Status.values, *Status.values, *Status.values)):
        order = make.accepted_order(
            customers[number % 3], services[number % 3], upstream_id=f"88{number:04}", link=LINKS[number % 3]
        )
        values: dict[str, Any] = {"status": status, "created_at": now - timedelta(hours=number)}
        if status in (Status.COMPLETED, Status.PARTIAL, Status.CANCELED):
            values |= {"finished_at": now, "next_poll_at": None}
        if number != 0:
            values |= {"remains": 100 - number * 5}
        if number == 13:
            values |= {"review_reason": ReviewReason.LOST_UPSTREAM, "review_since": now}
        Order.objects.filter(pk=order.pk).update(**values)
    make.order(customers[0], services[0])
    return live_server


@SCREENS
def test_order_list_when_opened_then_axe_finds_nothing(shop, open_page, viewport, theme):
    page = open_page(viewport=viewport, theme=theme)
    sign_in(page, shop.url, "owner@example.org")
    page.goto(f"{shop.url}{reverse(LIST)}")
    check_page(page, viewport)
    heights = page.locator("#result_list tbody tr").evaluate_all("rows => rows.map(row => row.offsetHeight)")
    assert len(heights) == 19
    assert max(heights) <= (66 if viewport is PHONE else 41)
    page.locator(".orders-filter summary").click()
    expect(page.get_by_label("Service, by number or name")).to_be_visible()
    check_page(page, viewport)
    page.keyboard.press("Escape")
    if viewport is PHONE:
        page.get_by_role("button", name="Select", exact=True).click()
        page.locator("#result_list tbody th a").first.click()
    else:
        page.locator(".action-select").first.check()
    expect(page.locator(".orders-bar")).to_contain_text("1 of 19 selected")
    check_page(page, viewport)


def test_order_list_when_filtered_and_acted_on_then_the_preview_opens(shop, open_page):
    page = open_page(viewport=DESKTOP)
    sign_in(page, shop.url, "owner@example.org")
    page.goto(f"{shop.url}{reverse(LIST)}")
    page.get_by_role("navigation", name="Views").get_by_role("link", name="Open").click()
    page.locator(".orders-filter summary").click()
    page.get_by_label("Service, by number or name").fill(str(Order.objects.first().service_id))
    page.get_by_role("button", name="Apply").click()
    expect(page.locator(".orders-chip")).to_have_count(1)
    page.get_by_label("Select all on this page").check()
    page.get_by_label("What to do with them").select_option("ask_many")
    page.get_by_role("button", name="Run").click()
    expect(page.get_by_role("button", name="Ask about")).to_be_visible()
    check_page(page, DESKTOP)


def test_many_when_canceled_on_a_phone_then_previewed_and_told(shop, open_page):
    page = open_page(viewport=PHONE, theme="dark")
    sign_in(page, shop.url, "owner@example.org")
    page.goto(f"{shop.url}{reverse(LIST)}?view=open")
    page.get_by_role("button", name="Select", exact=True).click()
    page.get_by_label("Select all on this page").check()
    page.get_by_label("What to do with them").select_option("cancel_many")
    page.get_by_role("button", name="Run").click()
    expect(page.locator(".bulk")).to_contain_text("1 not sent yet: canceled at once, and $0.25 refunded in full.")
    check_page(page, PHONE)
    page.get_by_label("Why").first.select_option("provider")
    page.get_by_label("Note for staff").fill("It does not answer")
    page.get_by_role("button", name="Cancel 10 orders").click()
    expect(page.get_by_text("1 canceled and $0.25 refunded; providers asked to cancel 9 more")).to_be_visible()
    expect(page).to_have_url(re.compile("view=open"))


def test_order_list_when_worked_by_keys_then_view_and_columns_are_kept(shop, open_page):
    page = open_page(viewport=DESKTOP)
    sign_in(page, shop.url, "owner@example.org")
    page.goto(f"{shop.url}{reverse(LIST)}?status=pending")
    # Save the filters as a view, and another column.
    page.get_by_text("Save this view").click()
    page.get_by_label("Name of the view").fill("Pending j k")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.locator(".orders-tabs [aria-current]")).to_have_text("Pending j k")
    page.locator(".orders-columns summary").click()
    page.get_by_label("Ordered with", exact=True).last.check()
    page.get_by_label("Profit", exact=True).uncheck()
    page.get_by_role("button", name="Show these").click()
    expect(page.get_by_role("columnheader", name="Ordered with")).to_be_visible()
    expect(page.get_by_role("columnheader", name="Profit")).to_have_count(0)
    check_page(page, DESKTOP)
    # Two rows are selected by keys, and their money is said.
    for key in ("j", "x", "j", "Shift+X"):
        page.keyboard.press(key)
    expect(page.locator(".orders-sums")).to_have_text("$0.50 charged, about $0.10 profit")
    page.keyboard.press("/")
    page.keyboard.type("x?")
    expect(page.locator("#searchbar")).to_have_value("x?")
    page.locator("#result_list tbody th a").first.focus()
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keys")).to_be_visible()
    check_page(page, DESKTOP)
    page.keyboard.press("Escape")
    page.locator("#result_list tbody th a").first.focus()
    page.keyboard.press("a")
    expect(page.get_by_role("button", name="Ask about")).to_be_visible()
    page.keyboard.press("g")
    page.keyboard.press("u")
    page.get_by_role("link", name="Pending j k").click()
    expect(page.locator("#result_list tbody tr")).to_have_count(4)
