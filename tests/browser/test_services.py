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
            ("categories", reverse("service_categories")),
            ("service", reverse("service_page", args=[Service.objects.filter(is_on_sale=True).first().pk])),
            ("changes", reverse("service_changes")),
            ("no-changes", reverse("service_changes") + "?kind=back"),
            ("home", reverse("home")),
        ):
            assert page.goto(shop.url + address).status == 200
            save_screenshot(page, f"{name}-{viewer}-{size}-{theme}")
            check_in_both_themes(page, viewport)


def row(page, name):
    """Return the first row with this text."""
    return page.locator(".shelf tbody tr", has_text=name).first


def shown(page):
    """Return the count of services that the page shows."""
    return page.locator(".shop-count")


def test_search_when_typed_then_live_and_kept_in_the_address(shop, open_page):
    page = open_page()
    sign_in(page, shop.url)
    page.goto(shop.url + reverse("services"))
    search = page.get_by_role("searchbox", name="Search services")
    before = search.bounding_box()
    search.press_sequentially("tiktok 67")
    expect(page.locator("#service-count")).to_have_text("1 service")
    expect(row(page, "TikTok Views 67")).to_be_visible()
    expect(page).to_have_url(re.compile(r"/services/\?q=tiktok\+67$"))
    assert search.bounding_box() == before
    assert search.evaluate("element => element === document.activeElement")
    page.reload()
    expect(page.get_by_role("searchbox", name="Search services")).to_have_value("tiktok 67")
    expect(page.locator(".shelf tbody tr")).to_have_count(1)


def test_row_when_reached_by_platform_and_category_then_ordered(shop, open_page):
    other = Category.objects.create(name="TikTok, other")
    Service.objects.filter(name__startswith="TikTok Views 7 ").update(category=other)
    page = open_page()
    sign_in(page, shop.url)
    page.goto(shop.url + reverse("services"))
    platforms = page.get_by_role("navigation", name="Platforms")
    platforms.get_by_role("link", name="TikTok").click()
    expect(page).to_have_url(re.compile(r"\?platform=tiktok$"))
    expect(platforms.get_by_role("link", name="TikTok")).to_be_focused()
    page.get_by_role("navigation", name="Categories").get_by_role("link", name="TikTok Views").click()
    expect(shown(page)).to_have_text("22 services")
    page.get_by_role("link", name="Refill").click()
    expect(shown(page)).to_have_text("20 services")
    page.get_by_label("Order of the list").select_option("cheapest")
    expect(page).to_have_url(re.compile(r"\?platform=tiktok&category=\d+&refill=1&sort=cheapest$"))
    expect(page.locator(".shelf .col-what").nth(1)).to_contain_text("TikTok Views 10 ")
    # What is typed narrows what was chosen.
    page.locator("h1").click()
    page.keyboard.press("/")
    page.keyboard.type("1")
    expect(page).to_have_url(re.compile(r"\?q=1&platform=tiktok&category=\d+&refill=1&sort=cheapest$"))
    check_page(page, DESKTOP)
    page.go_back()
    expect(shown(page)).to_have_text("22 services")
    # The page before is loaded anew: a click must not fall between.
    page.wait_for_load_state()
    row(page, "TikTok Views 10 ").get_by_role("link", name="Order").click()
    expect(page).to_have_url(re.compile(r"/orders/new/\?service=\d+$"))


def test_head_when_scrolled_then_it_sticks_below_the_top_bar(shop, open_page):
    page = open_page()
    sign_in(page, shop.url)
    page.goto(shop.url + reverse("services"))
    heights = page.locator(".shelf tbody tr").evaluate_all("rows => rows.map(row => row.offsetHeight)")
    assert len(heights) == 50 and min(heights) >= 44 and max(heights) <= 53
    page.evaluate("scrollTo(0, 1500)")
    bar, head = page.locator(".topbar").bounding_box(), page.locator(".shelf .col-what").first.bounding_box()
    assert abs(bar["y"] + bar["height"] - head["y"]) <= 1


