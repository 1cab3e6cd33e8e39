"""The pages of errors in a real browser: readable in both themes, and not wider than a phone."""

from __future__ import annotations

import pytest
from django.core.management import call_command
from django.db import OperationalError
from playwright.sync_api import expect

from tests import make
from tests.browser.conftest import PHONE
from tests.browser.test_pages import check_in_both_themes, check_page, sign_in

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def test_error_pages_when_opened_then_axe_finds_nothing(live_server, browser, monkeypatch, tmp_path):
    make.customer("alice@example.org")
    # Not `open_page`: each of these pages is an error on the console, too.
    context = browser.new_context(viewport=PHONE)
    page = context.new_page()
    sign_in(page, live_server.url)
    page.goto(f"{live_server.url}/services/")
    page.evaluate("location.assign('/nowhere/')")
    expect(page.get_by_role("heading", name="This page does not exist")).to_be_visible()
    check_in_both_themes(page, PHONE)
    page.get_by_role("link", name="Go back").click()
    page.wait_for_url("**/services/")
    for error, heading in (
        (ZeroDivisionError(), "Something went wrong on our side"),
        (OperationalError("no connection"), "We are back in a moment"),
    ):

        def broken(*args: object, raised: Exception = error, **kwargs: object) -> None:
            raise raised

        monkeypatch.setattr("orders.web.views.order_list.page_of", broken)
        page.goto(f"{live_server.url}/orders/")
        expect(page.get_by_role("heading", name=heading)).to_be_visible()
        check_in_both_themes(page, PHONE)
    with (tmp_path / "maintenance.html").open("w") as file:
        call_command("maintenance_page", stdout=file)
    for theme in ("light", "dark"):
        page.emulate_media(color_scheme=theme)
        page.goto((tmp_path / "maintenance.html").as_uri())
        check_page(page, PHONE)
    context.close()
