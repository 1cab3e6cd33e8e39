"""Staff view a customer's pages in a real browser: the banner, what is switched off, and leaving."""

from __future__ import annotations

import os

import pytest
from django.urls import reverse
from playwright.sync_api import expect

from panel.accounts.view_as.grant import address_of
from tests import make
from tests.browser.conftest import PHONE
from tests.browser.test_customers import WIDE
from tests.browser.test_pages import check_page, sign_in

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
# The parts of forms that would still send something.
ENABLED = """() => [...document.querySelectorAll("form[method=post]:not([data-leave])")]
  .flatMap((form) => [...form.elements]).filter((part) => part.type !== "hidden" && !part.disabled)
  .map((part) => part.outerHTML)"""


@pytest.fixture
def alice(db):
    alice = make.customer("alice-who-resells@customers.example.org", funds="54.70")
    service = make.service(make.provider(), name="Followers")
    make.accepted_order(alice, service, link="https://example.com/x")
    make.pending_deposit(alice)
    return alice


def shoot(page, name):
    if os.environ.get("SHOTS"):
        page.screenshot(path=f"{os.environ['SHOTS']}/{name}.png")


@pytest.mark.parametrize(("viewport", "theme"), [(WIDE, "light"), (PHONE, "dark")])
def test_view_when_opened_then_banner_inert_forms_and_leave(live_server, open_page, alice, viewport, theme):
    make.staff_member("Support")
    page = open_page(viewport=viewport, theme=theme)
    name = f"{viewport['width']}-{theme}"
    sign_in(page, live_server.url, "support@example.org")
    page.goto(live_server.url + reverse("customer", args=[alice.pk]))
    page.get_by_role("link", name="View as customer…").click()
    shoot(page, f"ask-{name}")
    page.get_by_role("button", name="View for 15 minutes").click()
    banner = page.get_by_role("region", name="View as customer")
    expect(banner).to_contain_text(f"You see what {alice.email} sees.")
    page.evaluate("sessionStorage.setItem('order-draft', 'mine')")
    check_page(page, viewport)
    shoot(page, f"orders-{name}")
    for path in (
        "wallet/",
        "wallet/add-funds/",
        "services/",
        "orders/new/",
        f"orders/{alice.orders.get().pk}/",
        "news/",
    ):
        page.goto(live_server.url + address_of(alice.pk, path))
        expect(banner).to_be_visible()
        check_page(page, viewport)
        shoot(page, f"{path.replace('/', '-')}{name}")
        assert page.evaluate(ENABLED) == []
    # What is kept in the tab is the staff's own, and a key of the list sends nothing.
    assert page.evaluate("sessionStorage.getItem('order-draft')") == "mine"
    sent = []
    page.on("request", lambda request: sent.append(request.method))
    page.goto(live_server.url + address_of(alice.pk, "orders/"))
    page.evaluate("""() => document.dispatchEvent(
      new CustomEvent("order-wish", { detail: { wish: "cancel", orders: ["1"] } }))""")
    expect(page.locator("#undo")).to_be_hidden()
    page.goto(live_server.url + address_of(alice.pk, "wallet/"))
    assert page.evaluate("sessionStorage.getItem('late-wishes')") is None
    assert "POST" not in sent
    token = page.locator("[name=csrfmiddlewaretoken]").first.input_value()
    seen = live_server.url + address_of(alice.pk, "news/seen/")
    assert page.request.post(seen, headers={"X-CSRFToken": token, "Referer": seen}).status == 403
    other = page.context.new_page()  # Not `page`: a refusal is an error on the console, too.
    other.goto(live_server.url + address_of(alice.pk, "account/"))
    expect(other.get_by_role("heading", name="Staff do not see this page")).to_be_visible()
    shoot(other, f"refused-{name}")
    banner.get_by_role("button", name="Leave").click()
    expect(page.get_by_text("You left the customer's pages.")).to_be_visible()
    other.goto(live_server.url + address_of(alice.pk, "wallet/"))
    expect(other.get_by_role("heading", name="You do not view this customer's pages")).to_be_visible()
    shoot(other, f"over-{name}")
