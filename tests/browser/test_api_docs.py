"""The documentation in a real browser: readable everywhere, and usable with and without scripts."""

from __future__ import annotations

import re

import pytest
from django.urls import reverse
from playwright.sync_api import expect

from orders.models import Order
from tests.browser.conftest import EACH_SCREEN, PHONE
from tests.browser.test_pages import check_in_both_themes, check_page, shop, sign_in  # noqa: F401

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@EACH_SCREEN
def test_page_is_sound_with_everything_open(shop, open_page, viewport, theme):  # noqa: F811
    page = open_page(viewport=viewport, theme=theme)
    sign_in(page, shop.url)
    page.goto(shop.url + reverse("api_docs"))
    page.locator(".type").evaluate_all("parts => parts.forEach((part) => { part.open = true; })")
    choose_action(page, "services")
    page.get_by_role("button", name="Send").click()
    expect(page.locator("#tried")).to_contain_text("<script>alert(1)</script>")
    check_in_both_themes(page, viewport)


def test_page_is_sound_for_a_visitor(shop, open_page):  # noqa: F811
    page = open_page(viewport=PHONE)
    page.goto(shop.url + reverse("api_docs"))
    page.get_by_text("On this page", exact=True).click()
    check_page(page, PHONE)


def choose_action(page, name):
    page.locator("#try-form .pill", has_text=re.compile(f"^{name}$")).click()


def test_console_answers_in_place_and_shows_ids_where_they_are_asked_for(shop, open_page):  # noqa: F811
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
    choose_action(page, "balance")
    page.get_by_role("button", name="Send").click()
    expect(page.locator("#tried")).to_contain_text('"balance": "8.5"')
    assert page.url == shop.url + reverse("api_docs")


def test_console_and_languages_work_without_scripts(shop, open_page):  # noqa: F811
    page = open_page(scripts=False)
    sign_in(page, shop.url)
    page.goto(shop.url + reverse("api_docs"))
    expect(page.get_by_role("button", name=re.compile("Copy"))).to_have_count(0)
    expect(page.locator("#client-python")).to_be_visible()
    page.locator(".pill", has_text="PHP").click()
    expect(page.locator("#client-php")).to_be_visible()
    expect(page.locator("#client-python")).to_be_hidden()
    order = Order.objects.latest("pk")
    choose_action(page, "status")
    page.fill("#try-ids-field", str(order.pk))
    page.get_by_role("button", name="Send").click()
    expect(page.locator("#tried")).to_contain_text('"status": "Canceled"')
    expect(page.locator("#try-ids-field")).to_have_value(str(order.pk))


def test_code_is_copied_as_it_stands_and_that_is_said(shop, open_page):  # noqa: F811
    page = open_page()
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.goto(shop.url + reverse("api_docs"))
    page.get_by_role("button", name="Copy: client.py").click()
    expect(page.locator("body > [role=status]")).to_have_text("Copied")
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied == page.locator("#client-python pre").inner_text().strip()
    assert copied.startswith('"""A client of API v2.')


def test_copying_works_where_the_browser_hands_out_no_clipboard(shop, open_page):  # noqa: F811
    page = open_page()
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.goto(shop.url + reverse("api_docs"))
    page.evaluate("() => { navigator.clipboard.writeText = () => Promise.reject(new Error('not here')); }")
    page.get_by_role("button", name="Copy: Address").click()
    expect(page.locator("body > [role=status]")).to_have_text("Copied")
    assert page.evaluate("navigator.clipboard.readText()").strip().endswith("/api/v2")


def test_deep_link_opens_a_type_and_the_phones_menu_leads_on(shop, open_page):  # noqa: F811
    page = open_page(viewport=PHONE)
    page.goto(shop.url + reverse("api_docs") + "#add-poll")
    expect(page.locator("#add-poll")).to_have_attribute("open", "")
    page.get_by_text("On this page", exact=True).click()
    page.locator(".api-menu").get_by_role("link", name="Errors").click()
    expect(page.locator("#errors-title")).to_be_in_viewport()
    expect(page.locator(".api-menu nav")).to_be_hidden()
    page.get_by_text("On this page", exact=True).click()
    expect(page.locator(".api-menu [aria-current]")).to_have_text("Errors")
