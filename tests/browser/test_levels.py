"""Levels in a real browser: the customer's home, and the owner's page with its preview."""

from __future__ import annotations

import pytest
from django.urls import reverse
from playwright.sync_api import expect

from catalog.models import CustomerGroup, Service
from panel.accounts.models import User
from panel.levels.move import move_customers
from panel.levels.terms import current_terms
from tests import make
from tests.browser.conftest import EACH_SCREEN
from tests.browser.test_pages import check_in_both_themes, check_page, sign_in
from tests.make import micros
from tests.panel.levels.conftest import put, spend

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def levels(db):
    """Bronze, Silver and Gold; Alice spent $412.40, and two others have reached Silver, one placed by hand."""
    rows = (("Bronze", 100, "100"), ("Silver", 300, "500"), ("Gold", 2_500, "2000"), ("Friends", 500, None))
    made = [
        CustomerGroup.objects.create(name=name, discount_bp=discount, level_from=amount and micros(amount))
        for name, discount, amount in rows
    ]
    provider = make.provider()
    make.service(provider, name="Likes", margin_bp=500)
    make.service(provider, name="Views", external_id="2", margin_bp=8_000)
    spend(make.customer("alice@example.org", funds="25"), "412.40")
    for name in ("bob@example.org", "a-reseller-with-a-very-long-address@customers.example.org"):
        spend(make.customer(name), "612.40")
    held = make.customer("carol@example.org")
    spend(held, "900")
    put(held, made[0])
    return made


@EACH_SCREEN
def test_home_when_a_level_is_reached_then_said_and_axe_finds_nothing(live_server, open_page, levels, viewport, theme):
    move_customers()
    make.order(User.objects.get(email="alice@example.org"), Service.objects.all()[0], quantity=900)
    page = open_page(viewport=viewport, theme=theme)
    sign_in(page, live_server.url)
    page.goto(live_server.url + reverse("account"))
    section = page.get_by_role("region", name="Your level: Bronze")
    expect(section).to_contain_text("$87.60 more to Silver: 3% lower prices.")
    expect(section.get_by_role("progressbar", name="$87.60 more to Silver: 3% lower prices.")).to_be_visible()
    check_in_both_themes(page, viewport)


@EACH_SCREEN
def test_levels_when_previewed_and_saved_then_as_shown(live_server, open_page, levels, viewport, theme):
    make.owner()
    page = open_page(viewport=viewport, theme=theme)
    sign_in(page, live_server.url, "owner@example.org")
    page.goto(live_server.url + reverse("admin:levels_levelmove_set_levels"))
    page.get_by_label("“Bronze” is reached from").fill("50")
    page.get_by_label("Days that count").fill("90")
    page.get_by_role("button", name="Show what it would do").click()
    expect(page.get_by_text("a-reseller-with-a-very-long-address@customers.example.org")).to_be_visible()
    check_page(page, viewport)
    page.get_by_role("button", name="Save the levels").click()
    expect(page.get_by_text("Saved. Customers are moved within five minutes.")).to_be_visible()
    terms = current_terms()
    assert (terms.levels[0].level_from, terms.period_days) == (micros("50"), 90)
