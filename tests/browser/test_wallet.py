"""Wallet and adding funds in a real browser: on a phone, with and without scripts, in both themes."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from django.core.files.storage import storages
from django.test import Client
from django.urls import reverse
from playwright.sync_api import expect

from billing import ledger
from billing.deposits import approve_deposit, refuse_deposit
from billing.models import Deposit
from billing.wallets import wallet_of
from tests import make
from tests.browser.conftest import EACH_SCREEN, PHONE
from tests.browser.test_pages import check_in_both_themes, check_page, sign_in

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c489"
    "0000000d49444154789c63f8cfc0f01f0005050102a2d2b3ce0000000049454e44ae426082"
)


@pytest.fixture(autouse=True)
def private(tmp_path, monkeypatch):
    storage = storages["private"]
    for name in ("base_location", "location"):
        monkeypatch.setitem(storage.__dict__, name, str(tmp_path / "private"))
    return tmp_path


@pytest.fixture
def site(live_server, private):
    """Two ways to pay, a customer, and an owner."""
    make.customer("alice@example.org", funds="10")
    make.owner()
    make.payment_method(
        bonus_bp=500, instructions="Upmark Ltd\nIBAN DE00 0000 0000 0000\n\nhttps://example.com/how-to-pay"
    )
    make.payment_method(name="Crypto", instructions="USDT to 0x" + "ab" * 20, maximum=make.micros("25000"))
    (private / "receipt.png").write_bytes(PNG)
    return live_server


def fill_wallet(customer):
    """A year of movements, and a request of each state."""
    wallet = wallet_of(customer=customer)
    for number in range(60):
        name = f"Service {number % 14}: followers with a long name that says all about it"
        ledger.post(wallet_id=wallet.pk, amount=-(number + 1) * 12_345, kind="order", key=f"o{number}", memo=name)
    ledger.post(wallet_id=wallet.pk, amount=410_000, kind="refund", key="r", memo="Service 1: followers")
    owner = type(customer).objects.get(email="owner@example.org")
    made = [make.pending_deposit(customer, amount, reference=f"TX-{amount}") for amount in ("100", "20", "250.50")]
    approve_deposit(deposit_id=made[1].pk, credited=made[1].amount, actor=owner)
    refuse_deposit(deposit_id=made[2].pk, reason="No payment with this reference came in.", actor=owner)
    return made


@EACH_SCREEN
@pytest.mark.parametrize("full", [False, True], ids=["empty", "full"])
def test_pages_of_the_wallet_are_sound(site, open_page, viewport, theme, full):
    user = make.customer("carol@example.org", funds="30" if full else "0")
    made = fill_wallet(user) if full else []
    page = open_page(viewport=viewport, theme=theme)
    sign_in(page, site.url, user.email)
    addresses = [
        reverse("wallet"),
        reverse("wallet") + "?kind=refund&since=2026-03-02&until=2026-03-01",
        reverse("wallet_spending"),
        reverse("add_funds"),
        *(reverse("deposit_detail", args=[one.pk]) for one in made),
    ]
    for address in addresses:
        assert page.goto(site.url + address).status == 200
        check_in_both_themes(page, viewport)


def test_customer_adds_funds_with_a_receipt_on_a_phone_and_sees_it_being_added(site, open_page, private):
    page = open_page(viewport=PHONE)
    page.clock.install()
    sign_in(page, site.url)
    page.goto(site.url + reverse("add_funds"))
    amount = page.get_by_label("Amount")
    amount.scroll_into_view_if_needed()
    before = amount.bounding_box(), page.get_by_label("Reference").bounding_box()
    amount.press_sequentially("100")
    expect(page.locator("#funds-preview")).to_contain_text("$105.00")
    assert (amount.bounding_box(), page.get_by_label("Reference").bounding_box()) == before
    page.get_by_label("Reference").fill("TX 77")
    page.get_by_label("Receipt").set_input_files(private / "receipt.png")
    page.get_by_role("button", name="Send the request").click()
    page.wait_for_url(re.compile(r"/wallet/deposits/\d+/$"))
    expect(page.locator("#deposit-live")).to_contain_text("Waiting")
    check_page(page, PHONE)
    deposit = Deposit.objects.get()

    owner = Client()
    owner.force_login(type(deposit.customer).objects.get(email="owner@example.org"))
    assert owner.get(reverse("deposit_receipt", args=[deposit.pk])).status_code == 200
    answer = owner.post(
        reverse("admin:billing_deposit_approve", args=[deposit.pk]), {"credited": "100", "seen": "pending"}
    )
    assert answer.status_code == 302
    page.clock.fast_forward(10_000)
    expect(page.locator("#deposit-live")).to_contain_text("$105.00 is in your wallet")
    expect(page.locator("#balance")).to_contain_text("$115.00")
    expect(page.locator("#news")).to_have_text("Your request: Added.")
    check_page(page, PHONE)


def test_back_to_a_form_with_a_mistake_shows_it_as_it_was(site, open_page):
    page = open_page()
    sign_in(page, site.url)
    page.goto(site.url + reverse("add_funds"))
    page.get_by_label("Amount").fill("1")
    page.get_by_role("button", name="Send the request").click()
    expect(page.get_by_label("Amount")).to_be_focused()
    expect(page.locator("main")).to_contain_text("smallest amount")
    page.get_by_role("link", name="Services", exact=True).click()
    page.wait_for_url(re.compile(r"/services/"))
    page.go_back()
    expect(page.get_by_label("Amount")).to_have_value("1")


def test_request_is_made_and_canceled_without_scripts(site, open_page):
    page = open_page(scripts=False)
    sign_in(page, site.url)
    page.goto(site.url + reverse("wallet"))
    page.get_by_role("link", name="Add funds").last.click()
    page.get_by_role("link", name=re.compile("Crypto")).click()
    page.get_by_label("Amount").fill("1")
    page.get_by_role("button", name="Send the request").click()
    expect(page.get_by_label("Amount")).to_have_attribute("aria-invalid", "true")
    expect(page.locator("main")).to_contain_text("smallest amount is $5.00")
    page.get_by_label("Amount").fill("20000")
    page.get_by_role("button", name="Send the request").click()
    page.get_by_role("button", name="Cancel this request").click()
    expect(page.locator("main")).to_contain_text("You canceled this request")
    assert Deposit.objects.get().state == "canceled"


def test_file_that_is_no_receipt_is_told_at_its_field_and_what_was_typed_is_kept(site, open_page, private):
    (private / "page.png").write_text("<html><script>alert(1)</script>")
    page = open_page(viewport=PHONE)
    sign_in(page, site.url)
    page.goto(site.url + reverse("add_funds"))
    page.get_by_label("Amount").fill("50")
    page.get_by_label("Reference").fill("kept")
    page.get_by_label("Receipt").set_input_files(private / "page.png")
    page.get_by_role("button", name="Send the request").click()
    field = page.get_by_label("Receipt")
    expect(field).to_have_attribute("aria-invalid", "true")
    expect(page.locator("main")).to_contain_text("not a PNG, JPEG, WebP or PDF")
    expect(page.get_by_label("Reference")).to_have_value("kept")
    expect(page.locator("#funds-preview")).to_contain_text("$52.50")
    check_page(page, PHONE)


def test_entries_are_filtered_with_the_keyboard_and_turned_page_by_page(site, open_page):
    user = make.customer("carol@example.org", funds="30")
    fill_wallet(user)
    page = open_page()
    sign_in(page, site.url, user.email)
    page.goto(site.url + reverse("wallet"))
    page.get_by_role("link", name="Older").click()
    expect(page.locator("#entries tbody tr")).to_have_count(25)
    page.get_by_role("link", name="Refunds", exact=True).focus()
    page.keyboard.press("Enter")
    expect(page.locator("#entries tbody tr")).to_have_count(1)
    expect(page.get_by_role("link", name="Refunds", exact=True)).to_have_attribute("aria-current", "true")
    with page.expect_download() as waiting:
        page.get_by_role("link", name="Download as CSV").click()
    text = Path(waiting.value.path()).read_text("utf-8-sig")
    assert len(text.splitlines()) == 2 and "0.41" in text
