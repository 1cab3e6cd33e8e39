"""The order form in a real browser: by keyboard alone, on a phone, without scripts, and without layout shifts."""

from __future__ import annotations

import re

import pytest
from django.urls import reverse
from playwright.sync_api import expect

from catalog.models import Favourite, Service, ServiceFigures
from catalog.service_types import SPECS, Kind
from orders.models import DripFeed, Order
from panel.accounts.models import User
from tests import make
from tests.browser.conftest import DESKTOP, EACH_SCREEN, PHONE
from tests.browser.test_pages import check_in_both_themes, check_page, sign_in
from tests.orders.web.test_order_form import TYPED

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def shop(live_server, upstream):
    """Followers, comments and likes on sale, and Alice with $10."""
    provider = make.provider(url=upstream.url, api_key=upstream.key)
    followers = make.service(provider, name="Followers")
    make.service(provider, external_id="2", name="Comments, random", type="custom_comments", low=1, high=50, rate="20")
    make.service(provider, external_id="3", name="Likes, fast and cheap")
    Service.objects.filter(pk=followers.pk).update(
        description="Starts within the hour. Public profiles only; do not change the name while it runs."
    )
    ServiceFigures.objects.create(
        service=followers, timed=20, fast_seconds=7_200, typical_seconds=10_800, slow_seconds=18_000
    )
    make.customer("alice@example.org", funds="10")
    return live_server


def open_form(page, shop, query=""):
    """Sign in as Alice and open the order form."""
    sign_in(page, shop.url)
    page.goto(shop.url + reverse("order_new") + query)


def query_of(name):
    """Return the query that chooses the service of this name."""
    return f"?service={Service.objects.get(name=name).pk}"


def chooser(page):
    """Return the field in which a customer searches for a service."""
    return page.get_by_role("combobox", name="Service", exact=True)


def choose(page, name):
    """Type a part of the name, take the first match, and check that it is this service."""
    chooser(page).fill(name)
    page.keyboard.press("Enter")
    expect(chooser(page)).to_have_value(re.compile(re.escape(name)))
    expect(page.locator(".service-name")).to_have_text(name)


def test_order_when_made_by_keyboard_alone_then_created(shop, open_page):
    page = open_page()
    open_form(page, shop)
    chooser(page).focus()
    expect(page.get_by_role("option")).to_have_count(3)
    expect(chooser(page)).to_have_attribute("aria-expanded", "true")
    page.keyboard.press("End")  # No option is active yet: the key moves the cursor in the text.
    page.keyboard.press("ArrowUp")
    active = page.locator("[role=option][aria-selected=true]")
    expect(active).to_contain_text("Likes")
    page.keyboard.press("Home")
    expect(active).to_contain_text("Followers")
    expect(chooser(page)).to_have_attribute("aria-activedescendant", active.get_attribute("id"))
    page.keyboard.press("Escape")
    expect(chooser(page)).to_have_attribute("aria-expanded", "false")
    page.keyboard.type("like")
    expect(page.get_by_role("option")).to_have_count(1)
    page.keyboard.press("Enter")
    expect(page.locator("#id_link")).to_be_focused()
    page.keyboard.type("https://example.com/keys")
    expect(page.locator("#id_quantity")).to_be_visible()
    page.keyboard.press("Tab")
    expect(page.locator("#id_quantity")).to_be_focused()
    page.keyboard.type("100")
    expect(page.get_by_role("button", name="Order for $0.25")).to_be_visible()
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile(r"/orders/\d+/$"))
    assert Order.objects.get().service.name == "Likes, fast and cheap"


def test_enter_when_services_still_load_then_the_first_is_chosen(shop, open_page):
    page = open_page()
    open_form(page, shop)
    page.route("**/orders/new/find/**", lambda route: (page.wait_for_timeout(150), route.continue_()))
    chooser(page).focus()
    page.keyboard.type("comments")
    page.keyboard.press("Enter")
    expect(page.locator("textarea[name=comments]")).to_be_visible()
    assert not Order.objects.exists()


def test_enter_when_comments_may_be_several_then_it_orders(shop, open_page):
    page = open_page()
    open_form(page, shop, query_of("Comments, random"))
    page.locator("[name=comments]").fill(r"nice\nwow")
    page.get_by_label("Link").fill("https://example.com/a")
    expect(page.get_by_role("button", name="Write one on each line")).to_be_visible()
    expect(page.get_by_role("button", name="Order anyway for $")).to_be_visible()
    page.get_by_label("Link").press("Enter")
    page.wait_for_url(re.compile(r"/orders/\d+/$"))
    assert Order.objects.get().params == {"comments": r"nice\nwow"}


def test_chooser_when_left_without_a_choice_then_the_old_one_stays(shop, open_page):
    page = open_page()
    open_form(page, shop, query_of("Followers"))
    label = str(Service.objects.get(name="Followers"))
    expect(chooser(page)).to_have_value(label)
    chooser(page).click()
    expect(page.get_by_role("option")).to_have_count(3)
    page.keyboard.type("no such thing")
    expect(page.locator(".option-note")).to_contain_text("No service matches")
    page.keyboard.press("Tab")
    expect(chooser(page)).to_have_value(label)
    expect(page.locator("#service-popup")).to_be_hidden()


