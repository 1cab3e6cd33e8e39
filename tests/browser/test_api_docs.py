"""The API documentation in a real browser: accessible on each screen, usable with and without scripts."""

from __future__ import annotations

import re

import pytest
from django.urls import reverse
from playwright.sync_api import expect

from orders.models import Order, Refill
from orders.states import Status
from tests.browser.conftest import EACH_SCREEN, PHONE
from tests.browser.test_pages import check_in_both_themes, check_page, shop, sign_in  # noqa: F401

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@EACH_SCREEN
def test_page_when_all_parts_are_open_then_axe_finds_nothing(shop, open_page, viewport, theme):  # noqa: F811
    page = open_page(viewport=viewport, theme=theme)
    sign_in(page, shop.url)
    page.goto(shop.url + reverse("api_docs"))
    page.locator(".type").evaluate_all("parts => parts.forEach((part) => { part.open = true; })")
    choose_action(page, "services")
    page.get_by_role("button", name="Send").click()
    expect(page.locator("#tried")).to_contain_text("<script>alert(1)</script>")
    check_in_both_themes(page, viewport)


def test_page_when_a_visitor_opens_it_then_axe_finds_nothing(shop, open_page):  # noqa: F811
    page = open_page(viewport=PHONE)
    page.goto(shop.url + reverse("api_docs"))
    page.get_by_text("On this page", exact=True).click()
    check_page(page, PHONE)


def choose_action(page, name):
    """Choose the action in the console of the page."""
    page.locator("#try-form .pill", has_text=re.compile(f"^{name}$")).click()


def test_console_when_a_request_is_sent_then_answered_in_place(shop, open_page):  # noqa: F811
    page = open_page()
    sign_in(page, shop.url)
    page.goto(shop.url + reverse("api_docs"))
    expect(page.locator("#try-ids")).to_be_hidden()
    choose_action(page, "status")
    ids = page.get_by_label("Order IDs, with commas between")
    expect(ids).to_have_value(",".join(str(order.pk) for order in Order.objects.order_by("-pk")[:2]))
    ids.fill("nonsense")
    ids.press("Enter")
    expect(page.locator("#tried")).to_contain_text('"error": "Incorrect order ID"')
    expect(page.locator("#tried-said")).to_have_text(re.compile(r"^Error, HTTP 200, \d+ ms\.$"))
    choose_action(page, "refill_status")
    expect(page.get_by_label("Refill IDs, with commas between")).to_have_value("nonsense")
    choose_action(page, "balance")
    page.get_by_role("button", name="Send").click()
    expect(page.locator("#tried")).to_contain_text('"balance": "8.5"')
    expect(page.locator("#tried-said")).to_have_text(re.compile(r"^Answered, HTTP 200, \d+ ms\.$"))
    assert page.url == shop.url + reverse("api_docs")


def test_console_when_without_scripts_then_it_works(shop, open_page):  # noqa: F811
    page = open_page(scripts=False)
    sign_in(page, shop.url)
    page.goto(shop.url + reverse("api_docs"))
    expect(page.get_by_role("button", name=re.compile("Copy"))).to_have_count(0)
    expect(page.locator("#client-python")).to_be_visible()
    page.locator(".pill", has_text="PHP").click()
    expect(page.locator("#client-php")).to_be_visible()
    expect(page.locator("#client-python")).to_be_hidden()
    order = Order.objects.get(status=Status.IN_PROGRESS)
    choose_action(page, "status")
    expect(page.locator("#try-ids-field")).to_have_value("")
    page.fill("#try-ids-field", str(order.pk))
    page.get_by_role("button", name="Send").click()
    expect(page.locator("#tried")).to_contain_text('"status": "In progress"')
    expect(page.locator("#try-ids-field")).to_have_value(str(order.pk))


def test_copy_when_clicked_then_code_is_unchanged_and_announced(shop, open_page):  # noqa: F811
    page = open_page()
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.goto(shop.url + reverse("api_docs"))
    page.get_by_role("button", name="Copy: client.py").click()
    expect(page.locator("body > [role=status]")).to_have_text("Copied")
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied == page.locator("#client-python pre").inner_text().strip()
    assert copied.startswith('"""A client of API v2.')


def test_copy_when_the_clipboard_api_fails_then_still_copied(shop, open_page):  # noqa: F811
    page = open_page()
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.goto(shop.url + reverse("api_docs"))
    page.evaluate("() => { navigator.clipboard.writeText = () => Promise.reject(new Error('not here')); }")
    page.get_by_role("button", name="Copy: Address").click()
    expect(page.locator("body > [role=status]")).to_have_text("Copied")
    assert page.evaluate("navigator.clipboard.readText()").strip().endswith("/api/v2")


