"""The shop in a real browser: search, filters and favorites; on a phone, without scripts, and for visitors."""

from __future__ import annotations

import os
import re

import pytest
from django.db.models import F
from django.urls import reverse
from playwright.sync_api import expect

from catalog.models import Category, Favourite, Service, ServiceFigures, UpstreamService
from catalog.shop.changelog import record_shop_changes
from tests import make
from tests.browser.conftest import DESKTOP, EACH_SCREEN, PHONE
from tests.browser.test_pages import LONG_NAME, check_in_both_themes, check_page, sign_in

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

NAMES = ("Instagram Followers", "TikTok Views", "YouTube Likes")


@pytest.fixture
def shop(live_server):
    """Seventy services in three categories, one with a hostile name, some changed recently; and Alice, a customer."""
    provider = make.provider()
    services = [
        make.service(
            provider,
            external_id=str(number),
            name=f"{NAMES[number % 3]} {number} | Real | Fast start",
            rate=f"{number + 1}",
        )
        for number in range(68)
    ]
    services.append(make.service(provider, external_id="odd", name=f"<script>alert(1)</script> {LONG_NAME}"))
    services.append(make.service(provider, external_id="box", name="Starter package", type="package", rate="3"))
    for position, name in enumerate(NAMES):
        category = Category.objects.create(name=name, position=position)
        Service.objects.filter(name__startswith=name).update(category=category)
    Service.objects.filter(pk=services[3].pk).update(description="Starts within an hour.\nNo password needed.")
    UpstreamService.objects.filter(external_id__in=["1", "4", "7"]).update(refill=False)
    ServiceFigures.objects.bulk_create(
        ServiceFigures(service=service, orders=number, timed=number, typical_seconds=240 * number**2)
        for number, service in enumerate(services)
    )
    customer = make.customer("alice@example.org", funds="10")
    record_shop_changes()
    Service.objects.filter(pk__in=[services[0].pk, services[5].pk]).update(price=F("price") - 100_000)
    Service.objects.filter(pk=services[1].pk).update(price=F("price") + 100_000)
    Service.objects.filter(pk=services[2].pk).update(is_on_sale=False)
    make.service(provider, external_id="new", name="Brand new followers")
    record_shop_changes()
    Favourite.objects.create(customer=customer, service=services[0])
    return live_server


def save_screenshot(page, name):
    """Save a screenshot in the folder that SHOTS names, if it is set; no test compares it."""
    if os.environ.get("SHOTS"):
        top = {"x": 0, "y": 0, "width": page.viewport_size["width"], "height": 1400}
        page.screenshot(path=f"{os.environ['SHOTS']}/{name}.png", clip=top, full_page=True)


@EACH_SCREEN
def test_pages_when_visitor_or_customer_then_axe_finds_nothing(shop, open_page, settings, viewport, theme):
    settings.PUBLIC_SHOP = True
    page = open_page(viewport=viewport, theme=theme)
    size = "phone" if viewport is PHONE else "desktop"
    for viewer in ("visitor", "customer"):
        if viewer == "customer":
            sign_in(page, shop.url)
        for name, address in (
            ("services", reverse("services")),
            ("cheapest", reverse("services") + "?sort=cheapest&refill=1"),
            ("nothing", reverse("services") + "?q=nothing+of+the+kind"),
            ("favorites", reverse("services") + "?favorites=1"),
            ("changes", reverse("service_changes")),
            ("no-changes", reverse("service_changes") + "?kind=back"),
            ("home", reverse("home")),
        ):
            assert page.goto(shop.url + address).status == 200
            save_screenshot(page, f"{name}-{viewer}-{size}-{theme}")
            check_in_both_themes(page, viewport)


def row(page, name):
    """Return the first row with this text."""
    return page.locator(".services-table tr", has_text=name).first


def test_search_when_typed_then_live_and_kept_in_the_address(shop, open_page):
    page = open_page()
    sign_in(page, shop.url)
    page.goto(shop.url + reverse("services"))
    search = page.get_by_role("searchbox", name="Search services")
    before = search.bounding_box()
    search.press_sequentially("tiktok 67")
    expect(page.locator("#service-count")).to_have_text("1 service")
    expect(row(page, "TikTok Views 67")).to_be_visible()
    page.wait_for_url(re.compile(r"/services/\?q=tiktok\+67$"))
    assert search.bounding_box() == before
    assert search.evaluate("element => element === document.activeElement")
    page.reload()
    expect(page.get_by_role("searchbox", name="Search services")).to_have_value("tiktok 67")
    expect(page.locator(".services-table .row-title")).to_have_count(1)


