"""Live updates of orders in a real browser: progress in place without shifts, when polls end, cancel and refill."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.contrib.sessions.models import Session
from django.urls import reverse
from django.utils import timezone
from playwright.sync_api import expect

from orders.common.timeline import write_event
from orders.models import CancelRequest, Order, Refill
from orders.states import CancelState, RefillState, Status, Submission
from tests import make
from tests.browser.conftest import DESKTOP, EACH_SCREEN, PHONE
from tests.browser.test_pages import check_in_both_themes, sign_in

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

SCREENS = pytest.mark.parametrize("viewport", [DESKTOP, PHONE], ids=["desktop", "phone"])


@pytest.fixture
def alice(db):
    return make.customer("alice@example.org", funds="100")


@pytest.fixture
def service(upstream, alice):
    provider = make.provider(url=upstream.url, api_key=upstream.key)
    return make.service(provider, name="Instagram followers, high quality")


@pytest.fixture
def create_running(alice, service):
    """Create orders in progress; return them newest first, as the list shows them."""

    def create(count=1, *, quantity=1_000, **values):
        created = []
        for number in range(count):
            order = make.accepted_order(alice, service, upstream_id=f"u{number}", quantity=quantity)
            values = {"status": Status.IN_PROGRESS, "remains": quantity, "next_poll_at": None, **values}
            Order.objects.filter(pk=order.pk).update(**values)
            created.insert(0, order)
        return created

    return create


@pytest.fixture
def open_live(live_server, alice, open_page):
    """Open an address as Alice, with a clock that the test moves and the URLs of polls in `page.polls`."""

    def open_at(address, **options):
        page = open_page(**options)
        page.clock.install()
        page.polls = []
        page.on("request", lambda request: page.polls.append(request.url) if "/live/" in request.url else None)
        sign_in(page, live_server.url)
        page.goto(live_server.url + address)
        page.evaluate("window.neverReloaded = true")
        return page

    return open_at


def update(order, **values):
    Order.objects.filter(pk=order.pk).update(**values)


def move_to_poll(page, seconds):
    """Move the page's clock to its next poll, and wait until the answer is swapped in."""
    with page.expect_response(re.compile("/live/")) as answer:
        page.clock.fast_forward(seconds * 1_000)
    answer.value.finished()
    page.wait_for_function(
        "() => !document.querySelector('.htmx-request, .htmx-swapping, .htmx-settling, .htmx-added')"
    )


def check_no_poll(page, seconds):
    """Move the page's clock, and check that the page does not poll."""
    polled = len(page.polls)
    page.clock.fast_forward(seconds * 1_000)
    page.wait_for_timeout(300)
    assert len(page.polls) == polled


def bounding_boxes(page, selector):
    """Return x, y, width and height of each matching element in the window."""
    return page.eval_on_selector_all(
        selector,
        "all => all.map(one => { const b = one.getBoundingClientRect(); return [b.x, b.y, b.width, b.height] })",
    )


def address_of(order):
    """Return the address of the order's page."""
    return reverse("order_detail", args=[order.pk])


# -- the list --------------------------------------------------------------------------------------


@SCREENS
def test_list_when_orders_progress_then_only_their_cells_change(open_live, create_running, viewport):
    orders = create_running(20, status=Status.PENDING, remains=None)
    Order.objects.update(quantity=1_000_000)
    update(orders[19], status=Status.PARTIAL, remains=157_000)
    page = open_live(reverse("order_list"), viewport=viewport)
    link = page.locator(f"a[href='{address_of(orders[10])}']")
    link.focus()
    page.evaluate("window.scrollBy(0, 120)")
    scrolled = page.evaluate("window.scrollY")
    assert scrolled > 0
    before = bounding_boxes(page, "#orders-table tr, #orders-table td, #orders-table th, .chip, .balance")

    update(orders[3], status=Status.IN_PROGRESS, remains=157_000)
    update(orders[10], status=Status.PROCESSING, remains=999_400)
    move_to_poll(page, 5)
    expect(page.locator(f"#order-{orders[3].pk}-progress")).to_contain_text("843,000 of 1,000,000")
    expect(page.locator(f"#order-{orders[3].pk}-status")).to_have_text("In progress")
    expect(page.locator(f"#order-{orders[10].pk}-progress")).to_contain_text("600 of 1,000,000")

    update(orders[5], status=Status.PARTIAL, remains=157_000, refunded=392_500)
    move_to_poll(page, 5)
    expect(page.locator(f"#order-{orders[5].pk}-status")).to_have_text("Partial")
    expect(page.locator("#count-partial")).to_have_text("2")
    expect(page.locator("#news")).to_have_text(f"Order {orders[5].pk}: Partial.")

    assert bounding_boxes(page, "#orders-table tr, #orders-table td, #orders-table th, .chip, .balance") == before
    assert page.evaluate("window.scrollY") == scrolled
    assert link.evaluate("element => element === document.activeElement")
    assert page.evaluate("window.neverReloaded") is True
    ids = page.eval_on_selector_all("[id]", "all => all.map(one => one.id)")
    assert len(ids) == len(set(ids))


