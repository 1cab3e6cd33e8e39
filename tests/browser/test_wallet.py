"""The wallet and deposits in a real browser: on a phone, with and without scripts, in both themes."""

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

# A valid image of one pixel.
PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c489"
    "0000000d49444154789c63f8cfc0f01f0005050102a2d2b3ce0000000049454e44ae426082"
)


@pytest.fixture(autouse=True)
def private_folder(tmp_path, monkeypatch):
    """Keep private files in a folder of the test, and return it."""
    storage = storages["private"]
    for name in ("base_location", "location"):
        monkeypatch.setitem(storage.__dict__, name, str(tmp_path / "private"))
    return tmp_path


@pytest.fixture
def site(live_server, private_folder):
    """Two payment methods, Alice with $10, an owner, and a receipt."""
    make.customer("alice@example.org", funds="10")
    make.owner()
    make.payment_method(
        bonus_bp=500, instructions="Upmark Ltd\nIBAN DE00 0000 0000 0000\n\nhttps://example.com/how-to-pay"
    )
    make.payment_method(name="Crypto", instructions="USDT to 0x" + "ab" * 20, maximum=make.micros("25000"))
    (private_folder / "receipt.png").write_bytes(PNG)
    return live_server


def fill_wallet(customer):
    """Post 60 charges and a refund; return three deposits: pending, approved and refused."""
    wallet = wallet_of(customer=customer)
    for number in range(60):
        name = f"Service {number % 14}: followers with a long name that says all about it"
        ledger.post(wallet_id=wallet.pk, amount=-(number + 1) * 12_345, kind="order", key=f"o{number}", memo=name)
    ledger.post(wallet_id=wallet.pk, amount=410_000, kind="refund", key="r", memo="Service 1: followers")
    owner = type(customer).objects.get(email="owner@example.org")
    deposits = [make.pending_deposit(customer, amount, reference=f"TX-{amount}") for amount in ("100", "20", "250.50")]
    approve_deposit(deposit_id=deposits[1].pk, credited=deposits[1].amount, actor=owner)
    refuse_deposit(deposit_id=deposits[2].pk, reason="No payment with this reference came in.", actor=owner)
    return deposits


@EACH_SCREEN
@pytest.mark.parametrize("full", [False, True], ids=["empty", "full"])
def test_pages_when_empty_or_full_then_axe_finds_nothing(site, open_page, viewport, theme, full):
    user = make.customer("carol@example.org", funds="30" if full else "0")
    deposits = fill_wallet(user) if full else []
    page = open_page(viewport=viewport, theme=theme)
    sign_in(page, site.url, user.email)
    addresses = [
        reverse("wallet"),
        reverse("wallet") + "?kind=refund&since=2026-03-02&until=2026-03-01",
        reverse("wallet_spending"),
        reverse("add_funds"),
        *(reverse("deposit_detail", args=[one.pk]) for one in deposits),
    ]
    for address in addresses:
        assert page.goto(site.url + address).status == 200
        check_in_both_themes(page, viewport)


def test_deposit_when_sent_with_proof_then_staff_may_decide(site, open_page, private_folder):
    page = open_page(viewport=PHONE)
    sign_in(page, site.url)
    page.goto(site.url + reverse("add_funds"))
    page.get_by_text("Have you paid already?").click()
    amount = page.get_by_label("Amount")
    amount.scroll_into_view_if_needed()
    before = amount.bounding_box(), page.get_by_label("Reference").bounding_box()
    amount.press_sequentially("100")
    expect(page.locator("#funds-preview")).to_contain_text("$105.00")
    assert (amount.bounding_box(), page.get_by_label("Reference").bounding_box()) == before
    page.get_by_label("Reference").fill("TX 77")
    page.get_by_label("Receipt").set_input_files(private_folder / "receipt.png")
    page.get_by_role("button", name="Show how to pay").click()
    page.wait_for_url(re.compile(r"/wallet/deposits/\d+/$"))
    expect(page.locator("#deposit-live")).to_contain_text("We look for it")
    check_page(page, PHONE)
    deposit = Deposit.objects.get()
    owner = Client()
    owner.force_login(type(deposit.customer).objects.get(email="owner@example.org"))
    assert owner.get(reverse("deposit_receipt", args=[deposit.pk])).status_code == 200


