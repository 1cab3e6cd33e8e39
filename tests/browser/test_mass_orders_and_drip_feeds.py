"""Mass orders and drip-feeds in a real browser: with and without scripts, on desktop and phone."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.conf import settings
from django.urls import reverse
from django.utils import timezone
from playwright.sync_api import expect

from catalog.models import Service
from orders.checkout.drip_feeds import begin_due_runs
from orders.models import DripFeed, Order
from orders.states import Status
from panel.accounts.models import User
from tests import make
from tests.browser.conftest import DESKTOP, EACH_SCREEN, PHONE, wait_after_double_click
from tests.browser.test_pages import check_in_both_themes, check_page, sign_in

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

VIEWPORTS = pytest.mark.parametrize("viewport", [DESKTOP, PHONE], ids=["desktop", "phone"])
# Whether nothing covers the element.
IS_UNCOVERED = """element => {
  const box = element.getBoundingClientRect();
  return element.contains(document.elementFromPoint(box.left + 5, box.top + box.height / 2));
}"""


@pytest.fixture
def shop(live_server):
    """Followers, comments and a package on sale, and Alice with $100."""
    provider = make.provider()
    make.service(provider, name="Followers")
    make.service(provider, external_id="2", name="Comments", type="custom_comments", low=1, high=50, rate="20")
    make.service(provider, external_id="3", name="Starter package", type="package", rate="3")
    make.customer("alice@example.org", funds="100")
    return live_server


def order_lines() -> tuple[str, str]:
    """Return the text of four valid lines for $8.75, and of two invalid ones."""
    pks = {service.name: service.pk for service in Service.objects.all()}
    good = [
        f"{pks['Followers']} | https://example.com/{'a-rather-long-page/' * 6} | 1,000",
        f"{pks['Followers']} | https://example.com/b | 500",
        f"{pks['Followers']} | https://www.example.com/b/ | 500",
        f"{pks['Starter package']} | @somebody",
    ]
    bad = [f"{pks['Comments']} | https://example.com/c | 10", f"{pks['Followers']} | nonsense here | 5"]
    return "\n".join(good), "\n".join(bad)


def create_drip_feed() -> DripFeed:
    """Create ten runs, three of them begun: one completed, one in progress, one pending."""
    alice, service = User.objects.get(email="alice@example.org"), Service.objects.get(name="Followers")
    drip = make.drip(alice, service, runs=10, interval=90)
    for _ in range(2):
        begin_next_run(drip)
    first, second, _ = drip.orders.order_by("run")
    Order.objects.filter(pk=first.pk).update(status=Status.COMPLETED, remains=0)
    Order.objects.filter(pk=second.pk).update(status=Status.IN_PROGRESS, remains=40)
    return drip


def begin_next_run(drip: DripFeed) -> None:
    """Make the next run due and begin it."""
    DripFeed.objects.filter(pk=drip.pk).update(next_run_at=timezone.now() - timedelta(seconds=1))
    begin_due_runs()


@pytest.fixture
def open_signed_in(shop, open_page):
    """Open pages signed in as Alice."""

    def new_page(**values):
        page = open_page(**values)
        sign_in(page, shop.url)
        return page

    return new_page


@EACH_SCREEN
def test_pages_when_empty_or_full_then_axe_finds_nothing(shop, open_signed_in, viewport, theme):
    page = open_signed_in(viewport=viewport, theme=theme)
    for name in ("mass_order", "drip_list"):
        page.goto(shop.url + reverse(name))
        check_in_both_themes(page, viewport)
    drip = create_drip_feed()
    for address in (reverse("drip_list"), reverse("drip_detail", args=[drip.pk])):
        page.goto(shop.url + address)
        check_in_both_themes(page, viewport)
    page.goto(shop.url + reverse("mass_order"))
    page.fill("textarea", "\n".join(order_lines()))
    page.get_by_role("button", name="Check the lines").click()
    failed = page.get_by_role("heading", name="2 lines cannot be ordered")
    expect(failed).to_be_focused()
    page.wait_for_function(IS_UNCOVERED, arg=failed.element_handle())  # Smooth scrolling takes a moment.
    check_in_both_themes(page, viewport)


@pytest.mark.parametrize("scripts", [True, False], ids=["scripts", "no scripts"])
@VIEWPORTS
def test_mass_order_when_double_clicked_then_created_once(shop, open_signed_in, viewport, scripts):
    page = open_signed_in(viewport=viewport, scripts=scripts)
    good, bad = order_lines()
    page.goto(shop.url + reverse("order_new"))
    page.goto(shop.url + reverse("mass_order"))
    page.get_by_role("textbox", name="Lines").fill(f"{good}\n{bad}")
    page.get_by_role("button", name="Check the lines").click()
    expect(page.locator("#why-5")).to_contain_text("“Comments” is missing")
    expect(page.locator("main")).to_contain_text("The same as line 2. Order it again?")
    assert Order.objects.count() == 0
    page.get_by_role("textbox", name="Line 5").fill("")
    page.get_by_role("textbox", name="Line 6").fill("")
    page.get_by_role("button", name="Check again").click()
    order = page.get_by_role("button", name="Order all 4 for $8.75")
    order.dblclick()
    wait_after_double_click(page, re.compile(r"/orders/mass/\?made="))
    expect(page.get_by_role("heading", name="4 orders were received: $8.75.")).to_be_focused()
    assert Order.objects.count() == 4
    check_page(page, viewport) if scripts else None
    page.get_by_role("link", name=re.compile("Starter package")).click()
    page.wait_for_url(re.compile(rf"/orders/{Order.objects.latest('pk').pk}/$"))


def test_file_when_a_line_is_wrong_then_it_is_corrected_at_its_place(shop, open_signed_in, tmp_path):
    page = open_signed_in(viewport=PHONE)
    service = Service.objects.get(name="Followers").pk
    file = tmp_path / "orders.csv"
    file.write_text(f"service,link,quantity\n{service},https://example.com/a,100\n{service},https://example.com/b,1\n")
    page.goto(shop.url + reverse("mass_order"))
    page.get_by_label("Or a file").set_input_files(file)
    page.get_by_role("button", name="Check the lines").click()
    expect(page.locator("#why-3")).to_contain_text("Order between 10 and 10,000")
    expect(page.locator(".mass-numbers b")).to_have_text("3")
    page.get_by_role("textbox", name="Line 3").fill(f"{service},https://example.com/b,10")
    expect(page.get_by_role("textbox", name="Lines")).to_have_value(re.compile("b,10$", re.M))
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Order all 2 for").click()
    page.wait_for_url(re.compile(r"/orders/mass/\?made="))
    assert sorted(Order.objects.values_list("quantity", flat=True)) == [10, 100]


def test_lines_when_the_page_is_loaded_again_then_kept_until_ordered(shop, open_signed_in):
    page = open_signed_in()
    good, _ = order_lines()
    lines = page.get_by_role("textbox", name="Lines")
    page.goto(shop.url + reverse("mass_order"))
    lines.press_sequentially("1 | x")
    page.goto(shop.url + reverse("order_list"))
    page.goto(shop.url + reverse("mass_order"))
    expect(lines).to_have_value("1 | x")
    lines.fill(good)
    page.get_by_role("button", name="Check the lines").click()
    page.get_by_role("button", name="Order all 4 for").click()
    page.wait_for_url(re.compile(r"/orders/mass/\?made="))
    page.goto(shop.url + reverse("mass_order"))
    expect(lines).to_have_value("")


def test_lines_when_the_session_ended_then_kept_for_the_sign_in(shop, open_signed_in):
    page = open_signed_in()
    page.goto(shop.url + reverse("mass_order"))
    good, _ = order_lines()
    page.get_by_role("textbox", name="Lines").fill(good)
    page.context.clear_cookies(name=settings.SESSION_COOKIE_NAME)
    page.get_by_role("button", name="Check the lines").click()
    expect(page.locator("main")).to_contain_text("Your lines are kept")
    page.fill("input[name=login]", "alice@example.org")
    page.fill("input[name=password]", "correct horse battery")
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile(r"/orders/mass/$"))
    expect(page.get_by_role("textbox", name="Lines")).to_have_value(good)


@pytest.mark.parametrize("scripts", [True, False], ids=["scripts", "no scripts"])
def test_drip_feed_when_stopped_then_remaining_runs_are_refunded(shop, open_signed_in, scripts):
    page = open_signed_in(viewport=PHONE, scripts=scripts)
    page.clock.install() if scripts else None
    drip = create_drip_feed()
    page.goto(shop.url + reverse("drip_list"))
    page.get_by_role("link", name=f"{drip.pk} Followers").click()
    expect(page.locator("#drip-live")).to_contain_text("Run 3 of 10")
    expect(page.get_by_text("Stop and get back $1.75")).to_be_visible()
    begin_next_run(drip)
    if scripts:
        page.clock.fast_forward(10_000)
        expect(page.locator("#drip-live")).to_contain_text("Run 4 of 10")
        expect(page.locator("#news")).to_have_text("Run 4 of 10 began.")
    page.get_by_text("Stop and get back $1.").click()
    page.get_by_role("button", name="Yes, stop").click()
    expect(page.locator("main")).to_contain_text("$1.50 is back in your wallet.")
    expect(page.locator(".balance")).to_contain_text("$99.00")
    expect(page.get_by_text("Stop and get back")).to_have_count(0)
    check_page(page, PHONE) if scripts else None
    page.get_by_role("link", name="Run 2").click()
    page.wait_for_url(re.compile(rf"/orders/{drip.orders.get(run=2).pk}/$"))
