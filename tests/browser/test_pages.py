"""Every page in a real browser, in both themes, on desktop and phone: checked by axe and by the console."""

from __future__ import annotations

import re

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.conf import settings
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from playwright.sync_api import expect

from orders.models import Order
from orders.states import Status
from panel.accounts.models import User
from panel.news.models import NewsItem
from tests import make
from tests.browser.conftest import EACH_SCREEN, PHONE

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

LONG_NAME = "A very long name that a provider made up to be seen " * 8


@pytest.fixture
def shop(live_server, upstream):
    """Services, one of them with a hostile name, and Alice with an order of each status."""
    provider = make.provider(url=upstream.url, api_key=upstream.key)
    make.service(provider, name="Followers")
    make.service(provider, external_id="2", name="Comments", type="custom_comments", low=1, high=50, rate="20")
    make.service(provider, external_id="3", name="Starter package", type="package", rate="3")
    make.service(provider, external_id="4", name=f"<script>alert(1)</script> {LONG_NAME}")
    customer = make.customer("alice@example.org", funds="10")
    service = provider.upstream_services.get(external_id="1").services.get()
    for number, status in enumerate(Status.values):
        order = make.accepted_order(customer, service, upstream_id=f"u{number}", link=f"https://example.com/{'x' * 80}")
        Order.objects.filter(pk=order.pk).update(status=status, remains=40, start_count=7, next_poll_at=None)
        told = {"kind": "order_ended", "word": "completed", "number": order.pk, "name": LONG_NAME[:200]}
        seen_at = timezone.now() if number > 2 else None
        NewsItem.objects.create(
            customer=customer, key=f"{number}", happened_at=order.created_at, seen_at=seen_at, **told
        )
    return live_server


def sign_in(page, site, email="alice@example.org"):
    """Give the page's browser a session of this customer."""
    client = Client()
    client.force_login(User.objects.get(email=email))
    session = client.cookies[settings.SESSION_COOKIE_NAME]
    page.context.add_cookies([{"name": session.key, "value": session.value, "url": site}])


def choose(page, name):
    """Type the name of a service, and take the first match."""
    page.get_by_role("combobox", name="Service", exact=True).fill(name)
    page.keyboard.press("Enter")
    expect(page.locator(".service-name")).to_have_text(name)


AXE_SCRIPT = Axe().axe_script
# The middle of a long table is like its ends, and axe takes time for each row.
AXE_CONTEXT = {"exclude": ["tbody tr:nth-child(n + 13):not(:nth-last-child(-n + 4))"]}
# Returns texts: to transfer all that axe reports takes longer than to find it.
FIND_SERIOUS = """([context, options]) => axe.run(context, options).then(({ violations }) => violations
  .filter(({ impact }) => ["serious", "critical"].includes(impact))
  .map(({ id, nodes }) => `${id}: ${nodes[0].html.slice(0, 200)}`))"""
# The rules that check colours: a theme changes nothing else.
COLOUR_RULES = ["color-contrast", "link-in-text-block"]
FINISH_TRANSITIONS = """() => document.getAnimations()
  .filter(one => one instanceof CSSTransition).forEach(one => one.finish())"""


def find_serious(page, **options):
    """Return what axe reports as serious or critical, as texts; `options` are those of axe.run."""
    if not page.evaluate("'axe' in window"):
        page.evaluate(AXE_SCRIPT)
    return page.evaluate(FIND_SERIOUS, [AXE_CONTEXT, {"resultTypes": ["violations"], **options}])