def test_search_when_typed_then_the_category_stays(shop, open_page):
    page = open_page(viewport=PHONE)
    sign_in(page, shop.url)
    page.goto(shop.url + reverse("services"))
    search = page.get_by_role("searchbox", name="Search services")
    search.press_sequentially("1")
    page.wait_for_url(re.compile(r"\?q=1$"))
    with page.expect_response(re.compile(r"q=1")):
        search.blur()
    page.get_by_label("Refill").check()
    page.wait_for_url(re.compile(r"\?q=1&refill=1$"))
    expect(page.get_by_label("Category")).to_have_value("")


def test_filters_when_a_category_is_chosen_then_all_of_them_apply(shop, open_page):
    page = open_page()
    sign_in(page, shop.url)
    page.goto(shop.url + reverse("services"))
    page.get_by_label("Refill").check()
    expect(page.locator("#service-count")).to_have_text("67 services")
    categories = page.get_by_role("navigation", name="Categories")
    categories.get_by_role("link", name="TikTok Views").click()
    expect(page.locator("#service-count")).to_have_text("20 services")
    expect(page.get_by_label("Refill")).to_be_checked()
    page.get_by_label("Sort").select_option("cheapest")
    page.wait_for_url(re.compile(r"category=\d+&refill=1&sort=cheapest$"))
    expect(page.locator(".services-table .row-title").first).to_contain_text("TikTok Views 10 ")
    check_page(page, DESKTOP)


def test_star_when_pressed_by_keyboard_then_among_the_favorites(shop, open_page):
    page = open_page()
    sign_in(page, shop.url)
    page.goto(shop.url + reverse("services"))
    star = row(page, "Instagram Followers 3 ").get_by_role("button", name="Favorite")
    expect(star).to_have_attribute("aria-pressed", "false")
    star.focus()
    page.keyboard.press("Enter")
    expect(star).to_have_attribute("aria-pressed", "true")
    assert star.evaluate("element => element === document.activeElement")
    page.get_by_label("Favorites").check()
    expect(page.locator("#service-count")).to_have_text("2 services")
    star.click()
    expect(star).to_have_attribute("aria-pressed", "false")
    assert Favourite.objects.count() == 1


def test_category_when_chosen_on_a_phone_then_its_services_are_shown(shop, open_page):
    page = open_page(viewport=PHONE)
    sign_in(page, shop.url)
    page.goto(shop.url + reverse("services"))
    category = page.get_by_label("Category")
    category.select_option(label="YouTube Likes (21)")
    expect(page.locator("#service-count")).to_have_text("21 services")
    check_page(page, PHONE)
    page.get_by_role("link", name=re.compile("Order YouTube Likes 5 ")).click()
    page.wait_for_url(re.compile(r"/orders/new/\?service=\d+"))


def test_shop_when_without_scripts_then_it_works(shop, open_page):
    page = open_page(scripts=False)
    sign_in(page, shop.url)
    page.goto(shop.url + reverse("services"))
    page.fill("#search", "tiktok")
    page.get_by_label("Sort").select_option("cheapest")
    page.get_by_role("button", name="Search").click()
    expect(page.locator("#service-count")).to_have_text("23 services")
    row(page, "TikTok Views 4 ").get_by_role("button", name="Favorite").click()
    expect(page.locator("#service-count")).to_have_text("23 services")
    assert Favourite.objects.count() == 2
    page.goto(shop.url + reverse("services"))
    page.get_by_role("link", name="Next").click()
    expect(page.locator(".pages")).to_contain_text("51–70 of 70")


def test_visitor_when_ordering_then_signs_up_and_sees_the_form(shop, open_page, settings):
    settings.PUBLIC_SHOP = True
    page = open_page(viewport=PHONE)
    page.goto(shop.url + reverse("home"))
    page.fill("#search", "tiktok 67")
    page.keyboard.press("Enter")
    page.get_by_role("link", name=re.compile("Order TikTok Views 67")).click()
    page.wait_for_url(re.compile(r"/account/signup/\?next="))
    page.fill("input[name=email]", "new@example.org")
    page.fill("input[name=password1]", "correct horse battery")
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile(r"/orders/new/\?service=\d+"))
