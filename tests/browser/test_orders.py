"""The list of orders in a real browser: filters, bulk cancels and refills, export; and the page of an order."""

from __future__ import annotations

import csv
import re
from uuid import uuid4

import pytest
from django.urls import reverse
from playwright.sync_api import expect

from orders.checkout.create import create_order
from orders.checkout.validation import OrderInput
from orders.models import CancelRequest, Order, Refill
from orders.states import Status
from tests import make
from tests.browser.conftest import DESKTOP, EACH_SCREEN, PHONE
from tests.browser.test_pages import check_in_both_themes, check_page, sign_in

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

SCREENS = pytest.mark.parametrize("viewport", [DESKTOP, PHONE], ids=["desktop", "phone"])
SCRIPTS = pytest.mark.parametrize("scripts", [True, False], ids=["scripts", "without scripts"])


@pytest.fixture
def alice(db):
    return make.customer("alice@example.org", funds="100")


@pytest.fixture
def provider(alice, upstream):
    return make.provider(url=upstream.url, api_key=upstream.key)


@pytest.fixture
def service(provider):
    return make.service(provider, name="Instagram followers, high quality")


@pytest.fixture
def shop(live_server, alice, provider, service):
    """Two accepted orders of each status, and two in the queue."""
    likes = make.service(provider, external_id="2", name="Likes")
    for number, status in enumerate(Status.values * 2):
        ordered = likes if number % 2 else service
        order = make.accepted_order(
            alice, ordered, upstream_id=f"u{number}", link=f"https://example.com/{'x' * 60}{number}"
        )
        Order.objects.filter(pk=order.pk).update(status=status, remains=40, next_poll_at=None)
    for number in range(2):
        make.order(alice, service, link=f"https://example.com/queued{number}")
    return live_server


@pytest.fixture
def open_list(shop, open_page):
    """Open the list of orders as Alice."""

    def open_at(query="", **options):
        page = open_page(**options)
        sign_in(page, shop.url)
        page.goto(f"{shop.url}{reverse('order_list')}{query}")
        return page

    return open_at


def rows(page):
    """Return the rows of the orders that the list shows."""
    return page.locator("#orders-table tbody tr")


@SCREENS
@SCRIPTS
def test_list_when_filtered_then_only_matching_orders_are_shown(open_list, service, viewport, scripts):
    page = open_list(viewport=viewport, scripts=scripts)
    expect(rows(page)).to_have_count(14)
    page.locator(".filters-more summary").click()
    page.get_by_label("Service", exact=True).select_option(str(service.pk))
    page.get_by_label("From").fill("2020-01-01")
    page.get_by_label("Sort by").select_option("oldest")
    page.get_by_role("button", name="Show").click()
    expect(rows(page)).to_have_count(8)
    page.get_by_role("navigation", name="Status").get_by_role("link", name="Pending").click()
    expect(rows(page)).to_have_count(4)
    page.get_by_role("searchbox").fill("queued1")
    page.get_by_role("searchbox").press("Enter")
    expect(rows(page)).to_have_count(1)
    page.get_by_role("link", name="Take off: “queued1”").click()
    expect(rows(page)).to_have_count(4)
    page.get_by_role("link", name="Take all off").click()
    expect(page.locator(".taken")).to_have_count(0)
    expect(page.locator(".chip[aria-current]")).to_contain_text("Pending")


def test_address_when_filtered_then_it_has_no_empty_parameter(open_list, service):
    page = open_list()
    page.locator(".filters-more summary").click()
    page.get_by_label("Service", exact=True).select_option(str(service.pk))
    page.get_by_role("button", name="Show").click()
    page.wait_for_url(re.compile(rf"\?service={service.pk}(&sort=newest)?$"))
    page.go_back()
    expect(page.get_by_role("searchbox")).to_be_enabled()


def test_date_when_invalid_then_an_error_at_its_field(open_list):
    page = open_list("?since=yesterday")
    field = page.get_by_label("From")
    expect(field).to_have_value("yesterday")
    expect(field).to_have_attribute("aria-invalid", "true")
    expect(page.locator("#id_since_error")).to_contain_text("Enter a date")
    check_page(page, DESKTOP)


@SCREENS
def test_orders_when_chosen_without_scripts_then_canceled_after_confirmation(open_list, alice, viewport):
    page = open_list("?status=pending", viewport=viewport, scripts=False)
    if viewport is PHONE:
        page.get_by_label("Select").locator("..").click()
    for pk in Order.objects.filter(submission="queued").values_list("pk", flat=True):
        page.locator(".pick", has=page.locator(f"input[value='{pk}']")).click()
    page.get_by_role("button", name="Cancel…").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Cancel 2 orders?")
    expect(page.locator("main")).to_contain_text("You get $0.50 back at once.")
    assert not Order.objects.filter(submission="withdrawn").exists()
    page.get_by_role("button", name="Cancel these 2 orders").dblclick()
    expect(page.locator(".messages")).to_contain_text("2 ")
    assert page.url.endswith("/orders/?status=pending")
    assert Order.objects.filter(submission="withdrawn").count() == 2
    assert make.wallet(alice).balance == 100_000_000 - 12 * 250_000


def test_refills_when_all_are_chosen_by_keyboard_then_requested(open_list):
    page = open_list("?status=completed")
    page.get_by_label("Choose all on this page").locator("visible=true").focus()
    before = rows(page).first.bounding_box()
    page.keyboard.press("Space")
    expect(page.locator("#chosen-count")).to_have_text("2 chosen")
    assert rows(page).first.bounding_box() == before
    page.get_by_role("button", name="Refill", exact=True).focus()
    page.keyboard.press("Enter")
    expect(page.locator(".messages")).to_contain_text("Refill requested for 2 orders.")
    assert Refill.objects.count() == 2 and CancelRequest.objects.count() == 0


def test_export_when_clicked_then_it_has_the_listed_orders(open_list, tmp_path):
    page = open_list("?status=partial")
    with page.expect_download() as waiting:
        page.get_by_role("link", name="CSV").click()
    path = tmp_path / "orders.csv"
    waiting.value.save_as(path)
    assert waiting.value.suggested_filename.startswith("orders-")
    with path.open(encoding="utf-8-sig") as file:
        assert [row["status"] for row in csv.DictReader(file)] == ["Partial", "Partial"]


@EACH_SCREEN
def test_pages_when_filtered_or_not_then_axe_finds_nothing(shop, open_page, alice, provider, viewport, theme):
    traffic = make.service(provider, external_id="9", name="Visitors", type="web_traffic", rate="1")
    params = {"country": "WW", "device": "5", "type_of_traffic": "2", "referring_url": "https://example.org/a"}
    order_input = OrderInput(traffic.pk, "https://example.com", 100, params)
    order = create_order(customer=alice, order_input=order_input, request_key=uuid4().hex, seen_charge=None).order
    run = make.drip(alice, provider.upstream_services.get(external_id="1").services.get()).orders.get()
    page = open_page(viewport=viewport, theme=theme)
    sign_in(page, shop.url)
    queries = ("", "?q=example&sort=highest&since=2020-01-01", "?q=nothing-like-this", "?since=x&sort=y")
    for query in queries:
        page.goto(f"{shop.url}{reverse('order_list')}{query}")
        check_in_both_themes(page, viewport)
    for one, words in ((order, "Mobile and desktop"), (run, "Run 1 of 3 of drip-feed")):
        page.goto(shop.url + reverse("order_detail", args=[one.pk]))
        expect(page.locator("main")).to_contain_text(words)
        check_in_both_themes(page, viewport)
