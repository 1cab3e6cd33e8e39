"""Nothing typed into the order form is lost: through missing money, a reload, an ended session, and no connection."""

from __future__ import annotations

import re

import pytest
from django.conf import settings
from django.urls import reverse
from playwright.sync_api import expect

from billing.deposits import approve_deposit
from billing.models import Deposit
from catalog.models import Service
from orders.models import Order, OrderDraft
from panel.accounts.models import User
from tests import make
from tests.browser.conftest import DESKTOP, EACH_SCREEN, PHONE
from tests.browser.test_order_form import choose, open_form, query_of, shop
from tests.browser.test_pages import check_in_both_themes, sign_in

__all__ = ("shop",)

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

LINK = "https://example.com/kept"
SHORT = {"width": 390, "height": 500}


def button(page):
    return page.locator("#order-submit")


def type_order(page, *, quantity="100", button_says="Order for $0.25"):
    """Fill in the link and the quantity of the chosen service, and wait for the charge."""
    page.fill("#id_link", LINK)
    page.fill("#id_quantity", quantity)
    expect(button(page)).to_have_text(button_says)
    page.locator("#id_quantity").blur()  # On a phone the button is away until then.


def type_password(page):
    page.fill("input[name=login]", "alice@example.org")
    page.fill("input[name=password]", "correct horse battery")
    page.keyboard.press("Enter")


@pytest.fixture
def quiet_page(browser):
    """A page whose console may hold what a browser says of requests without an answer."""
    context = browser.new_context(viewport=DESKTOP)
    yield context.new_page()
    context.close()


@EACH_SCREEN
def test_order_when_money_is_missing_then_kept_through_the_payment(shop, open_page, viewport, theme):
    make.payment_method(instructions="IBAN DE00")
    owner = make.owner()
    page = open_page(viewport=viewport, theme=theme)
    open_form(page, shop, query_of("Followers"))
    type_order(page, quantity="7000", button_says="Add $7.50 and order")
    check_in_both_themes(page, viewport)
    button(page).click()
    page.wait_for_url("**/add-funds/**")
    expect(page.get_by_text("Your order is kept: 7,000 of Followers, $17.50.")).to_be_visible()
    expect(page.locator("#id_amount")).to_have_value("7.50")
    check_in_both_themes(page, viewport)
    page.locator("#funds-button button").click()
    page.wait_for_url("**/deposits/*/")
    deposit = Deposit.objects.get()
    approve_deposit(deposit_id=deposit.pk, credited=deposit.amount, actor=owner)
    page.reload()
    page.get_by_role("link", name="Continue the order").click()
    expect(page.get_by_text("your balance covers it now")).to_be_visible()
    expect(page.locator("#id_link")).to_have_value(LINK)
    assert not Order.objects.exists()
    button(page).click()
    page.wait_for_url(re.compile(r"/orders/\d+/$"))
    assert Order.objects.get().quantity == 7_000
    page.goto(shop.url + reverse("order_new"))
    expect(page.locator("#id_link")).to_have_value("")
    expect(page.locator("#kept-order")).to_be_hidden()


def test_form_when_reloaded_then_as_typed_until_started_over(shop, open_page):
    page = open_page()
    open_form(page, shop, query_of("Likes, fast and cheap"))
    choose(page, "Followers")
    type_order(page)
    page.reload()  # At the address that asks for the other service.
    expect(page.locator(".service-name")).to_have_text("Followers")
    expect(page.locator("#id_link")).to_have_value(LINK)
    expect(button(page)).to_have_text("Order for $0.25")
    expect(page.get_by_text("We kept what you typed")).to_be_visible()
    page.get_by_role("button", name="Start over").click()
    page.wait_for_url("**/orders/new/")
    expect(page.locator("#id_link")).to_have_value("")
    page.reload()
    expect(page.locator("#id_link")).to_have_value("")