def check_page(page, viewport):
    """Check that axe reports nothing serious and that the page does not scroll sideways."""
    assert find_serious(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= viewport["width"]


def check_in_both_themes(page, viewport):
    """Check the page, then its colours in the other theme; leave the theme as it was."""
    check_page(page, viewport)
    first = page.evaluate("document.documentElement.dataset.bsTheme")
    second = {"light": "dark", "dark": "light"}[first]
    set_theme(page, second)
    assert find_serious(page, runOnly=COLOUR_RULES) == [], second
    set_theme(page, first)


def set_theme(page, theme):
    """Switch the system's theme, wait until the page follows, and finish its colour transitions."""
    page.emulate_media(color_scheme=theme)
    expect(page.locator("html")).to_have_attribute("data-bs-theme", theme)
    page.evaluate(FINISH_TRANSITIONS)


@EACH_SCREEN
def test_pages_when_a_customer_has_orders_then_axe_finds_nothing(shop, open_page, viewport, theme):
    page = open_page(viewport=viewport, theme=theme)
    sign_in(page, shop.url)
    orders = Order.objects.order_by("pk")
    addresses = [
        reverse("order_new"),
        reverse("order_new") + f"?service={orders[0].service_id}",
        reverse("order_list"),
        *(reverse("order_detail", args=[order.pk]) for order in orders[:6:2]),
        reverse("services"),
        reverse("wallet"),
        reverse("add_funds"),
        reverse("news"),
        reverse("news_choices"),
        reverse("account"),
        reverse("account_change_password"),
        reverse("account_email"),
        reverse("mfa_index"),
    ]
    for address in addresses:
        response = page.goto(shop.url + address)
        assert response.status == 200, address
        assert page.evaluate("document.documentElement.dataset.bsTheme") == theme
        check_in_both_themes(page, viewport)


@EACH_SCREEN
def test_pages_when_visitor_or_new_account_then_axe_finds_nothing(live_server, open_page, viewport, theme):
    page = open_page(viewport=viewport, theme=theme)
    for name in ("home", "account_login", "account_signup", "account_reset_password"):
        assert page.goto(live_server.url + reverse(name)).status == 200
        check_in_both_themes(page, viewport)
    make.customer("alice@example.org")
    sign_in(page, live_server.url)
    for name in ("order_new", "order_list", "services", "wallet", "news", "account"):
        assert page.goto(live_server.url + reverse(name)).status == 200
        check_in_both_themes(page, viewport)


def test_visitor_when_signed_up_on_a_phone_then_wallet_is_empty(live_server, open_page):
    page = open_page(viewport=PHONE)
    page.goto(live_server.url + reverse("home"))
    page.get_by_role("link", name=re.compile("create|sign up", re.I)).first.click()
    page.fill("input[name=email]", "new@example.org")
    page.fill("input[name=password1]", "correct horse battery")
    page.keyboard.press("Enter")
    page.wait_for_url("**/orders/new/")
    page.goto(live_server.url + reverse("wallet"))
    expect(page.locator("main")).to_contain_text("$0.00")


def test_charge_when_a_quantity_is_typed_then_nothing_else_moves(shop, open_page):
    page = open_page()
    sign_in(page, shop.url)
    page.goto(shop.url + reverse("order_new"))
    choose(page, "Followers")
    quantity = page.locator("input[name=quantity]")
    expect(quantity).to_be_visible()
    page.fill("input[name=link]", "https://example.com/a")
    before = quantity.bounding_box()
    quantity.press_sequentially("1000")
    expect(page.get_by_role("button", name="Order for $2.50")).to_be_visible()
    expect(page.locator("#order-summary")).to_contain_text("$6.00")  # $8.50 are left after six orders of $0.25.
    assert quantity.bounding_box() == before
    assert quantity.evaluate("element => element === document.activeElement")


def test_service_when_changed_then_fields_fit_and_the_link_stays(shop, open_page):
    page = open_page()
    sign_in(page, shop.url)
    page.goto(shop.url + reverse("order_new"))
    page.fill("input[name=link]", "https://example.com/kept")
    choose(page, "Comments")
    page.locator("textarea[name=comments]").press_sequentially("one\ntwo")
    expect(page.get_by_role("button", name="Order for $0.05")).to_be_visible()
    assert page.input_value("input[name=link]") == "https://example.com/kept"
    expect(page.locator("input[name=quantity]")).to_have_count(0)
    page.get_by_role("button", name="Order for $0.05").click()
    page.wait_for_url(re.compile(r"/orders/\d+/$"))
    assert Order.objects.latest("pk").params == {"comments": "one\ntwo"}


def test_link_when_invalid_then_an_error_and_the_input_is_kept(shop, open_page):
    page = open_page(viewport=PHONE)
    sign_in(page, shop.url)
    page.goto(shop.url + reverse("order_new"))
    choose(page, "Followers")
    page.fill("input[name=link]", "nonsense here")
    page.fill("input[name=quantity]", "5")
    page.keyboard.press("Enter")
    field = page.locator("input[name=link]")
    expect(field).to_have_attribute("aria-invalid", "true")
    expect(field).to_have_value("nonsense here")
    described = field.get_attribute("aria-describedby").split()
    assert any("no spaces" in page.locator(f"#{name}").inner_text() for name in described)
    assert Order.objects.count() == len(Status.values)
    check_page(page, PHONE)


def test_order_when_without_scripts_then_created(shop, open_page):
    page = open_page(scripts=False)
    sign_in(page, shop.url)
    service = Order.objects.first().service_id
    page.goto(shop.url + reverse("order_new") + f"?service={service}")
    page.fill("input[name=link]", "https://example.com/plain")
    page.fill("input[name=quantity]", "1000")
    page.get_by_role("button", name="Show the charge").click()
    page.get_by_role("button", name="Order for $2.50").click()
    page.wait_for_url(re.compile(r"/orders/\d+/$"))
    assert Order.objects.filter(link="https://example.com/plain", charge=2_500_000).count() == 1


def test_order_when_made_by_keyboard_alone_then_created(shop, open_page):
    page = open_page()
    sign_in(page, shop.url)
    service = Order.objects.first().service_id
    page.goto(shop.url + reverse("order_new") + f"?service={service}")
    page.locator("input[name=link]").focus()
    page.keyboard.type("https://example.com/keys")
    page.keyboard.press("Tab")
    page.keyboard.type("100")
    expect(page.get_by_role("button", name="Order for $0.25")).to_be_visible()
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile(r"/orders/\d+/$"))
    assert Order.objects.filter(link="https://example.com/keys").count() == 1


def test_theme_when_chosen_then_kept_after_a_reload(shop, open_page):
    page = open_page(theme="light")
    sign_in(page, shop.url)
    page.goto(shop.url + reverse("account"))
    page.locator("[data-theme-choice=dark]:visible").first.click()
    page.reload()
    assert page.evaluate("document.documentElement.dataset.bsTheme") == "dark"
