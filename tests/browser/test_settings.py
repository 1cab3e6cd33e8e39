"""The page "Settings" in a real browser: found, typed, previewed, saved, refused and undone."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from panel.site import registry as site
from panel.site import stored
from panel.site.models import StoredSetting
from tests import make
from tests.browser.conftest import DESKTOP, PHONE
from tests.browser.test_pages import check_page, sign_in

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

LOGO = (
    b'<svg xmlns="http://www.w3.org/2000/svg" width="120" height="32"><path fill="#0f766e" d="M0 0h120v32H0z"/></svg>'
)


@pytest.fixture
def open_settings(live_server, open_page, monkeypatch):
    """The real reading: what was saved is seen by the next page."""
    monkeypatch.setattr(stored, "_current", None)
    make.owner()

    def open_it(**options):
        page = open_page(**options)
        sign_in(page, live_server.url, "owner@example.org")
        page.goto(f"{live_server.url}/admin/settings/")
        return page

    return open_it


def stored_texts():
    return dict(StoredSetting.objects.exclude(value=None).values_list("name", "value"))


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("viewport", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_page_when_a_field_was_refused_then_sound(open_settings, viewport, theme):
    page = open_settings(viewport=viewport, theme=theme)
    page.get_by_label("Longest wait in the queue", exact=True).fill("soon")
    page.locator("#orders [type=submit]").click()
    expect(page.locator("#error-QUEUE_LIMIT_HOURS")).to_contain_text("Enter a whole number.")
    expect(page.locator("#QUEUE_LIMIT_HOURS")).to_be_focused()
    check_page(page, viewport)


def test_brand_when_typed_then_previewed_saved_and_undone(open_settings, live_server):
    page = open_settings(viewport=DESKTOP)
    page.get_by_label("Name", exact=True).fill("Harbour Social")
    expect(page.locator("#preview .set-brand-name").first).to_have_text("Harbour Social")
    page.get_by_label("Accent", exact=True).fill("#ffe08a")
    expect(page.locator("#preview .set-facts")).to_contain_text("darkened to #70633d")
    page.locator("#PANEL_LOGO").set_input_files({"name": "logo.svg", "mimeType": "image/svg+xml", "buffer": LOGO})
    expect(page.locator("#preview .set-brand").first).to_have_js_property("naturalWidth", 120)
    page.get_by_role("button", name="Save 3 changes").click()
    expect(page.get_by_text("Saved: Name, Accent, Logo.")).to_be_visible()
    expect(page).to_have_title(re.compile("Harbour Social"))
    expect(page.locator("#brand .set-file")).to_have_js_property("naturalWidth", 120)
    page.goto(live_server.url)
    expect(page.locator("header img[alt='Harbour Social']")).to_have_js_property("naturalWidth", 120)
    page.goto(f"{live_server.url}/admin/settings/")
    page.get_by_role("button", name=re.compile("Undo: Name from Harbour Social")).click()
    expect(page.get_by_text("Name is as it was before.")).to_be_visible()
    assert set(stored_texts()) == {"PANEL_ACCENT", "PANEL_LOGO"}
    assert site.PANEL_NAME.value == "Upmark"


def test_field_when_changed_then_counted_discarded_and_reset(open_settings):
    page = open_settings(viewport=DESKTOP)
    hours = page.get_by_label("Longest wait in the queue", exact=True)
    hours.fill("30")
    expect(page.get_by_role("button", name="Save 1 change")).to_be_visible()
    page.locator("#orders").get_by_role("button", name="Discard").click()
    expect(hours).to_have_value("24")
    expect(page.locator("#orders [type=submit]")).to_have_text("Save")
    hours.fill("30")
    page.locator("#orders [type=submit]").click()
    expect(page.get_by_text("Saved: Longest wait in the queue.")).to_be_visible()
    page.get_by_role("button", name="Longest wait in the queue: back to default").click()
    expect(hours).to_have_value("24")
    page.keyboard.press("Enter")
    expect(page.get_by_text("Saved: Longest wait in the queue.")).to_be_visible()
    expect(page.get_by_role("button", name="Longest wait in the queue: back to default")).to_be_hidden()
    assert stored_texts() == {}


def test_find_when_typed_then_only_what_fits_is_shown(open_settings):
    page = open_settings(viewport=PHONE)
    find = page.get_by_label("Find a setting")
    find.fill("429 limit")
    expect(page.locator(".set-forms .set-field:visible")).to_have_count(1)
    expect(page.get_by_label("Status 429 beyond a limit", exact=True)).to_be_visible()
    find.fill("zebra")
    expect(page.get_by_text("No setting has this in its name or its help.")).to_be_visible()
    find.fill("")
    expect(page.get_by_label("Name", exact=True)).to_be_visible()
