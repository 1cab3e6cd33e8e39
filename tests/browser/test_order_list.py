"""The list of orders in a real browser: menus, keys, the bar of the chosen, and what can be undone."""

from __future__ import annotations

import time

import pytest
from django.contrib.sessions.models import Session
from django.urls import reverse
from playwright.sync_api import expect

from orders.models import CancelRequest, Order, Refill
from orders.states import Status, Submission
from tests import make
from tests.browser.conftest import DESKTOP, EACH_SCREEN, PHONE
from tests.browser.test_pages import check_in_both_themes, check_page, sign_in

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def alice(db):
    return make.customer("alice@example.org", funds="100")


@pytest.fixture
def orders(alice, upstream):
    """From the top of the list: two in the queue, one that runs, one completed."""
    service = make.service(make.provider(url=upstream.url, api_key=upstream.key), name="Instagram followers")
    done = make.accepted_order(alice, service, upstream_id="u1", link="https://example.com/done")
    runs = make.accepted_order(alice, service, upstream_id="u2", link="https://example.com/runs")
    for order, status in ((done, Status.COMPLETED), (runs, Status.IN_PROGRESS)):
        Order.objects.filter(pk=order.pk).update(status=status, remains=40, next_poll_at=None)
    first, second = (make.order(alice, service, link=f"https://example.com/{number}") for number in range(2))
    return [second, first, runs, done]


@pytest.fixture
def open_list(live_server, orders, open_page, settings):
    """Open the list as Alice. With `is_stopped`, its clock stands still until the test moves it."""
    settings.SUPPORT_EMAIL = "help@example.org"

    def open_at(query="", *, is_stopped=False, **options):
        page = open_page(**options)
        sign_in(page, live_server.url)
        if is_stopped:
            page.clock.install()
        page.goto(f"{live_server.url}{reverse('order_list')}{query}")
        if is_stopped:
            page.clock.pause_at(page.evaluate("Date.now()") + 1_000)
        return page

    return open_at


TOPS = "all => all.map(one => one.getBoundingClientRect().top)"


def row_of(page, order):
    return page.locator("#orders-table tbody tr").filter(has=page.locator(f"input[value='{order.pk}']"))


def box_of(page, order):
    return page.get_by_label(f"Choose order {order.pk}", exact=True)


def withdrawn() -> set[int]:
    return set(Order.objects.filter(submission=Submission.WITHDRAWN).values_list("pk", flat=True))


def has_focus(locator) -> bool:
    return locator.evaluate("element => element === document.activeElement")


# -- menus -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("viewport", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_menu_when_one_is_canceled_then_asked_in_place(open_list, orders, viewport):
    page, order = open_list(viewport=viewport), orders[0]
    row = row_of(page, order)
    row.locator("summary").click()
    expect(row.locator(".popup-item")).to_have_count(4)
    row.get_by_role("link", name="Cancel…").click()
    expect(row.locator(".popup-panel")).to_contain_text("You get $0.25 back at once.")
    if viewport is PHONE:
        sheet = row.locator(".popup-panel").bounding_box()
        assert (sheet["x"], sheet["width"], sheet["y"] + sheet["height"]) == (0, 390, 844)
    row.get_by_role("button", name="Keep it").click()
    assert has_focus(row.locator("[data-key=c]")) and not withdrawn()
    row.get_by_role("link", name="Cancel…").click()
    row.get_by_role("button", name="Yes, cancel").click()
    expect(page.locator(".messages")).to_contain_text("1 order was canceled. $0.25 is back in your wallet.")
    assert withdrawn() == {order.pk}
    # A tap beside a sheet only closes it.
    row_of(page, orders[1]).locator("summary").click()
    page.mouse.click(100, 330)
    expect(page.locator(".popup[open]")).to_have_count(0)
    assert page.url.endswith("/orders/")


def test_menu_when_without_scripts_then_everything_works(open_list, orders, live_server, open_page):
    page, order = open_list(scripts=False), orders[0]
    row_of(page, order).locator("summary").click()
    row_of(page, order).get_by_role("link", name="Cancel…").click()
    expect(page.get_by_role("heading", level=1)).to_have_text(f"Cancel order {order.pk}?")
    page.get_by_role("button", name="Yes, cancel").click()
    expect(page.locator(".messages")).to_contain_text("$0.25")
    assert withdrawn() == {order.pk}
    page.goto(live_server.url + reverse("order_list"))
    row_of(page, orders[3]).locator("summary").click()
    row_of(page, orders[3]).get_by_role("button", name="Ask for refill").click()
    expect(page.locator(".messages")).to_contain_text("Refill requested for 1 order.")
    assert Refill.objects.get().order_id == orders[3].pk