def test_form_when_the_server_keeps_another_order_then_this_tab_has_its_own(shop, open_page):
    page = open_page()
    open_form(page, shop)
    choose(page, "Followers")
    type_order(page)
    elsewhere = page.context.new_page()
    elsewhere.goto(shop.url + reverse("order_new"))
    elsewhere.get_by_role("button", name="Start over").click()
    elsewhere.wait_for_url("**/orders/new/")
    expect(elsewhere.locator("#id_link")).to_have_value("")
    page.reload()
    expect(page.locator("#id_link")).to_have_value(LINK)
    expect(button(page)).to_have_text("Order for $0.25")
    # It was sent, and did not arrive.
    page.evaluate("document.getElementById('order-form').dispatchEvent(new Event('submit'))")
    OrderDraft.objects.all().delete()
    page.goto(shop.url + reverse("order_new"))
    expect(page.locator("#id_link")).to_have_value(LINK)
    expect(button(page)).to_have_text("Order for $0.25")


def test_form_when_gone_back_to_after_its_order_then_another_is_typed(shop, quiet_page):
    page = quiet_page
    open_form(page, shop, query_of("Followers"))
    type_order(page)
    # Chromium under test keeps no page that was left, so it stays here.
    page.route("**/orders/new/", lambda route: (route.fetch(), route.abort("aborted")))
    with page.expect_event("requestfailed"):
        button(page).click(no_wait_after=True)
    page.unroute("**/orders/new/")
    page.evaluate("dispatchEvent(new PageTransitionEvent('pageshow', { persisted: true }))")
    type_order(page, quantity="200", button_says="Order for $0.50")
    page.goto(shop.url + reverse("order_new"))
    expect(page.locator("#id_quantity")).to_have_value("200")
    button(page).click()
    page.wait_for_url(re.compile(r"/orders/\d+/$"))
    assert sorted(Order.objects.values_list("quantity", flat=True)) == [100, 200]


def test_session_when_it_ends_then_said_and_the_form_comes_back(shop, open_page):
    page = open_page()
    open_form(page, shop, query_of("Followers"))
    page.fill("#id_link", LINK)
    page.context.clear_cookies(name=settings.SESSION_COOKIE_NAME)
    page.fill("#id_quantity", "100")
    expect(page.get_by_text("You were signed out.")).to_be_visible()
    expect(page.locator("#id_quantity")).to_have_value("100")
    page.get_by_role("link", name="Sign in and go on").click()
    type_password(page)
    page.wait_for_url("**/orders/new/")
    expect(page.locator("#id_link")).to_have_value(LINK)
    expect(page.locator("#id_quantity")).to_have_value("100")
    expect(button(page)).to_have_text("Order for $0.25")
    assert OrderDraft.objects.get().typed["quantity"] == "100"
    make.customer("bob@example.org")
    # Else it would be sent without its cookie, and refused.
    with page.expect_response(lambda answer: answer.request.method == "POST"):
        page.fill("#id_quantity", "101")
    page.context.clear_cookies()
    sign_in(page, shop.url, "bob@example.org")
    page.goto(shop.url + reverse("order_new"))
    expect(page.locator("#id_link")).to_have_value("")


def test_connection_when_lost_then_said_and_tried_again(shop, quiet_page):
    page = quiet_page
    open_form(page, shop, query_of("Followers"))
    page.fill("#id_link", LINK)
    page.context.set_offline(True)
    page.fill("#id_quantity", "100")
    expect(page.get_by_text("No connection. We try again…")).to_be_visible()
    button(page).click()
    expect(page.locator("#id_quantity")).to_have_value("100")  # The page stays.
    page.context.set_offline(False)
    expect(page.get_by_text("No connection. We try again…")).to_be_hidden()
    expect(button(page)).to_have_text("Order for $0.25")
    assert not Order.objects.exists()
    # The order arrives, its answer does not.
    page.route("**/orders/new/", lambda route: (route.fetch(), route.abort()))
    with page.expect_event("requestfailed"):
        button(page).click(no_wait_after=True)
    page.unroute("**/orders/new/")
    assert Order.objects.count() == 1
    page.goto(shop.url + reverse("order_new"))
    expect(page.locator("#id_link")).to_have_value("")  # It was ordered.
    assert Order.objects.count() == 1


