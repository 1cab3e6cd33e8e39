"""Two people who edit the same thing in a real browser: the second is told, and decides."""

from __future__ import annotations

from typing import Any

import pytest
from django.urls import reverse
from playwright.sync_api import expect

from catalog.models import Category, Service
from tests import make
from tests.browser.conftest import PHONE
from tests.browser.test_pages import check_page, sign_in

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def test_second_person_when_told_then_saves_over_the_first(live_server: Any, open_page: Any) -> None:
    make.owner("owner@example.org")
    service = make.service(make.provider())
    page = open_page(viewport=PHONE, theme="dark")
    sign_in(page, live_server.url, "owner@example.org")
    page.goto(live_server.url + reverse("admin:catalog_category_change", args=[service.category_id]))
    Category.objects.update(name="Theirs")
    page.get_by_label("Name").fill("Mine")
    page.get_by_role("button", name="Save", exact=True).click()
    box = page.get_by_label("Save mine anyway")
    expect(box).to_be_visible()
    check_page(page, PHONE)
    box.check()
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_text("was changed successfully")).to_be_visible()
    assert Category.objects.get().name == "Mine"

    page.goto(live_server.url + reverse("admin:catalog_service_changelist"))
    Service.objects.update(position=9)
    page.get_by_label("Position").fill("5")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_text("“9” now")).to_be_visible()
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_text("1 position saved")).to_be_visible()
    assert Service.objects.get().position == 5