def test_description_when_cut_then_shown_whole_in_its_row(shop, open_page):
    Service.objects.filter(name__startswith=NAMES[0]).update(description="No password needed. " * 30)
    page = open_page()
    sign_in(page, shop.url)
    page.goto(shop.url + reverse("services") + "?platform=instagram")
    first = row(page, "Instagram Followers 3 ")
    first.get_by_title("Show the whole description").press("Enter")
    whole = first.locator(".description")
    expect(whole).to_be_focused()
    assert whole.inner_text().count("No password needed.") == 30
    check_page(page, DESKTOP)


def test_categories_when_many_then_found_in_a_list_of_all(shop, open_page):
    for number, service in enumerate(Service.objects.filter(name__startswith=NAMES[0])[:14]):
        Service.objects.filter(pk=service.pk).update(category=Category.objects.create(name=f"Kind {number}"))
    page = open_page()
    sign_in(page, shop.url)
    page.goto(shop.url + reverse("services"))
    assert page.locator("#every-category li").count() == 0
    page.get_by_role("link", name=re.compile("All 1. categories")).click()
    field = page.get_by_role("searchbox", name="Find a category")
    expect(field).to_be_focused()
    check_page(page, DESKTOP)
    field.press_sequentially("kind 12")
    expect(page.locator("#category-links li")).to_have_count(1)
    page.locator("#category-links").get_by_role("link", name="Kind 12").click()
    expect(shown(page)).to_have_text("1 service")
    expect(page.locator("#every-category")).to_be_empty()


def test_star_when_pressed_by_keyboard_then_among_the_favorites(shop, open_page):
    page = open_page()
    sign_in(page, shop.url)
    page.goto(shop.url + reverse("services") + "?platform=instagram")
    star = row(page, "Instagram Followers 3 ").get_by_role("button", name="Favorite")
    expect(star).to_have_attribute("aria-pressed", "false")
    star.focus()
    page.keyboard.press("Enter")
    expect(star).to_have_attribute("aria-pressed", "true")
    assert star.evaluate("element => element === document.activeElement")
    page.get_by_role("link", name="Favorites").click()
    expect(shown(page)).to_have_text("2 services")
    star.click()
    expect(star).to_have_attribute("aria-pressed", "false")
    assert Favourite.objects.count() == 1


def test_row_when_on_a_phone_then_all_of_it_is_a_link(shop, open_page):
    page = open_page(viewport=PHONE)
    sign_in(page, shop.url)
    page.goto(shop.url + reverse("services") + "?platform=youtube")
    check_page(page, PHONE)
    wanted = row(page, "YouTube Likes 5 ")
    box = wanted.bounding_box()
    assert 63 <= box["height"] <= 66
    wanted.tap(position={"x": box["width"] - 8, "y": 8})
    expect(page).to_have_url(re.compile(r"/orders/new/\?service=\d+"))


def test_shop_when_without_scripts_then_it_works(shop, open_page):
    page = open_page(scripts=False)
    sign_in(page, shop.url)
    page.goto(shop.url + reverse("services") + "?platform=tiktok")
    page.fill("#search", "16")
    page.get_by_label("Order of the list").select_option("cheapest")
    page.get_by_role("button", name="Search").click()
    assert page.url.endswith("?q=16&platform=tiktok&type=&sort=cheapest")
    before = shown(page).inner_text()
    row(page, "TikTok Views 16 ").get_by_role("button", name="Favorite").click()
    expect(shown(page)).to_have_text(before)
    assert Favourite.objects.count() == 2
    page.goto(shop.url + reverse("services"))
    page.get_by_role("link", name="Next").click()
    expect(page.locator(".pages")).to_contain_text("51–70 of 70")


def test_visitor_when_a_link_is_pasted_then_it_is_in_the_form_after_signing_up(shop, open_page, settings):
    settings.PUBLIC_SHOP = True
    page = open_page(viewport=PHONE)
    page.goto(shop.url + reverse("home"))
    page.fill("#search", "https://www.tiktok.com/@natgeo/video/7")
    page.keyboard.press("Enter")
    row(page, "TikTok Views 67 ").tap()
    page.get_by_role("link", name="Sign up to order").click()
    expect(page).to_have_url(re.compile(r"/account/signup/\?next="))
    page.fill("input[name=email]", "new@example.org")
    page.fill("input[name=password1]", "correct horse battery")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(r"/orders/new/\?service=\d+"))
    expect(page.get_by_label("Link")).to_have_value("https://www.tiktok.com/@natgeo/video/7")
