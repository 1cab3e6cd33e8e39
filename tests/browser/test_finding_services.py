"""Finding a service in a real browser: by words, by a link, by platform and category, and by keyboard alone."""

from __future__ import annotations

import re

import pytest
from django.urls import reverse
from playwright.sync_api import expect

from catalog.models import Category, Favourite, Service, ServiceFigures
from orders.models import Order
from tests import make
from tests.browser.conftest import EACH_SCREEN, PHONE
from tests.browser.test_order_form import chooser, open_form, query_of
from tests.browser.test_pages import check_in_both_themes

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

NAMES = (
    "Instagram Likes, instant",
    "Instagram Followers, high quality, lifetime guarantee",
    "YouTube Views, retained",
    "TikTok Likes",
    "Telegram Members",
)
POST = "https://www.instagram.com/p/AbC123/"


@pytest.fixture
def shop(live_server, upstream):
    """Services of four platforms, those of Instagram in two categories, and Alice with $10 and a favorite."""
    provider = make.provider(url=upstream.url, api_key=upstream.key)
    services = [make.service(provider, external_id=str(n), name=name) for n, name in enumerate(NAMES, start=1)]
    likes, _ = Category.objects.get_or_create(name="Instagram likes")
    Service.objects.filter(pk=services[0].pk).update(category=likes, refill_days=30)
    for number, service in enumerate(services):
        figures = {"timed": 20, "fast_seconds": 3_600, "typical_seconds": 7_200 * (number + 1), "slow_seconds": 90_000}
        ServiceFigures.objects.create(service=service, orders=10 - number, **figures)
    alice = make.customer("alice@example.org", funds="10")
    Favourite.objects.create(customer=alice, service=services[2])
    return live_server


def names(page):
    return page.locator("[role=option] .option-name")


@EACH_SCREEN
def test_box_when_focused_then_opens_with_favorites_and_most_ordered(shop, open_page, viewport, theme):
    page = open_page(viewport=viewport, theme=theme)
    open_form(page, shop)
    chooser(page).click()
    expect(page.locator(".option-group")).to_have_text(["Favorites", "Most ordered this month"])
    expect(page.get_by_role("option")).to_have_count(5)
    first = page.get_by_role("option").first
    expect(first).to_contain_text("YouTube Views, retained")
    expect(first).to_contain_text("~6 h")
    check_in_both_themes(page, viewport)
    page.keyboard.press("Escape")
    expect(page.get_by_role("option")).to_have_count(0)


def test_box_when_words_are_typed_then_aliases_mistakes_and_meant(shop, open_page):
    page = open_page()
    open_form(page, shop)
    number = str(Service.objects.get(name=NAMES[3]).pk)
    for typed, found in (("ig takipçi", NAMES[1]), ("yuotube", NAMES[2]), (number, NAMES[3])):
        chooser(page).fill(typed)
        expect(page.locator("[role=option][aria-selected=true]")).to_contain_text(found)
    chooser(page).fill("insatgramm folllowerss")
    expect(page.get_by_role("option")).to_have_text(["Did you mean “instagram followers”?"])
    page.keyboard.press("Enter")
    expect(chooser(page)).to_have_value("instagram followers")
    page.keyboard.press("Enter")
    expect(chooser(page)).to_have_value(re.compile(re.escape(NAMES[1])))
    expect(page.locator(".service-info")).to_contain_text("$2.50 per 1,000")


def test_link_when_pasted_first_then_fitting_services_and_the_link_is_filled_in(shop, open_page):
    page = open_page()
    open_form(page, shop)
    chooser(page).fill(POST)
    expect(page.locator(".option-group")).to_have_text(["For this Instagram post"])
    page.keyboard.press("Enter")
    expect(page.get_by_label("Link")).to_have_value(POST)
    expect(page.locator("#running-order")).to_contain_text("Instagram post")
    page.get_by_label("Quantity", exact=True).fill("100")
    page.get_by_role("button", name="Order for $0.25").click()
    page.wait_for_url(re.compile(r"/orders/\d+/$"))
    assert (Order.objects.get().link, Order.objects.get().service.name) == (POST, NAMES[0])


@pytest.mark.parametrize("viewport", [None, PHONE], ids=["desktop", "phone"])
def test_platform_when_tapped_then_category_then_service(shop, open_page, viewport):
    page = open_page(**({"viewport": viewport} if viewport else {}))
    open_form(page, shop)
    tab = page.get_by_role("button", name="Instagram", exact=True)
    if viewport:
        chooser(page).tap()  # The row must stay where it is when the list opens.
        expect(page.get_by_role("option")).to_have_count(5)
    tab.tap() if viewport else tab.click()
    expect(tab).to_have_attribute("aria-pressed", "true")
    expect(names(page)).to_have_text(["Instagram likes", "Social"])
    page.get_by_role("option", name="Social").click()
    expect(names(page)).to_have_text(["All categories", re.compile(re.escape(NAMES[1]))])
    page.get_by_role("option", name=NAMES[1]).click()
    expect(page.locator("#box-icon .pf-instagram")).to_be_visible()
    expect(page.locator(".service-info .service-name")).to_have_text(NAMES[1])
    expect(page.locator("#service-popup")).to_be_hidden()