def test_deep_link_when_on_a_phone_then_type_opens_and_menu_works(shop, open_page):  # noqa: F811
    page = open_page(viewport=PHONE)
    page.goto(shop.url + reverse("api_docs") + "#add-poll")
    expect(page.locator("#add-poll")).to_have_attribute("open", "")
    page.get_by_text("On this page", exact=True).click()
    page.locator(".api-menu").get_by_role("link", name="Errors").click()
    expect(page.locator("#errors-title")).to_be_in_viewport()
    expect(page.locator(".api-menu nav")).to_be_hidden()
    page.get_by_text("On this page", exact=True).click()
    expect(page.locator(".api-menu [aria-current]")).to_have_text("Errors")


def test_ids_when_not_edited_then_they_fit_the_chosen_action(shop, open_page):  # noqa: F811
    order = Order.objects.latest("pk")
    refill = Refill.objects.create(order=order, provider=order.provider)
    page = open_page()
    sign_in(page, shop.url)
    page.goto(shop.url + reverse("api_docs"))
    for action, value in (("status", str(order.pk)), ("refill_status", str(refill.pk)), ("status", str(order.pk))):
        choose_action(page, action)
        assert page.locator("#try-ids-field").input_value().split(",")[0] == value


@pytest.mark.parametrize("signs_in_again", [False, True], ids=["signed out", "signed in again"])
def test_console_when_the_session_ended_then_shown_in_place(shop, browser, signs_in_again):  # noqa: F811
    page = browser.new_context().new_page()  # Not `open_page`: the browser logs a refusal as an error.
    sign_in(page, shop.url)
    page.goto(shop.url + reverse("api_docs"))
    page.context.clear_cookies()
    if signs_in_again:
        sign_in(page.context.new_page(), shop.url)
    page.get_by_role("button", name="Send").click()
    expect(page.locator("#try-form")).to_be_visible()
    expect(page.locator("#tried")).to_contain_text("Reload it" if signs_in_again else "signed out")
    expect(page.locator("#tried-said")).to_contain_text("signed out")
    page.context.close()


def test_answer_when_it_is_a_list_then_not_read_aloud(shop, open_page):  # noqa: F811
    page = open_page()
    sign_in(page, shop.url)
    page.goto(shop.url + reverse("api_docs"))
    choose_action(page, "services")
    page.get_by_role("button", name="Send").click()
    expect(page.locator("#tried-said")).to_contain_text("Answered")
    assert page.locator("#tried-said").inner_text().count("\n") == 0
    assert page.locator("#tried").evaluate("part => !part.closest('[aria-live], [role=status]')")


def test_deep_link_when_scripts_are_on_or_off_then_it_opens(shop, open_page):  # noqa: F811
    for scripts in (True, False):
        page = open_page(scripts=scripts)
        page.goto(shop.url + reverse("api_docs") + "#client-php")
        expect(page.locator("#client-php pre")).to_be_in_viewport()
        page.goto("about:blank")
        page.goto(shop.url + reverse("api_docs") + "#add-custom-comments")
        expect(page.locator("#add-custom-comments pre").first).to_be_visible()
        expect(page.locator("#add-poll pre").first).to_be_hidden()
    page = open_page()
    page.goto(shop.url + reverse("api_docs") + "#client-php")
    page.locator(".pill", has_text="Python").click()
    expect(page.locator("#client-php")).to_be_hidden()


def test_menu_when_escape_then_closed_and_focus_on_its_button(shop, open_page):  # noqa: F811
    page = open_page(viewport=PHONE)
    page.goto(shop.url + reverse("api_docs"))
    page.get_by_text("On this page", exact=True).click()
    page.keyboard.press("Tab")
    page.keyboard.press("Escape")
    expect(page.locator(".api-menu nav")).to_be_hidden()
    expect(page.locator(".api-menu summary")).to_be_focused()


def test_examples_when_on_a_desktop_then_not_cut_off(shop, open_page):  # noqa: F811
    page = open_page()
    page.goto(shop.url + reverse("api_docs"))
    page.locator(".type").evaluate_all("parts => parts.forEach((part) => { part.open = true; })")
    examples = ".exchange pre"
    assert (
        page.locator(examples).evaluate_all("all => all.filter((one) => one.scrollWidth > one.clientWidth).length") == 0
    )