def test_list_when_nothing_changes_then_no_node_is_touched(open_live, create_running):
    create_running(3)
    page = open_live(reverse("order_list"))
    page.evaluate(
        "window.touched = 0; new MutationObserver(all => window.touched += all.length)"
        ".observe(document.querySelector('#orders-table'), {subtree: true, childList: true, characterData: true})"
    )
    for _ in range(3):
        move_to_poll(page, 5)
    assert len(page.polls) == 3
    assert page.evaluate("window.touched") == 0


def test_list_when_the_last_order_ended_then_polling_stops(open_live, create_running):
    first, second = create_running(2)
    page = open_live(reverse("order_list"))
    update(first, status=Status.COMPLETED)
    move_to_poll(page, 5)
    expect(page.locator(f"#order-{first.pk}-status")).to_have_text("Completed")
    move_to_poll(page, 5)
    assert f"{first.pk}-" not in page.polls[-1] and f"{second.pk}-" in page.polls[-1]
    update(second, status=Status.COMPLETED)
    move_to_poll(page, 5)
    expect(page.locator(f"#order-{second.pk}-status")).to_have_text("Completed")
    check_no_poll(page, 60)
    assert len(page.polls) == 3


def test_list_when_the_tab_is_hidden_then_polls_only_when_shown(open_live, create_running):
    [order] = create_running()
    page = open_live(reverse("order_list"))
    page.evaluate("Object.defineProperty(document, 'hidden', {value: true, configurable: true})")
    update(order, remains=157)
    check_no_poll(page, 30)
    page.evaluate("delete document.hidden; document.dispatchEvent(new Event('visibilitychange'))")
    expect(page.locator(f"#order-{order.pk}-progress")).to_contain_text("843 of 1,000", timeout=30_000)


def test_list_when_the_session_ended_then_said_in_place(open_live, create_running):
    create_running()
    page = open_live(reverse("order_list"))
    Session.objects.all().delete()
    page.clock.fast_forward(5_000)
    link = page.get_by_role("link", name="Sign in and go on")
    expect(link).to_have_attribute("href", re.compile(r"/login/\?next=%2Forders%2F$"))
    asked = len(page.polls)
    check_no_poll(page, 60)
    assert len(page.polls) == asked


def test_list_when_without_scripts_then_the_current_state_is_shown(open_live, create_running, live_server, open_page):
    [order] = create_running(remains=157)
    page = open_page(scripts=False)
    sign_in(page, live_server.url)
    page.goto(live_server.url + reverse("order_list"))
    expect(page.locator(f"#order-{order.pk}-progress")).to_contain_text("843 of 1,000")


def test_times_when_the_page_stays_open_then_they_stay_correct(open_live, create_running):
    orders = create_running(9)
    spans = [5, 48, 155, 3_000, 3_700, 40_000, 100_000, 300_000, 900_000]
    for order, seconds in zip(orders, spans, strict=True):
        update(order, status=Status.COMPLETED, created_at=timezone.now() - timedelta(seconds=seconds))
    page = open_live(reverse("order_list"))
    times = page.locator("#orders-table time")
    shown = times.all_inner_texts()
    assert shown[0] == "just now" and shown[2] == "3 min ago" and shown[4] == "1 h ago" and shown[6] == "1 day ago"
    page.clock.run_for(15_000)
    assert times.all_inner_texts() == shown  # Scripts use the same words as the server.
    page.clock.fast_forward(120_000)
    page.clock.run_for(15_000)
    assert times.all_inner_texts()[:3] == ["3 min ago", "3 min ago", "5 min ago"]


# -- the page of an order --------------------------------------------------------------------------