def test_service_when_found_by_keyboard_alone_then_ordered_in_six_presses(shop, open_page):
    page = open_page()
    open_form(page, shop)
    page.get_by_role("button", name="Instagram", exact=True).focus()
    page.keyboard.press("Enter")
    expect(names(page)).to_have_text(["Instagram likes", "Social"])
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(page.locator("[role=option][aria-selected=true]")).to_contain_text(NAMES[0])
    page.keyboard.press("Enter")
    expect(page.locator(".service-info")).to_be_visible()
    expect(page.get_by_label("Link")).to_be_focused()
    page.keyboard.type(POST)
    page.keyboard.press("Tab")
    expect(page.get_by_label("Quantity", exact=True)).to_be_focused()
    page.keyboard.type("1k")
    expect(page.get_by_role("button", name="Order for $2.50")).to_be_visible()
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile(r"/orders/\d+/$"))
    assert Order.objects.get().quantity == 1_000


def test_favorite_when_marked_by_key_then_kept(shop, open_page):
    page = open_page()
    open_form(page, shop)
    chooser(page).fill("tiktok")
    expect(page.get_by_role("option")).to_have_count(1)
    with page.expect_response("**/favourite/**"):
        page.keyboard.press("*")
    assert Favourite.objects.filter(service__name="TikTok Likes").exists()
    expect(chooser(page)).to_have_value("tiktok")


@EACH_SCREEN
def test_quantity_when_left_then_shown_with_commas_and_chips_set_it(shop, open_page, viewport, theme):
    page = open_page(viewport=viewport, theme=theme)
    open_form(page, shop, query_of(NAMES[2]))
    quantity = page.get_by_label("Quantity", exact=True)
    page.get_by_label("Link").fill(POST)
    quantity.press_sequentially("1.5")
    expect(page.locator("#id_quantity_helptext")).to_have_text("Only whole numbers can be ordered. Write 1 or 2.")
    quantity.fill("2.5k")
    expect(page.locator("#id_quantity_helptext")).to_have_text("“2.5k” is read as 2,500.")
    check_in_both_themes(page, viewport)
    expect(quantity).to_have_value("2.5k")
    quantity.blur()
    expect(quantity).to_have_value("2,500")
    chip = page.get_by_role("button", name="1,000", exact=True)
    chip.click()
    expect(quantity).to_have_value("1,000")
    expect(chip).to_have_attribute("aria-pressed", "true")
    page.get_by_role("button", name="The link is right").click()
    page.get_by_role("button", name="Order for $2.50").click()
    page.wait_for_url(re.compile(r"/orders/\d+/$"))
    assert Order.objects.get().quantity == 1_000


def test_search_when_slow_then_a_sign_of_work(shop, open_page):
    page = open_page()
    open_form(page, shop)
    page.route("**/orders/new/find/**", lambda route: (page.wait_for_timeout(600), route.continue_()))
    chooser(page).focus()
    expect(page.locator("#chooser")).to_have_class(re.compile("is-working"))
    expect(page.get_by_role("option").first).to_be_visible()
    expect(page.locator("#chooser")).not_to_have_class(re.compile("is-working"))


# Holds back the answer to the search for "youtube".
HOLD_BACK = """() => {
  const connected = window.fetch;
  window.fetch = async (url, options) => {
    const answer = await connected(url, url.includes("q=youtube") ? {} : options);
    if (url.includes("q=youtube")) await new Promise((letGo) => { window.letGo = letGo; });
    options.signal?.throwIfAborted();
    return answer;
  };
}"""
TYPE_ON = """async () => {
  const box = document.getElementById("id_find");
  box.value = "tiktok";
  box.dispatchEvent(new Event("input", { bubbles: true }));
  window.letGo();
  await new Promise((then) => setTimeout(then, 30));
  box.dispatchEvent(new KeyboardEvent("keydown", { key: "Enter", bubbles: true }));
}"""


def test_enter_when_an_older_search_answers_late_then_it_chooses_by_what_is_typed(shop, open_page):
    page = open_page()
    open_form(page, shop)
    page.evaluate(HOLD_BACK)
    chooser(page).fill("youtube")
    page.wait_for_function("() => window.letGo")
    page.evaluate(TYPE_ON)
    expect(chooser(page)).to_have_value(re.compile(re.escape(NAMES[3])))


@pytest.mark.parametrize(
    "answer", ["Promise.reject(new TypeError())", "Promise.resolve(new Response('', {status: 500}))"]
)
def test_search_when_it_fails_then_said_in_the_list_and_enter_tries_again(shop, open_page, answer):
    page = open_page()
    open_form(page, shop)
    lose = f"() => {{ window.connected = window.fetch; window.fetch = () => {answer}; }}"
    page.evaluate(lose)
    chooser(page).click()
    expect(page.locator(".option-note")).to_contain_text("could not be looked up")
    page.evaluate("() => { window.fetch = window.connected; }")
    page.keyboard.press("Enter")
    expect(page.get_by_role("option")).to_have_count(5)
    page.evaluate(lose)
    page.keyboard.press("ArrowDown")
    page.keyboard.press("*")
    expect(page.locator(".option.is-starred")).to_have_count(1)


def test_link_when_for_another_platform_then_its_services_by_one_tap(shop, open_page):
    page = open_page()
    open_form(page, shop, query_of(NAMES[2]))
    page.get_by_label("Link").fill(POST)
    page.get_by_role("button", name="Find Instagram services").click()
    expect(names(page)).to_have_text(["Instagram likes", "Social"])
    assert page.locator("#platforms [aria-pressed=true]").inner_text() == "Instagram"
    assert reverse("order_new") in page.url
