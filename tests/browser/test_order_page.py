"""An order's page in a real browser: its tab, its messages, times in the reader's zone, and how it looks."""

from __future__ import annotations

import re
from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest
from django.urls import reverse
from django.utils import timezone
from playwright.sync_api import expect

from orders.checkout.drip_feeds import pause_drip_feed
from orders.models import DripFeed, Order
from orders.states import Status
from panel.accounts.models import User
from tests import make
from tests.browser.conftest import DESKTOP, EACH_SCREEN
from tests.browser.test_live_updates import address_of, move_to_poll, update
from tests.browser.test_pages import check_in_both_themes, sign_in

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def alice(db):
    return make.customer("alice@example.org", funds="100")


@pytest.fixture
def service(upstream, alice):
    provider = make.provider(url=upstream.url, api_key=upstream.key)
    return make.service(provider, name="Instagram followers, high quality")


@pytest.fixture
def order(alice, service):
    """Create an order of 1,000 in progress, of which 843 are delivered."""
    order = make.accepted_order(alice, service, quantity=1_000)
    now = timezone.now()
    values = {"accepted_at": now - timedelta(minutes=20), "checked_at": now, "next_poll_at": None}
    update(order, status=Status.IN_PROGRESS, remains=157, **values)
    return order


@pytest.fixture
def open_as_alice(live_server, open_page):
    """Open an address as Alice, with a clock that the test moves."""

    def open_at(address, **options):
        page = open_page(**options)
        page.clock.install()
        sign_in(page, live_server.url)
        page.goto(live_server.url + address)
        return page

    return open_at


def test_tab_when_the_order_moves_and_ends_then_title_and_icon_say_so(open_as_alice, order):
    page = open_as_alice(address_of(order))
    icon = page.locator("link[rel=icon]")
    expect(page).to_have_title(re.compile(rf"^▶ 84% · Order {order.pk} · "))
    expect(icon).to_have_attribute("href", re.compile("favicons/running"))
    update(order, remains=100)
    move_to_poll(page, 3)
    expect(page).to_have_title(re.compile(rf"^▶ 90% · Order {order.pk} · "))
    update(order, status=Status.PARTIAL, refunded=250_000, finished_at=timezone.now())
    move_to_poll(page, 3)
    expect(page).to_have_title(re.compile(rf"^◔ Partial · Order {order.pk} · "))
    expect(icon).to_have_attribute("href", re.compile("favicons/partial"))
    expect(page.locator(".state-back")).to_contain_text("Refunded $0.25 for 100 not delivered.")
    expect(page.locator("#reorder-missing")).to_have_text("Reorder the missing 100 · $0.25")


def test_message_when_the_order_ends_then_it_leaves_and_others_stay(open_as_alice, order):
    page = open_as_alice(address_of(order))
    page.locator("#cancel-button").click()
    page.get_by_role("button", name="Yes, cancel").click()
    messages = page.locator(".messages .notice")
    expect(messages).to_contain_text("You asked to cancel")
    update(order, remains=100)
    move_to_poll(page, 3)
    expect(messages).to_have_count(1)
    update(order, status=Status.COMPLETED, remains=0)
    move_to_poll(page, 3)
    expect(messages).to_have_count(0)


def test_message_when_closed_then_the_focus_goes_to_the_page(open_as_alice, order):
    page = open_as_alice(address_of(order))
    page.locator("#cancel-button").click()
    page.get_by_role("button", name="Yes, cancel").click()
    page.get_by_role("button", name="Close this message").press("Enter")
    expect(page.locator(".messages .notice")).to_have_count(0)
    assert page.evaluate("document.activeElement.id") == "main"


def test_times_when_the_browser_has_a_zone_then_shown_in_it_and_kept_true(browser, live_server, order):
    """The first page tells the server the zone; whoever chose one in the account keeps it."""
    update(order, status=Status.COMPLETED, remains=0, finished_at=timezone.now() - timedelta(minutes=3))
    context = browser.new_context(timezone_id="Asia/Tokyo", viewport=DESKTOP)
    page = context.new_page()
    page.clock.install()
    sign_in(page, live_server.url)
    page.goto(live_server.url + address_of(order))
    page.reload()
    ended = page.locator(".order-when time")
    tokyo = timezone.localtime(Order.objects.get().finished_at, ZoneInfo("Asia/Tokyo"))
    expect(ended).to_have_text(f"{tokyo:%-d %b, %H:%M} · 3 min ago")
    expect(page.locator(".zone")).to_contain_text("Times are in Tokyo.")
    page.clock.fast_forward(120_000)
    page.clock.run_for(15_000)
    expect(ended).to_have_text(f"{tokyo:%-d %b, %H:%M} · 5 min ago")
    User.objects.update(time_zone="Europe/Istanbul")
    page.reload()
    expect(page.locator(".zone")).to_contain_text("Times are in Istanbul.")
    context.close()


def test_drip_feed_when_paused_and_resumed_then_the_page_says_when_it_goes_on(open_as_alice, alice, service):
    drip = make.drip(alice, service)
    page = open_as_alice(reverse("drip_detail", args=[drip.pk]))
    page.get_by_role("button", name="Pause").click()
    expect(page.locator(".order-state .status")).to_have_text("Paused")
    expect(page.locator(".state-outlook")).to_contain_text("after you resume")
    page.get_by_role("button", name="Resume").click()
    expect(page.locator(".order-state .status")).to_have_text("Running")
    expect(page.locator(".order-when")).to_contain_text("Next run")
    assert DripFeed.objects.get().paused_at is None


@EACH_SCREEN
def test_pages_when_running_ended_or_paused_then_axe_finds_nothing(
    open_as_alice, alice, service, order, viewport, theme, settings
):
    settings.SUPPORT_EMAIL = "help@example.org"
    settings.SUPPORT_URL = "https://chat.example/room"
    ended = make.accepted_order(alice, service, upstream_id="2", quantity=1_000)
    update(ended, status=Status.PARTIAL, remains=157, refunded=392_500, finished_at=timezone.now())
    drip = make.drip(alice, service)
    pause_drip_feed(drip=drip)
    page = open_as_alice(address_of(order), viewport=viewport, theme=theme)
    site = page.url.removesuffix(address_of(order))
    for address in (
        address_of(order),
        address_of(ended),
        reverse("drip_detail", args=[drip.pk]),
        reverse("time_zone"),
    ):
        assert page.goto(site + address).status == 200
        check_in_both_themes(page, viewport)
