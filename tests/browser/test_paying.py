"""Paying by hand from the request to the money, on a phone; and with amounts and ways chosen by touch."""

from __future__ import annotations

import re

import pytest
from django.test import Client
from django.urls import reverse
from playwright.sync_api import expect

from billing.deposits import cancel_deposit
from billing.models import Deposit
from panel.lib.money import MICRO
from tests import make
from tests.browser.conftest import PHONE
from tests.browser.test_pages import check_in_both_themes, check_page, sign_in

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

INSTRUCTIONS = "Send it to our bank.\nIBAN: DE00 0000 0000 0000\nAccount name: Upmark Ltd"


@pytest.fixture
def site(live_server):
    """Two ways to pay, Alice with $10, and an owner."""
    make.customer("alice@example.org", funds="10")
    make.owner()
    make.payment_method(instructions=INSTRUCTIONS, tiers=[[100 * MICRO, 500]])
    make.payment_method(name="Crypto", instructions="USDT to 0x" + "ab" * 20, minimum=20 * MICRO, position=1)
    return live_server


def approve(deposit):
    owner = Client()
    owner.force_login(type(deposit.customer).objects.get(email="owner@example.org"))
    data = {"credited": "100", "seen": "pending", "why": "other", "why_note": "It came in."}
    assert owner.post(reverse("admin:billing_deposit_approve", args=[deposit.pk]), data).status_code == 302


def test_payment_by_hand_when_requested_paid_and_approved_then_added_without_reload(site, open_page):
    page = open_page(viewport=PHONE)
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.clock.install()
    sign_in(page, site.url)
    page.goto(site.url + reverse("add_funds"))
    page.get_by_role("button", name=re.compile(r"\$100")).click()
    expect(page.get_by_label("Amount")).to_have_value("100")
    expect(page.locator("#funds-preview")).to_contain_text("$105.00")
    page.locator("#funds-button").get_by_role("button").click()
    page.wait_for_url(re.compile(r"/wallet/deposits/\d+/$"))
    deposit = Deposit.objects.get()
    code = f"{deposit.code[:4]}-{deposit.code[4:]}"
    expect(page.locator("#pay-code")).to_have_text(code)
    check_in_both_themes(page, PHONE)
    for name, copied in (("Reference to write", code), ("Amount", "100"), ("IBAN", "DE00 0000 0000 0000")):
        page.get_by_role("button", name=f"Copy: {name}").click()
        assert page.evaluate("navigator.clipboard.readText()") == copied
    page.get_by_text("Add a reference of yours").click()
    page.get_by_label("Reference", exact=True).fill("TX 77")
    page.get_by_role("button", name="I have paid").click()
    expect(page.locator("#deposit-live")).to_contain_text("We look for it")
    expect(page.locator("#deposit-live")).to_contain_text("TX 77")
    check_in_both_themes(page, PHONE)
    page.evaluate("window.isSamePage = true")
    approve(deposit)
    page.clock.fast_forward(10_000)
    expect(page.locator("#deposit-live")).to_contain_text("$105.00 is in your wallet")
    expect(page.locator("#balance")).to_contain_text("$115.00")
    expect(page.locator("#news")).to_have_text("Your request: Added.")
    assert page.evaluate("window.isSamePage")
    expect(page.locator("#deposit-live")).not_to_have_attribute("hx-get", re.compile("."))
    check_in_both_themes(page, PHONE)


def test_way_when_changed_by_keys_then_amounts_and_sums_follow_and_typing_stays(site, open_page):
    page = open_page(viewport=PHONE)
    sign_in(page, site.url)
    page.goto(site.url + reverse("add_funds"))
    page.get_by_label("Amount").fill("7")
    expect(page.locator("#funds-preview")).to_contain_text("$7.00")
    expect(page.get_by_role("button", name="$10", exact=True)).to_be_visible()
    page.get_by_role("radio", name=re.compile("Bank transfer")).focus()
    page.keyboard.press("ArrowDown")
    expect(page.locator("#funds-preview")).to_contain_text("smallest amount is $20.00")
    expect(page.get_by_role("button", name="$10", exact=True)).to_have_count(0)
    expect(page.get_by_label("Amount")).to_have_value("7")
    expect(page.get_by_role("radio", name=re.compile("Crypto"))).to_be_focused()
    check_in_both_themes(page, PHONE)


def test_open_request_when_abandoned_in_the_list_then_gone(site, open_page):
    user = make.customer("carol@example.org")
    kept, gone = (make.pending_deposit(user, amount) for amount in ("50", "60"))
    page = open_page(viewport=PHONE)
    sign_in(page, site.url, user.email)
    page.goto(site.url + reverse("add_funds"))
    expect(page.get_by_role("link", name=re.compile("Continue"))).to_have_count(2)
    page.locator(f"#abandon-{gone.pk} summary").click()
    check_page(page, PHONE)
    page.get_by_role("button", name="Yes, abandon it").click()
    expect(page.get_by_role("link", name=re.compile("Continue"))).to_have_count(1)
    assert Deposit.objects.get(pk=kept.pk).state == "pending"


def test_typed_reference_when_the_page_changes_by_itself_then_kept(site, open_page):
    user = make.customer("carol@example.org")
    deposit = make.pending_deposit(user)
    page = open_page()
    page.clock.install()
    sign_in(page, site.url, user.email)
    page.goto(site.url + reverse("deposit_detail", args=[deposit.pk]))
    page.get_by_text("Add a reference of yours").click()
    page.get_by_label("Reference", exact=True).fill("half typed")
    Deposit.objects.filter(pk=deposit.pk).update(expires_at=deposit.created_at)
    page.clock.fast_forward(10_000)
    expect(page.locator("#deposit-live")).to_contain_text("No payment came in time")
    expect(page.get_by_label("Reference", exact=True)).to_have_value("half typed")
    cancel_deposit(deposit=deposit)
    page.clock.fast_forward(60_000)
    expect(page.locator("#deposit-live")).to_contain_text("You canceled this request")