@pytest.mark.parametrize("viewport", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_order_when_of_any_service_type_then_created(shop, open_page, viewport):
    page = open_page(viewport=viewport)
    sign_in(page, shop.url)
    provider = Service.objects.first().upstream.provider
    types = SPECS if viewport is DESKTOP else ("default", "comment_replies", "web_traffic")
    for number, service_type in enumerate(types):
        name = f"Type {service_type}"
        service = make.service(provider, external_id=f"t{number}", name=name, type=service_type, low=1, rate="0.1")
        page.goto(shop.url + reverse("order_new") + f"?service={service.pk}")
        page.fill("#id_link", f"https://example.com/{service_type}")
        spec = SPECS[service_type]
        for param in spec.params:
            field = page.locator(f"#id_{param.name}")
            if param.name == "referring_url":  # Shown only for the type of traffic that needs it.
                expect(field).to_be_hidden()
            elif param.kind is Kind.CHOICE:
                field.select_option(TYPED[param.name])
            else:
                field.fill(TYPED[param.name])
        if spec.takes_quantity:
            page.fill("#id_quantity", "100")
        page.locator(":focus").blur()  # On a phone the button is away until then.
        page.get_by_role("button", name=re.compile(r"Order for \$")).click()
        page.wait_for_url(re.compile(r"/orders/\d+/$"))
        assert Order.objects.latest("pk").service == service
    assert Order.objects.count() == len(types)


def test_drip_feed_when_ordered_then_the_charge_covers_all_runs(shop, open_page):
    page = open_page()
    open_form(page, shop, query_of("Followers"))
    page.fill("#id_link", "https://example.com/drops")
    page.fill("#id_quantity", "100")
    page.get_by_text("Deliver in several runs").click()
    page.fill("#id_runs", "10")
    expect(page.locator(".summary-note")).to_contain_text("minutes between them")
    page.fill("#id_interval", "60")
    expect(page.locator("#order-summary")).to_contain_text("10 runs × 100 × $2.50 per 1,000")
    expect(page.locator("#order-summary")).to_contain_text("one run every 1 h, over 9 h")
    check_page(page, DESKTOP)
    page.get_by_role("button", name="Order for $2.50").click()
    page.wait_for_url(re.compile(r"/drip-feeds/\d+/$"))
    assert DripFeed.objects.get().runs == 10


# Collects layout shifts in `window.shifts`.
RECORD_SHIFTS = """() => {
  window.shifts = [];
  new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) {
      window.shifts.push(...entry.sources.map(({ node }) => `${entry.value} ${node?.nodeName} ${node?.className}`));
    }
  }).observe({ type: "layout-shift" });
}"""


def position_of(page, selector):
    """Return x, y, width and height of the element, relative to the page, so that scrolling does not matter."""
    return page.locator(selector).evaluate(
        "element => (({ x, y, width, height }) => [x, y + scrollY, width, height])(element.getBoundingClientRect())"
    )


@pytest.mark.parametrize("viewport", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_form_when_typed_into_then_nothing_shifts(shop, open_page, viewport):
    page = open_page(viewport=viewport)
    alice = User.objects.get(email="alice@example.org")
    order = make.order(alice, Service.objects.get(name="Followers"), link="https://example.com/same")
    open_form(page, shop, query_of("Followers"))
    page.get_by_text("Deliver in several runs").click()
    page.locator("#id_link").focus()
    page.wait_for_timeout(300)
    page.evaluate(RECORD_SHIFTS)
    selectors = ["#id_link", "#id_quantity", "#id_runs"]
    if viewport is DESKTOP:  # On a phone the summary is fixed to the window.
        selectors += [".summary .btn-primary"]
    before = [position_of(page, selector) for selector in selectors]
    page.keyboard.type("https://example.com/same")
    expect(page.locator("#running-order")).to_contain_text(f"Order {order.pk} of Followers is still running")
    page.locator("#id_quantity").press_sequentially("5000000")  # More than the largest order, and than the wallet has.
    expect(page.locator("#id_quantity_helptext")).to_contain_text("largest order")
    page.locator("#id_quantity").fill("")
    page.locator("#id_quantity").press_sequentially("500")
    page.locator("#id_runs").press_sequentially("20")
    page.locator("#id_interval").press_sequentially("1440")
    expect(page.locator("#order-submit")).to_contain_text("and order")
    assert [position_of(page, selector) for selector in selectors] == before
    assert page.evaluate("window.shifts") == []


def test_link_when_an_order_of_it_runs_then_that_order_is_linked(shop, open_page):
    page = open_page()
    alice = User.objects.get(email="alice@example.org")
    order = make.order(alice, Service.objects.get(name="Followers"), link="https://example.com/same")
    open_form(page, shop, query_of("Followers"))
    page.fill("#id_link", "http://www.example.com/same/")
    link = page.locator("#running-order").get_by_role("link", name=str(order.pk))
    expect(link).to_have_attribute("href", reverse("order_detail", args=[order.pk]))
    page.fill("#id_link", "https://example.com/another")
    expect(link).to_have_count(0)


@EACH_SCREEN
def test_link_when_it_leads_elsewhere_then_one_yes_orders(shop, open_page, viewport, theme):
    Service.objects.filter(name="Followers").update(name="Instagram Followers")
    page = open_page(viewport=viewport, theme=theme)
    open_form(page, shop, query_of("Instagram Followers"))
    page.get_by_label("Link").fill("https://youtu.be/dQw4w9WgXcQ")
    page.get_by_label("Quantity", exact=True).fill("1.000")
    question = page.get_by_text("This link leads to YouTube; the service is for Instagram.")
    expect(question).to_be_visible()
    expect(page.get_by_text("“1.000” is read as 1,000.")).to_be_visible()
    check_in_both_themes(page, viewport)
    page.locator(":focus").blur()
    page.get_by_role("button", name="Order anyway for $2.50").click()
    page.wait_for_url("**/orders/*/")
    assert Order.objects.get().quantity == 1_000


def test_link_when_it_leads_elsewhere_without_scripts_then_asked_once(shop, open_page):
    Service.objects.filter(name="Followers").update(name="Instagram Followers")
    page = open_page(scripts=False)
    open_form(page, shop, query_of("Instagram Followers"))
    page.get_by_label("Link").fill("https://youtu.be/dQw4w9WgXcQ")
    page.get_by_label("Quantity", exact=True).fill("100")
    page.get_by_role("button", name="Paste the link").click()
    expect(page.get_by_text("Nothing was ordered yet.")).to_be_visible()
    assert not Order.objects.exists()
    page.get_by_role("button", name="Order anyway for $0.25").click()
    page.wait_for_url("**/orders/*/")


def test_star_when_clicked_then_favorite_and_input_kept(shop, open_page):
    page = open_page()
    open_form(page, shop, query_of("Followers"))
    page.fill("#id_link", "https://example.com/kept")
    star = page.get_by_role("button", name="Favorite: Followers")
    for pressed, count in (("true", 1), ("false", 0)):
        star.click()
        expect(star).to_have_attribute("aria-pressed", pressed)
        assert Favourite.objects.count() == count
    expect(page.locator("#id_link")).to_have_value("https://example.com/kept")


def test_order_when_without_scripts_then_service_found_and_created(shop, open_page):
    page = open_page(viewport=PHONE, scripts=False)
    open_form(page, shop)
    page.fill("#id_link", "https://example.com/plain")
    page.fill("#id_find", "like")
    page.get_by_role("button", name="Find").click()
    page.get_by_label("Likes, fast and cheap").check()
    page.get_by_role("button", name="Choose this service").click()
    expect(page.locator("#id_link")).to_have_value("https://example.com/plain")
    page.fill("#id_quantity", "1000")
    page.get_by_role("button", name="Show the charge").click()
    page.get_by_role("button", name="Order for $2.50").click()
    page.wait_for_url(re.compile(r"/orders/\d+/$"))
    assert Order.objects.get().link == "https://example.com/plain"


@EACH_SCREEN
def test_form_when_in_each_state_then_axe_finds_nothing(shop, open_page, viewport, theme):
    page = open_page(viewport=viewport, theme=theme)
    alice = User.objects.get(email="alice@example.org")
    followers = Service.objects.get(name="Followers")
    make.order(alice, followers, link="https://example.com/same", quantity=10)
    Favourite.objects.create(customer=alice, service=Service.objects.get(name="Likes, fast and cheap"))
    open_form(page, shop)
    check_in_both_themes(page, viewport)
    chooser(page).click()
    expect(page.get_by_role("group", name="Favorites")).to_contain_text("Likes")
    expect(page.get_by_role("group", name="Recent")).to_contain_text("Followers")
    page.keyboard.press("ArrowDown")
    check_in_both_themes(page, viewport)
    chooser(page).fill("nothing like it")
    expect(page.locator(".option-note")).to_contain_text("No service matches")
    check_in_both_themes(page, viewport)
    choose(page, "Followers")
    expect(page.locator(".service-info")).to_contain_text("Usually about 3 h; half take 2 h to 5 h")
    page.fill("#id_link", "https://example.com/same")
    page.fill("#id_quantity", "1000")
    expect(page.locator("#running-order")).to_contain_text("still running")
    expect(page.get_by_role("button", name="Order for $2.50")).to_be_visible()
    check_in_both_themes(page, viewport)
    page.fill("#id_link", "nonsense here")
    page.fill("#id_quantity", "5")
    page.keyboard.press("Enter")
    expect(page.locator("#id_link")).to_have_attribute("aria-invalid", "true")
    check_in_both_themes(page, viewport)
    assert Order.objects.count() == 1