@EACH_SCREEN
def test_fee_when_the_customer_pays_it_then_seen_while_typing(site, open_page, viewport, theme):
    fee = {"fee_bp": 400, "fee_fixed": make.micros("0.10"), "fee_payer": "customer"}
    method = make.payment_method(name="Card", position=9, **fee)
    page = open_page(viewport=viewport, theme=theme)
    sign_in(page, site.url)
    page.goto(f"{site.url}{reverse('add_funds')}?method={method.pk}")
    amount, preview = page.get_by_label("Amount to add"), page.locator("#funds-preview")
    amount.scroll_into_view_if_needed()
    below = page.get_by_text("Have you paid already?")
    before = below.bounding_box()
    expect(preview).to_contain_text("a fee of 4% + $0.10")
    amount.press_sequentially("20")
    expect(preview).to_contain_text("You pay $20.90: $20.00 + fee $0.90 (4% + $0.10)")
    assert below.bounding_box() == before
    check_in_both_themes(page, viewport)
    page.get_by_role("button", name="Show how to pay").click()
    page.wait_for_url(re.compile(r"/wallet/deposits/\d+/$"))
    expect(page.locator("#deposit-live")).to_contain_text("You pay $20.90")
    check_in_both_themes(page, viewport)


def test_back_when_the_form_had_an_error_then_the_input_is_kept(site, open_page):
    page = open_page()
    sign_in(page, site.url)
    page.goto(site.url + reverse("add_funds"))
    page.get_by_label("Amount").fill("1")
    page.get_by_role("button", name="Show how to pay").click()
    expect(page.get_by_label("Amount")).to_be_focused()
    expect(page.locator("main")).to_contain_text("smallest amount")
    page.get_by_role("link", name="Services", exact=True).click()
    page.wait_for_url(re.compile(r"/services/"))
    page.go_back()
    expect(page.get_by_label("Amount")).to_have_value("1")


def test_deposit_when_without_scripts_then_requested_and_canceled(site, open_page):
    page = open_page(scripts=False)
    sign_in(page, site.url)
    page.goto(site.url + reverse("wallet"))
    page.get_by_role("link", name="Add funds").last.click()
    page.get_by_role("radio", name=re.compile("Crypto")).check()
    page.get_by_label("Amount").fill("1")
    page.get_by_role("button", name="Show how to pay").click()
    expect(page.get_by_label("Amount")).to_have_attribute("aria-invalid", "true")
    expect(page.locator("main")).to_contain_text("smallest amount is $5.00")
    page.get_by_label("Amount").fill("20000")
    page.get_by_role("button", name="Show how to pay").click()
    page.get_by_text("Abandon this payment", exact=True).click()
    page.get_by_role("button", name="Yes, abandon it").click()
    expect(page.locator("main")).to_contain_text("You canceled this request")
    assert Deposit.objects.get().state == "canceled"


def test_receipt_when_of_a_wrong_type_then_an_error_and_input_kept(site, open_page, private_folder):
    (private_folder / "page.png").write_text("<html><script>alert(1)</script>")
    page = open_page(viewport=PHONE)
    sign_in(page, site.url)
    page.goto(site.url + reverse("add_funds"))
    page.get_by_label("Amount").fill("50")
    page.get_by_text("Have you paid already?").click()
    page.get_by_label("Reference").fill("kept")
    page.get_by_label("Receipt").set_input_files(private_folder / "page.png")
    page.get_by_role("button", name="Show how to pay").click()
    field = page.get_by_label("Receipt")
    expect(field).to_have_attribute("aria-invalid", "true")
    expect(page.locator("main")).to_contain_text("not a PNG, JPEG, WebP or PDF")
    expect(page.get_by_label("Reference")).to_have_value("kept")
    expect(page.locator("#funds-preview")).to_contain_text("$52.50")
    check_page(page, PHONE)


def test_entries_when_filtered_then_only_those_are_exported(site, open_page):
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
