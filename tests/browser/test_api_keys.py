"""API keys in a real browser: in both themes, on desktop and phone, without scripts, and after the Back button."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone
from playwright.sync_api import expect

from panel.accounts.models import ApiKey, User
from panel.api.key_use import find_key, spend
from panel.api.keys.services import make_key, revoke_key
from tests import make
from tests.browser.conftest import DESKTOP, PHONE, wait_after_double_click
from tests.browser.test_pages import check_page, sign_in

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

SECRET = re.compile(r"[0-9a-f]{64}")


@pytest.fixture
def site(live_server):
    """A panel with Alice, who has $10."""
    make.customer("alice@example.org", funds="10")
    return live_server


def create_keys(customer):
    """Create keys of each kind: in use, at the limit, read-only, with many addresses, a long name, revoked.

    Return the one in use.
    """
    now = timezone.now()
    used = make_key(customer=customer, name="My shop", daily_limit=make.micros("50")).key
    spend(key=used, charge=make.micros("12.34"))
    ApiKey.objects.filter(pk=used.pk).update(last_used_at=now - timedelta(minutes=5), last_address="192.0.2.7")
    limited = make_key(
        customer=customer, name="Second shop", networks=["192.0.2.7/32"], daily_limit=make.micros("5")
    ).key
    spend(key=limited, charge=make.micros("5"))
    make_key(customer=customer, name="Price script", is_read_only=True, networks=["2001:db8:85a3:8d3:1319:8a2e::/96"])
    many = [f"192.0.2.{number}/32" for number in range(40)]
    make_key(customer=customer, name="A name as long as it may be, " + "w" * 31, networks=many)
    for name in ("Old shop", "Leaked " + "x" * 50):
        revoke_key(key=make_key(customer=customer, name=name).key)
    return used


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("viewport", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_pages_when_empty_wrong_or_full_then_axe_finds_nothing(site, open_page, viewport, theme):
    page = open_page(viewport=viewport, theme=theme)
    sign_in(page, site.url)
    assert page.goto(site.url + reverse("api_keys")).status == 200
    expect(page.get_by_role("link", name="Make a key")).to_be_visible()
    check_page(page, viewport)
    page.goto(site.url + reverse("api_key_new"))
    page.get_by_label("Where it may be used from").fill("my-server")
    page.get_by_label("Daily limit").fill("0")
    page.get_by_role("button", name="Make the key").click()
    expect(page.get_by_label("Name")).to_have_attribute("aria-invalid", "true")
    expect(page.get_by_label("Name")).to_be_focused()
    check_page(page, viewport)
    key = create_keys(User.objects.get(email="alice@example.org"))
    page.goto(site.url + reverse("api_keys"))
    for folded in ("40 addresses", "Revoked keys"):
        page.get_by_text(folded).click()
    check_page(page, viewport)
    for name in ("api_key_edit", "api_key_revoke"):
        assert page.goto(site.url + reverse(name, args=[key.pk])).status == 200
        check_page(page, viewport)


def test_key_when_made_then_copied_and_never_shown_again(site, open_page):
    page = open_page(viewport=PHONE)
    page.context.grant_permissions(["clipboard-read", "clipboard-write"], origin=site.url)
    sign_in(page, site.url)
    page.goto(site.url + reverse("account"))
    page.get_by_role("link", name="API keys").click()
    page.get_by_role("link", name="Make a key").click()
    page.get_by_label("Name").fill("My shop")
    page.get_by_label("Where it may be used from").fill("127.0.0.1")
    page.get_by_label("Daily limit").fill("12.50")
    page.get_by_role("button", name="Make the key").dblclick()
    wait_after_double_click(page, re.compile(r"/made/$"))
    shown = page.locator("#api-secret")
    secret = shown.inner_text()
    key = ApiKey.objects.get()
    assert SECRET.fullmatch(secret) and find_key(secret=secret) == key
    check_page(page, PHONE)
    page.get_by_role("button", name="Copy the key").click()
    expect(page.get_by_role("button", name="Copy the key")).to_have_text("Copied")
    assert page.evaluate("navigator.clipboard.readText()") == secret
    answer = page.request.post(f"{site.url}/api/v2", form={"key": secret, "action": "balance"})
    assert answer.json()["balance"] == "10"

    page.get_by_role("link", name="I have copied it").click()
    expect(page.locator("main")).to_contain_text("My shop")
    expect(page.locator("main")).to_contain_text("of $12.50 spent today")
    page.go_back()
    expect(page.locator("main")).to_contain_text("shown once")
    assert secret not in page.content()
    page.goto(site.url + reverse("api_key_made", args=[key.pk]))
    assert secret not in page.content()
    assert ApiKey.objects.count() == 1
    assert secret not in page.evaluate("JSON.stringify([{...localStorage}, {...sessionStorage}, document.cookie])")


def test_new_key_page_when_reloaded_then_the_list_is_shown(site, open_page):
    page = open_page()
    sign_in(page, site.url)
    page.goto(site.url + reverse("api_key_new"))
    page.get_by_label("Name").fill("My shop")
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile(r"/made/$"))
    secret = page.locator("#api-secret").inner_text()
    one_line = "part => part.clientHeight < 2 * parseFloat(getComputedStyle(part).lineHeight)"
    assert page.locator("#api-secret").evaluate(one_line)
    check_page(page, DESKTOP)
    page.reload()
    page.wait_for_url(re.compile(r"/account/api/$"))
    assert secret not in page.content()
    assert ApiKey.objects.count() == 1


def test_key_when_without_scripts_then_made_edited_and_revoked(site, open_page):
    page = open_page(scripts=False)
    sign_in(page, site.url)
    page.goto(site.url + reverse("api_keys"))
    page.get_by_role("link", name="Make a key").click()
    page.get_by_label("Name").fill("My shop")
    page.get_by_role("button", name="Make the key").click()
    assert SECRET.fullmatch(page.locator("#api-secret").inner_text())
    expect(page.get_by_role("button", name="Copy the key")).to_have_count(0)
    page.get_by_role("link", name="I have copied it").click()
    page.get_by_role("link", name="Edit My shop").click()
    page.get_by_label("Read only").check()
    page.get_by_role("button", name="Save").click()
    expect(page.locator(".status")).to_have_text("Read only")
    page.get_by_role("link", name="Revoke My shop").click()
    page.get_by_role("link", name="Keep it").click()
    assert not ApiKey.objects.get().is_revoked
    page.get_by_role("link", name="Revoke My shop").click()
    page.get_by_role("button", name="Revoke the key").click()
    expect(page.locator("main")).to_contain_text("was revoked")
    assert ApiKey.objects.get().is_revoked