# -- keys ------------------------------------------------------------------------------------------


def test_keys_when_pressed_then_they_act_on_the_focused_row(open_list, orders):
    page = open_list()
    toast = page.locator("#undo")
    page.keyboard.press("c")  # No order has the focus.
    page.keyboard.press("x")
    expect(toast).to_be_hidden()
    page.keyboard.press("j")
    page.keyboard.press("j")
    page.keyboard.press("k")
    assert has_focus(row_of(page, orders[0]).locator(".what a"))
    page.keyboard.press("x")
    expect(box_of(page, orders[0])).to_be_checked()
    page.keyboard.press("r")
    expect(toast).to_contain_text(f"Order {orders[0].pk} cannot be refilled now.")
    page.keyboard.press("c")
    expect(toast).to_contain_text(f"Canceling order {orders[0].pk}")
    page.keyboard.press("u")
    expect(toast).to_be_hidden()
    page.keyboard.press("/")
    page.keyboard.type("jcx?")
    expect(page.get_by_role("searchbox")).to_have_value("jcx?")
    expect(toast).to_be_hidden()
    page.get_by_role("searchbox").blur()
    page.keyboard.press("j")
    page.keyboard.press("a")
    page.wait_for_url("**/orders/new/?again=*")
    assert not withdrawn()


def test_keys_when_turned_off_then_they_do_nothing(open_list):
    page = open_list()
    page.keyboard.press("?")
    dialog = page.get_by_role("dialog", name="Keys")
    expect(dialog).to_be_visible()
    check_page(page, DESKTOP)
    dialog.get_by_label("Use these keys in this browser").uncheck()
    page.keyboard.press("Escape")
    page.reload()
    page.keyboard.press("j")
    page.keyboard.press("?")
    expect(dialog).to_be_hidden()
    assert has_focus(page.locator("body"))
    page.get_by_role("button", name="Keys").click()
    expect(dialog.get_by_label("Use these keys in this browser")).not_to_be_checked()


# -- several, and undo -------------------------------------------------------------------------------