@SCREENS
def test_order_page_when_updated_then_focus_and_scroll_are_kept(open_live, create_running, alice, service, viewport):
    [order] = create_running()
    update(order, params={"comments": "one\ntwo"}, checked_at=timezone.now())
    page = open_live(address_of(order), viewport=viewport)
    page.locator("#order-comments summary").click()
    button = page.locator("#cancel-button")
    button.evaluate("element => element.scrollIntoView({behavior: 'instant', block: 'center'})")
    button.focus()
    before = bounding_boxes(page, ".order-live *:not(progress)")
    scrolled = page.evaluate("window.scrollY")

    update(order, remains=157)
    move_to_poll(page, 3)
    expect(page.locator(".order-state")).to_contain_text("843 of 1,000")
    assert bounding_boxes(page, ".order-live *:not(progress)")[:4] == before[:4]
    assert page.evaluate("window.scrollY") == scrolled
    assert button.evaluate("element => element === document.activeElement")
    assert page.locator("#order-comments").get_attribute("open") is not None
    box = page.locator("#cancel-button").bounding_box()

    page.locator("#order-comments summary").focus()
    update(order, remains=100, start_count=7)
    move_to_poll(page, 3)
    expect(page.locator(".order-state")).to_contain_text("900 of 1,000")
    assert page.evaluate("document.activeElement.id") == "order-comments-title"
    assert page.locator("#cancel-button").bounding_box() == box
    assert page.evaluate("window.neverReloaded") is True


def test_order_page_when_the_order_ended_then_polling_stops(open_live, create_running):
    [order] = create_running()
    page = open_live(address_of(order))
    move_to_poll(page, 3)
    assert len(page.polls) == 1
    update(order, status=Status.PARTIAL, remains=157, refunded=392_500)
    make.deposit(order.customer, "1")
    move_to_poll(page, 3)
    expect(page.locator(".order-state .status")).to_have_text("Partial")
    expect(page.locator(".facts")).to_contain_text("$0.39")
    expect(page.locator("#balance")).to_contain_text("$98.50")
    expect(page.locator("#news")).to_have_text(f"Order {order.pk}: Partial.")
    expect(page.locator("#cancel-button")).to_have_count(0)
    check_no_poll(page, 60)
    assert len(page.polls) == 2


def test_order_page_when_only_a_refill_runs_then_polls_slowly(open_live, create_running):
    [order] = create_running(status=Status.COMPLETED, remains=0)
    refill = Refill.objects.create(order=order, provider_id=order.provider_id, state=RefillState.PENDING)
    page = open_live(address_of(order))
    check_no_poll(page, 10)
    move_to_poll(page, 5)
    Refill.objects.filter(pk=refill.pk).update(state=RefillState.COMPLETED)
    move_to_poll(page, 15)
    expect(page.locator(".refills .status")).to_have_text("Completed")
    check_no_poll(page, 60)
    assert len(page.polls) == 2


def test_button_when_pressed_during_change_then_click_is_not_lost(open_live, create_running):
    [order] = create_running()
    page = open_live(address_of(order))
    page.locator("#cancel-button").click()
    page.clock.fast_forward(2_500)
    box = page.get_by_role("button", name="Yes, cancel").bounding_box()
    page.mouse.move(box["x"] + 5, box["y"] + 5)
    update(order, remains=157)
    page.clock.fast_forward(2_500)
    page.mouse.down()
    move_to_poll(page, 1)
    assert page.polls  # On a slow machine the next one may come as well.
    page.mouse.up()
    page.wait_for_url(f"**{address_of(order)}")
    expect(page.locator(".messages")).to_contain_text("You asked to cancel")


# -- cancel, refill --------------------------------------------------------------------------------


@SCREENS
def test_cancel_when_not_yet_sent_then_refunded_at_once(open_live, alice, service, viewport):
    order = make.order(alice, service, quantity=1_000)
    page = open_live(address_of(order), viewport=viewport)
    expect(page.locator(".offer")).to_contain_text("You get $2.50 back at once.")
    page.locator("#cancel-button").click()
    page.get_by_role("button", name="Yes, cancel").dblclick()
    shown = page.locator(".messages .notice")
    expect(shown).to_have_count(1)
    expect(shown).to_have_text(f"Order {order.pk} was canceled. $2.50 is back in your wallet.")
    expect(page.locator("#balance")).to_contain_text("$100.00")
    expect(page.locator(".order-state .status")).to_have_text("Canceled")
    assert page.evaluate("document.activeElement.className") == "messages"
    assert Order.objects.get(pk=order.pk).submission == Submission.WITHDRAWN


