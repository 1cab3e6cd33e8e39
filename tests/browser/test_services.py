"""The shop in a real browser: searching, filtering, marking favorites, on a phone, without scripts, for visitors."""

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
from tests.browser.test_pages import LONG, check_in_both_themes, check_page, sign_in

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

NAMES = ("Instagram Followers", "TikTok Views", "YouTube Likes")


@pytest.fixture
def shop_page(live_server):
    """Seventy services in three categories, one with a hostile name; some of them changed lately. Alice looks."""
    provider = make.provider()
    made = [
        make.service(
            provider,
            external_id=str(number),
            name=f"{NAMES[number % 3]} {number} | Real | Fast start",
            rate=f"{number + 1}",
        )
        for number in range(68)
    ]
    made.append(make.service(provider, external_id="odd", name=f"<script>alert(1)</script> {LONG}"))
    made.append(make.service(provider, external_id="box", name="Starter package", type="package", rate="3"))
    for place, name in enumerate(NAMES):
        category = Category.objects.create(name=name, position=place)
        Service.objects.filter(name__startswith=name).update(category=category)
    Service.objects.filter(pk=made[3].pk).update(description="Starts within an hour.\nNo password needed.")
    UpstreamService.objects.filter(external_id__in=["1", "4", "7"]).update(refill=False)
    ServiceFigures.objects.bulk_create(
        ServiceFigures(service=service, orders=number, timed=number, typical_seconds=240 * number**2)
        for number, service in enumerate(made)
    )
    customer = make.customer("alice@example.org", funds="10")
    record_shop_changes()
    Service.objects.filter(pk__in=[made[0].pk, made[5].pk]).update(price=F("price") - 100_000)
    Service.objects.filter(pk=made[1].pk).update(price=F("price") + 100_000)
    Service.objects.filter(pk=made[2].pk).update(is_on_sale=False)
    make.service(provider, external_id="new", name="Brand new followers")
    record_shop_changes()
    Favourite.objects.create(customer=customer, service=made[0])
    return live_server


def shoot(page, name):
    """A picture for people to look at, where SHOTS names a folder."""
    if os.environ.get("SHOTS"):
        top = {"x": 0, "y": 0, "width": page.viewport_size["width"], "height": 1400}
        page.screenshot(path=f"{os.environ['SHOTS']}/{name}.png", clip=top, full_page=True)


@EACH_SCREEN
def test_shop_pages_are_sound(shop_page, open_page, settings, viewport, theme):
    settings.PUBLIC_SHOP = True
    page = open_page(viewport=viewport, theme=theme)
    size = "phone" if viewport is PHONE else "desktop"
    for who in ("visitor", "customer"):
        if who == "customer":
            sign_in(page, shop_page.url)
        for name, address in (
            ("services", reverse("services")),
            ("cheapest", reverse("services") + "?sort=cheapest&refill=1"),
            ("nothing", reverse("services") + "?q=nothing+of+the+kind"),
            ("favorites", reverse("services") + "?favorites=1"),
            ("changes", reverse("service_changes")),
            ("no-changes", reverse("service_changes") + "?kind=back"),
            ("home", reverse("home")),
        ):
            assert page.goto(shop_page.url + address).status == 200
            shoot(page, f"{name}-{who}-{size}-{theme}")
            check_in_both_themes(page, viewport)


def row(page, name):
    return page.locator(".services-table tr", has_text=name).first


def test_search_is_live_keeps_its_address_and_moves_nothing(shop_page, open_page):
    page = open_page()
    sign_in(page, shop_page.url)
    page.goto(shop_page.url + reverse("services"))
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


def test_search_leaves_the_category_as_it_was_chosen(shop_page, open_page):
    page = open_page(viewport=PHONE)
    sign_in(page, shop_page.url)
    page.goto(shop_page.url + reverse("services"))
    search = page.get_by_role("searchbox", name="Search services")
    search.press_sequentially("1")
    page.wait_for_url(re.compile(r"\?q=1$"))
    with page.expect_response(re.compile(r"q=1")):
        search.blur()
    page.get_by_label("Refill").check()
    page.wait_for_url(re.compile(r"\?q=1&refill=1$"))
    expect(page.get_by_label("Category")).to_have_value("")


def test_filters_and_categories_narrow_each_other_on_a_desktop(shop_page, open_page):
    page = open_page()
    sign_in(page, shop_page.url)
    page.goto(shop_page.url + reverse("services"))
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


def test_star_marks_a_favorite_with_the_keyboard_and_it_is_found_again(shop_page, open_page):
    page = open_page()
    sign_in(page, shop_page.url)
    page.goto(shop_page.url + reverse("services"))
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


def test_phone_chooses_a_category_in_the_form_and_orders(shop_page, open_page):
    page = open_page(viewport=PHONE)
    sign_in(page, shop_page.url)
    page.goto(shop_page.url + reverse("services"))
    category = page.get_by_label("Category")
    category.select_option(label="YouTube Likes (21)")
    expect(page.locator("#service-count")).to_have_text("21 services")
    check_page(page, PHONE)
    page.get_by_role("link", name=re.compile("Order YouTube Likes 5 ")).click()
    page.wait_for_url(re.compile(r"/orders/new/\?service=\d+"))


def test_shop_works_without_scripts(shop_page, open_page):
    page = open_page(scripts=False)
    sign_in(page, shop_page.url)
    page.goto(shop_page.url + reverse("services"))
    page.fill("#search", "tiktok")
    page.get_by_label("Sort").select_option("cheapest")
    page.get_by_role("button", name="Search").click()
    expect(page.locator("#service-count")).to_have_text("23 services")
    row(page, "TikTok Views 4 ").get_by_role("button", name="Favorite").click()
    expect(page.locator("#service-count")).to_have_text("23 services")
    assert Favourite.objects.count() == 2
    page.goto(shop_page.url + reverse("services"))
    page.get_by_role("link", name="Next").click()
    expect(page.locator(".pages")).to_contain_text("51–70 of 70")


def test_visitor_searches_the_window_and_is_led_to_sign_up(shop_page, open_page, settings):
    settings.PUBLIC_SHOP = True
    page = open_page(viewport=PHONE)
    page.goto(shop_page.url + reverse("home"))
    page.fill("#search", "tiktok 67")
    page.keyboard.press("Enter")
    page.get_by_role("link", name=re.compile("Order TikTok Views 67")).click()
    page.wait_for_url(re.compile(r"/account/signup/\?next="))
    page.fill("input[name=email]", "new@example.org")
    page.fill("input[name=password1]", "correct horse battery")
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile(r"/orders/new/\?service=\d+"))