@pytest.mark.parametrize("viewport", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_bar_when_orders_are_chosen_then_nothing_moves(open_list, orders, viewport):
    page = open_list(viewport=viewport)
    expect(page.locator("#bulk")).to_be_hidden()
    if viewport is PHONE:
        page.get_by_text("Select", exact=True).click()
    before = page.locator("#orders-table tr, .chip").evaluate_all(TOPS)
    row_of(page, orders[2]).locator(".pick").click()
    expect(page.locator("#chosen-count")).to_have_text("1 chosen")
    expect(page.locator("#bulk").get_by_role("button", name="Refill")).to_be_disabled()
    after = page.locator("#orders-table tr, .chip").evaluate_all(TOPS)
    assert after == before
    check_page(page, viewport)
    page.get_by_role("button", name="Choose none").click()
    expect(page.locator("#bulk")).to_be_hidden()
    expect(page.locator("#chosen-count")).to_have_text("0 chosen")


def test_cancel_of_several_when_undone_then_not_sent_else_after_ten_seconds(open_list, orders):
    page = open_list(is_stopped=True)
    posts = []
    page.on("request", lambda request: posts.append(request.url) if request.method == "POST" else None)
    toast = page.locator("#undo")
    for undone in (True, False):
        row_of(page, orders[0]).locator(".pick").click()
        row_of(page, orders[1]).locator(".pick").click()
        page.get_by_role("button", name="Cancel 2").click()
        expect(toast).to_contain_text("Canceling 2 orders")
        page.clock.run_for(9_500)
        expect(toast).to_contain_text("in 1 s")
        if undone:
            page.get_by_role("button", name="Undo").click()
            expect(toast).to_be_hidden()
        assert posts == []
        page.clock.run_for(1_000)
    expect(toast).to_contain_text("2 orders were canceled. $0.50 is back in your wallet.")
    assert withdrawn() == {orders[0].pk, orders[1].pk}
    expect(page.locator(f"#order-{orders[0].pk}-status")).to_have_text("Canceled")
    expect(page.locator(".balance")).to_contain_text("$99.50")
    page.clock.run_for(30_000)
    assert len(posts) == 1


def test_cancel_when_the_page_is_left_then_sent_at_once(open_list, orders, live_server):
    page = open_list(is_stopped=True)
    page.keyboard.press("j")
    page.keyboard.press("c")
    expect(page.locator("#undo")).to_be_visible()
    page.goto(live_server.url + reverse("services"))
    # The page may come before the answer that brings the words.
    for _ in range(50):
        page.goto(live_server.url + reverse("order_list"))
        if page.locator(".messages .notice").count():
            break
        time.sleep(0.2)
    expect(page.locator(".messages")).to_contain_text("1 order was canceled.")
    assert withdrawn() == {orders[0].pk}
    page.clock.run_for(6_000)
    expect(page.get_by_text("may not have reached us")).to_have_count(0)


def test_cancel_when_lost_as_the_page_is_left_then_told(open_list, orders, live_server):
    page = open_list(is_stopped=True)
    page.keyboard.press("j")
    page.keyboard.press("c")
    expect(page.locator("#undo")).to_be_visible()
    page.evaluate("navigator.sendBeacon = () => false")
    page.goto(live_server.url + reverse("wallet"))
    page.clock.run_for(6_000)
    expect(page.get_by_text("may not have reached us")).to_be_visible()
    assert not withdrawn()
    page.get_by_role("link", name="Look at these orders").click()
    expect(page.locator("#orders-table tbody tr")).to_have_count(1)
    expect(row_of(page, orders[0])).to_be_visible()


def test_cancel_when_a_second_is_asked_for_then_undone_together(open_list, orders):
    page = open_list(is_stopped=True)
    toast = page.locator("#undo")
    for undone in (True, False):
        for order, key in ((orders[0], "c"), (orders[1], "c"), (orders[3], "r")):
            row_of(page, order).locator(".what a").focus()
            page.keyboard.press(key)
            page.clock.run_for(5_000)
        expect(toast).to_contain_text(f"Canceling 2 orders · Asking for a refill of order {orders[3].pk}")
        if undone:
            page.get_by_role("button", name="Undo").click()
        page.clock.run_for(10_000)
        if undone:
            assert not withdrawn() and not Refill.objects.exists()
    expect(toast).to_contain_text("2 orders were canceled.")
    expect(toast).to_contain_text("Refill requested for 1 order.")
    assert withdrawn() == {orders[0].pk, orders[1].pk}


def test_cancel_when_it_cannot_be_sent_then_told_and_tried_again(open_list, orders):
    page = open_list(is_stopped=True)
    page.keyboard.press("j")
    page.keyboard.press("c")
    # A refused connection would be an error on the console, which fails the test.
    page.evaluate("() => { window.connected = window.fetch; window.fetch = () => Promise.reject(new TypeError()); }")
    page.clock.run_for(10_000)
    expect(page.locator("#undo")).to_contain_text("There is no connection.")
    page.evaluate("() => { window.fetch = window.connected; }")
    page.get_by_role("button", name="Try again").click()
    expect(page.locator("#undo")).to_contain_text("1 order was canceled.")
    assert withdrawn() == {orders[0].pk}


def test_cancel_when_signed_out_meanwhile_then_told(open_list, orders):
    page = open_list(is_stopped=True)
    page.keyboard.press("j")
    page.keyboard.press("c")
    # A poll would lead to the sign-in page first.
    page.evaluate("document.getElementById('orders-poller').remove()")
    Session.objects.all().delete()
    page.clock.run_for(10_000)
    expect(page.locator("#undo")).to_contain_text("You were signed out, so nothing was changed.")
    assert not withdrawn() and not CancelRequest.objects.exists()


@EACH_SCREEN
def test_list_when_menus_and_questions_are_open_then_axe_finds_nothing(open_list, orders, viewport, theme):
    page = open_list("?status=pending", viewport=viewport, theme=theme)
    row_of(page, orders[0]).locator("summary").click()
    check_in_both_themes(page, viewport)
    row_of(page, orders[0]).get_by_role("link", name="Cancel…").click()
    expect(page.get_by_role("button", name="Yes, cancel")).to_be_visible()
    check_in_both_themes(page, viewport)
    page.keyboard.press("Escape")
    page.get_by_text("Save this view").click()
    page.get_by_label("Name of this view").fill("Waiting")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.locator(".chip[aria-current]")).to_have_text("Waiting")
    check_in_both_themes(page, viewport)
