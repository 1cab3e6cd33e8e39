"""Paying with a coin in a real browser: choosing it, and the page that says where to pay."""

from __future__ import annotations

import pytest
from django.urls import reverse

from billing.intake import gateways
from billing.intake.credentials import store_credentials
from billing.intake.doors.nowpayments.door import NowPayments
from billing.intake.options import refresh_due_options
from billing.methods import _METHODS
from billing.methods.gateways import GatewayMethod
from tests import make
from tests.browser.conftest import EACH_SCREEN
from tests.browser.test_pages import check_in_both_themes, sign_in
from tests.gateway import nowpayments

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def site(live_server, settings, monkeypatch):
    """Alice, and a way to pay with coins."""
    settings.UPSTREAM_ALLOW_PRIVATE = True
    gateways.gateways()
    make.customer("alice@example.org")
    with nowpayments.running() as gateway:
        door = NowPayments(live=gateway.address)
        monkeypatch.setitem(gateways._GATEWAYS, door.code, door)
        monkeypatch.setitem(_METHODS, door.code, GatewayMethod(door))
        method = make.payment_method(kind=door.code, name="Coins", instructions="", bonus_bp=300)
        store_credentials(method=method, values={"key": nowpayments.KEY})
        refresh_due_options()
        yield live_server


@EACH_SCREEN
def test_coin_when_chosen_then_the_page_says_where_to_pay(site, open_page, viewport, theme):
    page = open_page(viewport=viewport, theme=theme)
    sign_in(page, site.url, "alice@example.org")
    page.goto(site.url + reverse("add_funds"))
    page.get_by_label("Amount").fill("0.20")
    page.get_by_label("Coin", exact=True).select_option("ltc")
    check_in_both_themes(page, viewport)
    page.get_by_role("button", name="Show where to pay").click()
    assert "smallest amount" in page.inner_text("main")
    page.get_by_label("Amount").fill("20")
    page.get_by_label("Coin", exact=True).select_option("xrp")
    page.get_by_role("button", name="Show where to pay").click()
    page.wait_for_url("**/wallet/deposits/**")
    for words in ("address-of-", "XRP Ledger", "1234567", "0.25"):
        assert words in page.inner_text("main")
    check_in_both_themes(page, viewport)