def test_cancel_when_already_sent_then_the_page_shows_its_result(open_live, create_running):
    [order] = create_running(remains=400)
    page = open_live(address_of(order))
    expect(page.locator(".offer")).to_contain_text("It may be too late")
    page.locator("#cancel-button").press("Enter")
    page.get_by_role("link", name="Keep it").press("Enter")
    expect(page.get_by_role("button", name="Yes, cancel")).to_be_hidden()
    assert page.evaluate("document.activeElement.id") == "cancel-button"
    page.keyboard.press("Enter")
    # A live update leaves the question open.
    update(order, remains=300)
    move_to_poll(page, 3)
    expect(page.locator(".order-state")).to_contain_text("700 of 1,000")
    page.get_by_role("button", name="Yes, cancel").press("Enter")
    expect(page.locator(".order-live .notice")).to_contain_text("Cancellation asked for")
    expect(page.locator("#cancel-button")).to_have_count(0)

    page.clock.fast_forward(100)
    now = timezone.now()
    CancelRequest.objects.update(state=CancelState.REFUSED, finished_at=now, note="It is <b>too</b> late.")
    move_to_poll(page, 3)
    expect(page.locator(".order-live .notice")).to_contain_text("did not cancel this order")
    expect(page.locator(".order-live .notice")).to_contain_text("It is <b>too</b> late.")

    update(order, status=Status.COMPLETED, remains=0)
    move_to_poll(page, 3)
    expect(page.locator(".order-live .notice")).to_have_count(0)


def test_refill_when_clicked_then_listed_and_updated(open_live, create_running):
    [order] = create_running(status=Status.COMPLETED, remains=0)
    page = open_live(address_of(order))
    page.get_by_role("button", name="Ask for a refill").click()
    expect(page.locator(".messages")).to_contain_text(f"You asked for a refill of order {order.pk}.")
    expect(page.locator(".refills .status")).to_have_text("Waiting to be sent")
    expect(page.locator("#refill-button")).to_have_count(0)
    Refill.objects.update(state=RefillState.REJECTED)
    move_to_poll(page, 15)
    expect(page.locator(".refills")).to_contain_text("The provider looked at it and did not refill.")


def test_cancel_and_refill_when_without_scripts_then_they_work(create_running, live_server, open_page):
    order, done = create_running(2)
    update(done, status=Status.COMPLETED)
    page = open_page(scripts=False)
    sign_in(page, live_server.url)
    page.goto(live_server.url + address_of(order))
    page.get_by_text("Cancel this order").click()
    page.get_by_role("button", name="Yes, cancel").click()
    expect(page.locator(".order-live .notice")).to_contain_text("Cancellation asked for")
    page.goto(live_server.url + address_of(done))
    page.get_by_role("button", name="Ask for a refill").click()
    expect(page.locator(".refills")).to_contain_text("Waiting to be sent")
    assert (CancelRequest.objects.get().order, Refill.objects.get().order) == (order, done)


# -- accessibility ---------------------------------------------------------------------------------


@EACH_SCREEN
def test_pages_when_cancels_and_refills_then_axe_finds_nothing(open_live, create_running, viewport, theme):
    pending, refused, done, queued = create_running(4)
    for order in (pending, refused):
        update(order, remains=157, start_count=12_040, checked_at=timezone.now() - timedelta(minutes=2))
        write_event(order_id=order.pk, kind="status", old=Status.PENDING, new=Status.IN_PROGRESS)
        write_event(order_id=order.pk, kind="cancel", text="You asked to cancel it")
    CancelRequest.objects.create(order=pending, provider_id=pending.provider_id)
    CancelRequest.objects.create(
        order=refused,
        provider_id=refused.provider_id,
        state=CancelState.REFUSED,
        finished_at=timezone.now(),
        note="Cannot cancel: the order has started",
    )
    update(done, status=Status.COMPLETED, remains=0, start_count=12_040)
    for days, state in enumerate(set(RefillState.values) - set(RefillState.open())):
        created = timezone.now() - timedelta(days=2 + 2 * days)
        Refill.objects.create(
            order=done,
            provider_id=done.provider_id,
            state=state,
            note=f"Note {days}",
            created_at=created,
            asked_at=created,
        )
    update(queued, submission=Submission.QUEUED, status=Status.PENDING, upstream_id=None, remains=None)
    addresses = [reverse("order_list"), *(address_of(order) for order in (pending, refused, done, queued))]
    page = open_live(addresses[0], viewport=viewport, theme=theme)
    site = page.url.removesuffix(addresses[0])
    for address in addresses:
        assert page.goto(site + address).status == 200
        assert page.evaluate("document.documentElement.dataset.bsTheme") == theme
        check_in_both_themes(page, viewport)
    Refill.objects.create(order=done, provider_id=done.provider_id, state=RefillState.IN_PROGRESS)
    page.goto(site + address_of(done))
    check_in_both_themes(page, viewport)
