"""The account, its documents and signing in, in a real browser."""

from __future__ import annotations

import re

import pytest
from allauth.account.models import EmailAddress
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import TOTP
from django.urls import reverse
from django.utils import timezone
from playwright.sync_api import expect

from billing import ledger
from billing.deposits import approve_deposit
from billing.wallets import wallet_of
from panel.accounts.models import User
from tests import make
from tests.browser.conftest import EACH_SCREEN, PHONE
from tests.browser.test_pages import check_in_both_themes, sign_in

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
PASSWORD = "correct horse battery"


@pytest.fixture
def alice(db):
    """Alice with $10, a charge that is rounded where it is shown, and a second factor."""
    user = make.customer("alice@example.org", funds="10")
    make.payment_method()
    ledger.post(wallet_id=wallet_of(customer=user).pk, amount=-1_234_500, kind="order", key="o", memo="Followers")
    EmailAddress.objects.create(user=user, email=user.email, verified=True, primary=True)
    return user


@EACH_SCREEN
def test_pages_when_of_the_account_then_axe_finds_nothing(live_server, open_page, alice, viewport, theme):
    TOTP.activate(alice, "A" * 32)
    RecoveryCodes.activate(alice)
    deposit = make.pending_deposit(alice, "20")
    approve_deposit(deposit_id=deposit.pk, credited=20_000_000, actor=make.owner())
    now = timezone.localtime()
    page = open_page(viewport=viewport, theme=theme)
    sign_in(page, live_server.url)
    for address in (
        reverse("account"),
        reverse("account_close"),
        reverse("mfa_view_recovery_codes"),
        reverse("wallet_statements"),
        reverse("wallet_statement", args=[now.year, now.month]),
        reverse("deposit_slip", args=[deposit.pk]),
    ):
        assert page.goto(live_server.url + address).status == 200
        check_in_both_themes(page, viewport)
    # On paper the sheet is alone, and dark on white in any theme.
    page.emulate_media(media="print")
    expect(page.locator(".paper")).to_be_visible()
    for part in (".side", ".topbar", ".paper-bar"):
        expect(page.locator(part)).to_be_hidden()
    expect(page.locator("body")).to_have_css("background-color", "rgb(255, 255, 255)")
    expect(page.locator(".paper h1")).to_have_css("color", "rgb(0, 0, 0)")


def test_money_when_a_rounded_amount_is_tapped_then_exact_in_its_place(live_server, open_page, alice):
    page = open_page(viewport=PHONE)
    sign_in(page, live_server.url)
    page.goto(live_server.url + reverse("wallet"))
    amount = page.locator("#entries .col-amount .money").first
    expect(amount).to_have_text("−$1.23")
    amount.tap()
    expect(amount).to_have_text("−$1.2345")
    amount.tap()
    expect(amount).to_have_text("−$1.23")
    # In a link, a tap follows the link.
    page.locator("#balance .money").tap()
    expect(page.locator("#balance .money")).to_have_text("$8.77")


def test_sign_in_when_opened_then_the_cursor_waits_and_passwords_can_be_shown(live_server, open_page, alice):
    page = open_page()
    page.goto(live_server.url + reverse("account_login"))
    email, password = page.get_by_label("E-mail"), page.locator("[name=password]")
    expect(email).to_be_focused()
    email.fill(alice.email)
    password.fill("wrong password")
    page.get_by_role("button", name="Show password").click()
    expect(password).to_have_attribute("type", "text")
    page.get_by_role("button", name="Sign in").click()
    # What was right is kept, and the cursor is at what is to be typed again.
    expect(email).to_have_value(alice.email)
    expect(password).to_be_focused()
    expect(password).to_have_attribute("type", "password")
    password.fill(PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile(r"/orders/new/"))
    page.get_by_role("button", name="Sign out").click()
    page.wait_for_url(live_server.url + "/")


def test_sign_up_when_a_password_is_typed_then_its_strength_follows(live_server, open_page):
    page = open_page()
    page.goto(live_server.url + reverse("account_signup"))
    page.get_by_label("E-mail").fill("carol-ann@example.org")
    password, word = page.locator("[name=password1]"), page.locator(".strength-word")
    for text, strength in (
        ("short", "Too short"),
        ("1234567890", "Weak"),
        ("carol-ann 77", "Weak"),
        ("aaaaaaaaaaaaaaaa", "Weak"),
        ("paper boat 9", "Fair"),
        ("paper boats sail at noon over gravel", "Strong"),
        ("", ""),
    ):
        password.fill(text)
        expect(word).to_have_text(strength)


def test_recovery_codes_when_shown_then_copied_and_confirmed(live_server, open_page, alice):
    TOTP.activate(alice, "A" * 32)
    RecoveryCodes.activate(alice)
    page = open_page()
    page.context.grant_permissions(["clipboard-read", "clipboard-write"], origin=live_server.url)
    sign_in(page, live_server.url)
    page.goto(live_server.url + reverse("mfa_view_recovery_codes"))
    codes = page.locator("#recovery-codes").inner_text().split()
    assert len(codes) == 10
    page.get_by_role("button", name="Copy").click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()").split() == codes
    page.get_by_role("button", name="Done").click()
    expect(page).to_have_url(re.compile("recovery-codes"))
    page.get_by_label("I saved them").check()
    page.get_by_role("button", name="Done").click()
    expect(page.get_by_role("heading", name="Two-factor authentication")).to_be_visible()


def test_closing_when_without_scripts_then_the_account_is_closed(live_server, open_page, alice):
    page = open_page(scripts=False)
    sign_in(page, live_server.url)
    page.goto(live_server.url + reverse("account"))
    page.get_by_role("link", name="Close the account").click()
    page.get_by_label("Your e-mail address").fill("alice@example.com")
    page.get_by_label("I give up the $8.7655").check()
    page.get_by_role("button", name="Close the account for good").click()
    expect(page.locator("main")).to_contain_text("not the address of this account")
    expect(page.get_by_label("I give up the $8.7655")).to_be_checked()
    page.get_by_label("Your e-mail address").fill(alice.email)
    page.get_by_role("button", name="Close the account for good").click()
    expect(page.locator("main")).to_contain_text("Your account was closed")
    assert User.objects.get(pk=alice.pk).closed_at