def test_connection_when_the_next_answer_is_a_refusal_then_it_is_back(shop, quiet_page):
    page = quiet_page
    open_form(page, shop, query_of("Followers"))
    page.route("**/orders/new/quote/", lambda route: route.abort())
    page.fill("#id_link", LINK)
    expect(page.get_by_text("No connection. We try again…")).to_be_visible()
    page.unroute("**/orders/new/quote/")
    page.route("**/orders/new/quote/", lambda route: route.fulfill(status=403, body=""))
    expect(page.get_by_text("No connection. We try again…")).to_be_hidden()


def test_token_when_signed_in_again_elsewhere_then_the_form_goes_on(shop, quiet_page):
    page = quiet_page
    open_form(page, shop, query_of("Followers"))
    type_order(page)
    page.context.clear_cookies(name=settings.CSRF_COOKIE_NAME)
    page.context.add_cookies([{"name": settings.CSRF_COOKIE_NAME, "value": "b" * 32, "url": shop.url}])
    button(page).click()
    expect(page.get_by_text("You signed in again meanwhile, so nothing was ordered.")).to_be_visible()
    assert not Order.objects.exists()
    button(page).click()
    page.wait_for_url(re.compile(r"/orders/\d+/$"))
    open_form(page, shop, query_of("Followers"))
    page.context.add_cookies([{"name": settings.CSRF_COOKIE_NAME, "value": "c" * 32, "url": shop.url}])
    page.fill("#id_link", LINK)
    page.get_by_role("link", name="Load this page again and go on").click()
    expect(page.locator("#id_link")).to_have_value(LINK)
    expect(button(page)).to_have_text("Type a quantity")


def test_button_when_something_is_missing_then_moves_the_focus_there(shop, open_page):
    page = open_page()
    open_form(page, shop)
    expect(button(page)).to_have_text("Choose a service")
    button(page).click()
    expect(page.locator("#id_find")).to_be_focused()
    choose(page, "Followers")
    expect(button(page)).to_have_text("Paste the link")
    button(page).click()
    expect(page.locator("#id_link")).to_be_focused()
    page.keyboard.type(LINK)
    expect(button(page)).to_have_text("Type a quantity")
    button(page).click()
    expect(page.locator("#id_quantity")).to_be_focused()


def test_phone_when_typing_then_both_bars_leave_the_screen(shop, open_page):
    alice = User.objects.get(email="alice@example.org")
    make.order(alice, Service.objects.get(name="Followers"))
    page = open_page(viewport=PHONE)
    page.set_viewport_size(SHORT)
    open_form(page, shop, query_of("Followers"))
    bars = [page.locator("#summary"), page.locator("nav.side")]
    assert bars[0].bounding_box()["height"] < 90  # Without a charge only the button.
    page.locator("#id_quantity").focus()
    for bar in bars:
        expect(bar).to_have_css("opacity", "0")
    page.fill("#id_link", LINK)
    page.fill("#id_quantity", "100")
    expect(page.locator(".order-line")).to_be_attached()
    before = page.locator("#id_quantity").bounding_box()
    page.locator("#id_quantity").blur()
    for bar in bars:
        expect(bar).to_have_css("opacity", "1")
    assert page.locator("#id_quantity").bounding_box() == before
    expect(page.locator(".order-line")).to_have_text(re.compile(r"100 · after \$9\.\d\d\s*\$0\.25"))
    expect(page.locator("#summary .sum")).to_be_hidden()
    assert page.locator("#summary").bounding_box()["height"] < 130
